use http::HeaderValue;
use http::header::COOKIE;
use http::request::Parts;

use super::{Credential, malformed};
use crate::Rejection;

/// The cookie of this name, removed from the field; the other cookies stay as they were written.
/// The field may be split over several lines (RFC 9113 §8.2.3).
///
/// Two of that name are malformed: one of them was tossed in by somebody else, and which one is
/// anybody's guess.
pub(super) fn take(head: &mut Parts, name: &str) -> Result<Option<Credential>, Rejection> {
    let mut lines = head.headers.get_all(COOKIE).iter();
    let ours = |line: &HeaderValue| pairs(line).any(|pair| value_of(pair, name).is_some());
    if !lines.any(ours) {
        return Ok(None);
    }
    let mut found = Vec::new();
    let mut kept = Vec::new();
    for line in head.headers.get_all(COOKIE) {
        for pair in pairs(line) {
            match value_of(pair, name) {
                Some(value) => found.push(value),
                None if pair.is_empty() => {}
                None => kept.push(pair),
            }
        }
    }
    let credential = match found.as_slice() {
        [value] => match str::from_utf8(unquote(value)) {
            Ok(text) => Credential::in_cookie(text.to_owned()),
            Err(_) => Err(malformed("the cookie is not text")),
        },
        _ => Err(malformed("two cookies of the credential's name")),
    };
    let rest = HeaderValue::from_bytes(&kept.join(&b"; "[..]))
        .ok()
        .filter(|_| !kept.is_empty());
    head.headers.remove(COOKIE);
    if let Some(mut rest) = rest {
        rest.set_sensitive(true);
        head.headers.insert(COOKIE, rest);
    }
    credential.map(Some)
}

fn pairs(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes().split(|&b| b == b';').map(trim)
}

fn value_of<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let equals = pair.iter().position(|&b| b == b'=')?;
    (trim(&pair[..equals]) == name.as_bytes()).then(|| trim(&pair[equals + 1..]))
}

/// SP and HTAB only: Unicode's idea of white space would let `\u{2000}__Host-x` pass for
/// `__Host-x`.
fn trim(bytes: &[u8]) -> &[u8] {
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let start = bytes.iter().take_while(|b| blank(b)).count();
    let bytes = &bytes[start..];
    &bytes[..bytes.len() - bytes.iter().rev().take_while(|b| blank(b)).count()]
}

fn unquote(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    }
}

#[cfg(test)]
mod cookie_rfc6265_4_2 {
    use super::*;
    use http::Request;

    fn take_from(lines: &[&str]) -> (Result<Option<String>, &'static str>, Option<String>) {
        let mut head = Request::new(()).into_parts().0;
        for line in lines {
            head.headers
                .append(COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        let taken = take(&mut head, "jwt");
        let taken = taken
            .map(|c| c.map(|c| c.as_str().to_owned()))
            .map_err(|r| r.token());
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
