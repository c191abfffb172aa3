use std::ops::Range;

use http::Uri;
use http::request::Parts;

use super::pairs::{Key, Match, any, is_clear, pairs, without_ours};
use super::presented::needs_no_decoding;
use super::redacted_pairs::RedactedPairs;
use super::uri::{remove_query, swap_query};
use super::{Credential, MAX_CREDENTIAL, malformed};
use crate::Rejection;

/// A longer query is not searched: no honest client of ours sends one.
const MAX_QUERY: usize = 2 * MAX_CREDENTIAL;

/// `?key=<credential>`. The other pairs stay as they were written. Pairs that a
/// [`RedactLayer`](crate::RedactLayer) redacted count as if they were still in the URI.
pub(super) fn take(head: &mut Parts, keys: &[Key]) -> Result<Option<Credential>, Rejection> {
    if let Some(start) = sole(head, keys) {
        let before = swap_query(head, "")?;
        let end = before.query().map_or(start, str::len);
        return Ok(Some(Credential::plain_in_query(before, start..end)));
    }
    let redacted = redacted(head, keys);
    let standing = standing(head, keys);
    match (redacted?, standing?) {
        (Found::Nothing, Found::Nothing) => Ok(None),
        (Found::One(uri, at, of), Found::Nothing) | (Found::Nothing, Found::One(uri, at, of)) => {
            match of {
                Match::Key(key) => value(uri, at, key).map(Some),
                Match::Disguised => Err(malformed(
                    "a query key that some parsers would read as ours",
                )),
            }
        }
        _ => Err(malformed("two credentials in the query")),
    }
}

/// Whether the query has to be searched; `false` is certain. A request without our credential costs
/// only this.
pub(super) fn may_hold(head: &Parts, keys: &[Key]) -> bool {
    let stands = |query: &str| query.len() > MAX_QUERY || !is_clear(query, keys);
    head.uri.query().is_some_and(stands) || head.extensions.get::<RedactedPairs>().is_some()
}

/// Removes the whole query and its redacted pairs.
pub(super) fn remove(head: &mut Parts) {
    head.extensions.remove::<RedactedPairs>();
    remove_query(head);
}

/// Our pairs in one place.
/// Where the credential begins, if it is the whole query and nothing in it is encoded: as most pages
/// send it.
fn sole(head: &Parts, keys: &[Key]) -> Option<usize> {
    let query = head.uri.query().filter(|query| query.len() <= MAX_QUERY)?;
    let (key, value) = keys.iter().find_map(|key| {
        let value = query.strip_prefix(&*key.name)?.strip_prefix('=')?;
        Some((key, value))
    })?;
    let is_sole = !key.scheme
        && needs_no_decoding(value.as_bytes())
        && head.extensions.get::<RedactedPairs>().is_none();
    is_sole.then_some(query.len() - value.len())
}

enum Found<'k> {
    Nothing,
    One(Uri, Range<usize>, Match<'k>),
    Several,
}

fn standing<'k>(head: &mut Parts, keys: &'k [Key]) -> Result<Found<'k>, Rejection> {
    let Some(query) = head.uri.query() else {
        return Ok(Found::Nothing);
    };
    if query.len() > MAX_QUERY {
        swap_query(head, "")?;
        return Err(too_long());
    }
    let mut ours = pairs(query).filter_map(|at| Some((Match::of(&query[at.clone()], keys)?, at)));
    let Some((first, at)) = ours.next() else {
        return Ok(Found::Nothing);
    };
    let several = ours.next().is_some();
    drop(ours);
    let others = without_ours(query, keys);
    let before = swap_query(head, &others)?;
    Ok(if several {
        Found::Several
    } else {
        Found::One(before, at, first)
    })
}

fn redacted<'k>(head: &mut Parts, keys: &'k [Key]) -> Result<Found<'k>, Rejection> {
    let Some(redacted) = head.extensions.get::<RedactedPairs>() else {
        return Ok(Found::Nothing);
    };
    if redacted.query().len() > MAX_QUERY {
        head.extensions.remove::<RedactedPairs>();
        return Err(too_long());
    }
    let Some((uri, ours)) = RedactedPairs::take(head, keys) else {
        return Ok(Found::Nothing);
    };
    Ok(match <[_; 1]>::try_from(ours) {
        Ok([(at, of)]) => Found::One(uri, at, of),
        Err(ours) if ours.is_empty() => Found::Nothing,
        Err(_) => Found::Several,
    })
}

fn too_long() -> Rejection {
    malformed("the query is longer than 16 KiB")
}

#[expect(
    clippy::needless_bitwise_bool,
    reason = "without branches the compiler looks at sixteen bytes at a time"
)]
fn value(uri: Uri, pair: Range<usize>, key: &Key) -> Result<Credential, Rejection> {
    let text = uri
        .query()
        .and_then(|query| query.get(pair.clone()))
        .unwrap_or_default();
    let equals = text.find('=').map_or(text.len(), |equals| equals + 1);
    if key.scheme || any(&text.as_bytes()[equals..], |b| (b == b'%') | (b == b'+')) {
        let decoded = form_urlencoded::parse(text.as_bytes())
            .next()
            .map(|(_, value)| value);
        let decoded = decoded.unwrap_or_default();
        let plain = if key.scheme {
            strip_scheme(&decoded)
        } else {
            &decoded
        };
        return Credential::decoded_query(plain.to_owned());
    }
    Credential::in_query(uri, pair.start + equals..pair.end)
}

fn strip_scheme(value: &str) -> &str {
    const SCHEME: &str = "bearer ";
    match value.split_at_checked(SCHEME.len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(SCHEME) => rest,
        // The scheme alone is no credential.
        None if value.eq_ignore_ascii_case(SCHEME.trim_end()) => "",
        _ => value,
    }
}

#[cfg(test)]
mod uri_query_parameter_rfc6750_2_3 {
    use super::*;
    use http::Request;

    fn keys() -> Vec<Key> {
        vec![
            Key {
                name: "token".into(),
                scheme: false,
            },
            Key {
                name: "Authorization".into(),
                scheme: true,
            },
        ]
    }

    fn take_from(uri: &str) -> (Result<Option<String>, &'static str>, String) {
        let mut head = Request::get(uri).body(()).unwrap().into_parts().0;
        let taken = take(&mut head, &keys());
        let taken = taken
            .map(|c| c.map(|c| c.as_str().to_owned()))
            .map_err(|r| r.reason());
        (taken, head.uri.to_string())
    }

    fn accepted(uri: &str, credential: &str, left: &str) {
        assert_eq!(
            take_from(uri),
            (Ok(Some(credential.to_owned())), left.to_owned()),
            "{uri}"
        );
    }

    #[test]
    fn the_pair_is_removed_and_the_others_stay_as_written() {
        accepted("/ws?token=abc", "abc", "/ws");
        accepted("/?token=abc", "abc", "/");
        accepted("/ws?a=1&token=abc&b=%20x", "abc", "/ws?a=1&b=%20x");
        accepted("/ws?token=abc&a", "abc", "/ws?a");
        accepted("/ws?&&a=1&token=abc&", "abc", "/ws?&&a=1&");
        accepted(
            "http://host:1/ws?x=y&token=abc",
            "abc",
            "http://host:1/ws?x=y",
        );
    }

    #[test]
    fn a_value_is_decoded_exactly_once() {
        accepted("/ws?token=a%2Eb%2bc", "a.b+c", "/ws");
        accepted("/ws?t%6Fken=abc", "abc", "/ws");
        assert_eq!(
            take_from("/ws?token=a%252Eb").0,
            Err("credentials_malformed")
        );
    }

    #[test]
    fn the_scheme_may_stand_before_it_where_that_is_allowed() {
        for good in [
            "Bearer%20abc",
            "Bearer+abc",
            "bearer%20abc",
            "BEARER+abc",
            "abc",
        ] {
            accepted(&format!("/ws?Authorization={good}"), "abc", "/ws");
        }
        for bad in [
            "token=Bearer%20abc",
            "token=Bearer+abc",
            "Authorization=Bearer++abc",
        ] {
            assert_eq!(
                take_from(&format!("/ws?{bad}")).0,
                Err("credentials_malformed"),
                "{bad}"
            );
        }
        for bad in [
            "Authorization=Bearer%20",
            "Authorization=Bearer",
            "Authorization=Bearer%09abc",
            "Authorization=Basic+abc",
        ] {
            assert_eq!(
                take_from(&format!("/ws?{bad}")).0,
                Err("credentials_malformed"),
                "{bad}"
            );
        }
    }

    #[test]
    fn two_of_them_are_malformed_and_both_are_gone() {
        for two in [
            "token=a&token=a",
            "token=a&x=1&token=b",
            "token=a&Authorization=b",
            "token=&token=",
        ] {
            let (taken, left) = take_from(&format!("/ws?{two}"));
            assert_eq!(taken, Err("credentials_malformed"), "{two}");
            assert!(
                !left.contains("token") && !left.contains("Authorization"),
                "{left}"
            );
        }
    }

    #[test]
    fn a_disguised_key_is_malformed_and_removed() {
        for bad in [
            "token",
            "token=",
            "token[]=a",
            "token%5B%5D=a",
            "token[0]=a",
            "a=1;token=b",
            "token=a;b=1",
            "token=%00",
            "token=a%00",
            "token=a%0d%0aX:1",
            "token=%",
            "token=%zz",
            "token=a%20b",
            "token=a+b",
            "token=%C3%A9",
            "token=a=b",
            "token=a%26b",
        ] {
            assert_eq!(
                take_from(&format!("/ws?{bad}")),
                (Err("credentials_malformed"), "/ws".into()),
                "{bad}"
            );
        }
    }

    #[test]
    fn other_keys_are_left_alone() {
        for other in [
            "/ws",
            "/ws?",
            "/ws?Token=a",
            "/ws?tokens=a",
            "/ws?xtoken=a",
            "/ws?a=token",
            "/ws?&&",
        ] {
            assert_eq!(take_from(other), (Ok(None), other.into()));
        }
    }

    #[test]
    fn long_ones_are_refused_unread() {
        let longest = "a".repeat(MAX_CREDENTIAL);
        accepted(&format!("/ws?token={longest}"), &longest, "/ws");
        for length in [2 * MAX_CREDENTIAL, 60_000] {
            let uri = format!("/ws?token={}", "a".repeat(length));
            assert_eq!(
                take_from(&uri),
                (Err("credentials_malformed"), "/ws".into())
            );
        }
    }
}
