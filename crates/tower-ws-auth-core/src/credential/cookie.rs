use http::request::Parts;

use super::cookie_header as cookie;
use super::{Credential, malformed};
use crate::Rejection;

/// The cookie of this name. Two of that name are malformed: an attacker may have set one of them,
/// and nobody can tell which.
pub(super) fn take(head: &mut Parts, name: &str) -> Result<Option<Credential>, Rejection> {
    let Some(found) = cookie::take(&mut head.headers, name) else {
        return Ok(None);
    };
    if found.is_repeated() {
        return Err(malformed("two cookies of the credential's name"));
    }
    Credential::in_cookie(found).map(Some)
}

#[cfg(test)]
mod cookie_rfc6265_4_2 {
    use super::*;
    use http::header::COOKIE;
    use http::{HeaderValue, Request};

    fn take_from(lines: &[&str]) -> (Result<Option<String>, &'static str>, Option<String>) {
        let mut head = Request::new(()).into_parts().0;
        for line in lines {
            head.headers
                .append(COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        let taken = take(&mut head, "jwt");
        let taken = taken
            .map(|c| c.map(|c| c.as_str().to_owned()))
            .map_err(|r| r.reason());
        let left = head
            .headers
            .get(COOKIE)
            .map(|v| String::from_utf8(v.as_bytes().into()).unwrap());
        (taken, left)
    }

    #[test]
    fn the_pair_is_taken_and_the_others_stay() {
        let (taken, left) = take_from(&["a=1; jwt=x.y ; b=\"2\""]);
        assert_eq!(
            (taken, left.as_deref()),
            (Ok(Some("x.y".into())), Some("a=1; b=\"2\""))
        );
        assert_eq!(take_from(&["jwt=\"x\""]), (Ok(Some("x".into())), None));
        assert_eq!(
            take_from(&["a=1", "jwt=x", "b=2"]),
            (Ok(Some("x".into())), Some("a=1; b=2".into()))
        );
    }

    #[test]
    fn names_are_compared_exactly_and_never_decoded_or_trimmed_of_more_than_blanks() {
        for other in [
            "JWT=x",
            "%6awt=x",
            "\u{2000}jwt=x",
            "jwt\u{a0}=x",
            "xjwt=x",
            "jwt",
            "a=jwt=x",
        ] {
            assert_eq!(
                take_from(&[other]),
                (Ok(None), Some(other.into())),
                "{other}"
            );
        }
    }

    #[test]
    fn two_of_one_name_or_a_bad_value_are_malformed_and_gone() {
        for bad in [
            "jwt=a; jwt=a",
            "jwt=",
            "jwt=\"\"",
            "jwt=a b",
            "jwt=a,b",
            "jwt=%41",
            "jwt=é",
        ] {
            assert_eq!(
                take_from(&[bad]),
                (Err("credentials_malformed"), None),
                "{bad}"
            );
        }
        assert_eq!(
            take_from(&["jwt=a", "jwt=b"]),
            (Err("credentials_malformed"), None)
        );
    }
}
