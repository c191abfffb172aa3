use std::borrow::Cow;

use http::HeaderName;
use http::header::AUTHORIZATION;
use http::request::Parts;

use super::presented::TOO_LONG;
use super::{Credential, malformed};
use crate::Rejection;

/// The whole value of a field of another name.
pub(super) fn take_field(
    head: &mut Parts,
    name: &HeaderName,
) -> Result<Option<Credential>, Rejection> {
    let several = head.headers.get_all(name).iter().count() > 1;
    let Some(value) = head.headers.remove(name) else {
        return Ok(None);
    };
    if several {
        return Err(malformed(
            "the field of the credential stands more than once",
        ));
    }
    let end = value.len();
    Credential::in_header(value, 0..end).map(Some)
}

/// The first line of `Authorization`.
#[derive(Clone, Copy)]
pub(super) struct Line {
    length: usize,
    /// Where its credential begins, if it has one of our schemes.
    bearer: Option<usize>,
}

/// Looks at `Authorization`, if one of its schemes is ours.
#[inline]
pub(super) fn find(head: &Parts, schemes: &[Cow<'static, str>]) -> Option<Line> {
    if schemes.is_empty() {
        return None;
    }
    let line = head.headers.get(&AUTHORIZATION)?.as_bytes();
    let bearer = schemes.iter().find_map(|scheme| after_scheme(line, scheme));
    let length = line.len();
    Some(Line { length, bearer })
}

/// `Authorization: Bearer <credential>`, or another of these schemes; the scheme in any case, one
/// or more spaces after it (RFC 9110 §11.4).
pub(super) fn take(
    head: &mut Parts,
    line: Line,
    limit: usize,
) -> Result<Option<Credential>, Rejection> {
    if line.bearer.is_none() && head.headers.get_all(&AUTHORIZATION).iter().count() == 1 {
        return Ok(None);
    }
    let lines = head.headers.len();
    let removed = head.headers.remove(&AUTHORIZATION);
    if lines - head.headers.len() > 1 {
        return Err(malformed("`Authorization` stands more than once"));
    }
    if line.length > limit + "bearer ".len() {
        return Err(malformed(TOO_LONG));
    }
    match (removed, line.bearer) {
        (Some(value), Some(start)) => {
            let end = value.len();
            Credential::in_header(value, start..end).map(Some)
        }
        _ => Ok(None),
    }
}

/// Where the credential begins, if this is the scheme.
fn after_scheme(value: &[u8], wanted: &str) -> Option<usize> {
    let (scheme, rest) = value.split_at_checked(wanted.len())?;
    let spaces = rest.iter().take_while(|&&b| b == b' ').count();
    // A tab is an invalid separator, but it still marks a bearer credential.
    let ends = rest.is_empty() || spaces > 0 || rest[0] == b'\t';
    (scheme.eq_ignore_ascii_case(wanted.as_bytes()) && ends).then_some(wanted.len() + spaces)
}

#[cfg(test)]
mod authorization_rfc6750_2_1 {
    use super::*;
    use crate::credential::MAX_CREDENTIAL;
    use http::Request;

    fn take_from(values: &[&str]) -> (Result<Option<String>, &'static str>, usize) {
        let mut head = Request::new(()).into_parts().0;
        for value in values {
            head.headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        let line = find(&head, &["Bearer".into()]);
        let taken = line.map_or(Ok(None), |line| take(&mut head, line, MAX_CREDENTIAL));
        let taken = taken
            .map(|c| c.map(|c| c.as_str().to_owned()))
            .map_err(|r| r.reason());
        (taken, head.headers.len())
    }

    #[test]
    fn the_scheme_is_read_in_any_case_and_the_field_is_removed() {
        for good in [
            "Bearer a.b-c_d~e+f/g==",
            "bearer x",
            "BEARER x",
            "Bearer   x",
        ] {
            let (taken, left) = take_from(&[good]);
            let expected = good.rsplit(' ').next().unwrap();
            assert_eq!(taken.unwrap().as_deref(), Some(expected), "{good}");
            assert_eq!(left, 0);
        }
    }

    #[test]
    fn another_scheme_stays() {
        for other in ["Basic YTpi", "Bearerx y", "Bear", "", "Negotiate abc"] {
            assert_eq!(take_from(&[other]), (Ok(None), 1), "{other}");
        }
    }

    #[test]
    fn an_empty_long_or_foreign_value_is_malformed_and_gone() {
        let long = format!("Bearer {}", "a".repeat(MAX_CREDENTIAL + 1));
        for bad in [
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Bearer\ta",
            "Bearer a,b",
            "Bearer =",
            "Bearer a=b",
            &long,
        ] {
            assert_eq!(take_from(&[bad]), (Err("credentials_malformed"), 0));
        }
    }

    #[test]
    fn two_fields_are_malformed_with_any_values() {
        for two in [
            ["Bearer a", "Bearer a"],
            ["Basic a", "Bearer b"],
            ["Basic a", "Basic b"],
        ] {
            assert_eq!(take_from(&two), (Err("credentials_malformed"), 0));
        }
    }
}
