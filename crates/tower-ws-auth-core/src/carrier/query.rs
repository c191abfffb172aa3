use std::borrow::Cow;
use std::mem;
use std::ops::Range;

use bytes::Bytes;
use http::Uri;
use http::request::Parts;
use http::uri::PathAndQuery;

use super::{Credential, MAX_CREDENTIAL, malformed};
use crate::Rejection;

/// A longer query is not searched at all: no honest client of ours sends one.
const MAX_QUERY: usize = 2 * MAX_CREDENTIAL;

#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) name: Cow<'static, str>,
    /// Whether the value may begin with the scheme `Bearer`.
    pub(super) scheme: bool,
}

/// `?key=<credential>`; the other pairs stay as they were written.
pub(super) fn take(head: &mut Parts, keys: &[Key]) -> Result<Option<Credential>, Rejection> {
    let Some(query) = head.uri.query() else {
        return Ok(None);
    };
    if query.len() > MAX_QUERY {
        swap_query(head, "")?;
        return Err(malformed("the query is longer than 16 KiB"));
    }
    let mut ours = pairs(query).filter_map(|at| Some((Match::of(&query[at.clone()], keys)?, at)));
    let Some((first, at)) = ours.next() else {
        return Ok(None);
    };
    let several = ours.next().is_some();
    drop(ours);
    let others = without_ours(query, keys);

    let before = swap_query(head, &others)?;
    match first {
        _ if several => Err(malformed("two credentials in the query")),
        Match::Disguised => Err(malformed(
            "a query key that some parsers would read as ours",
        )),
        Match::Key(key) => value(before, at, key).map(Some),
    }
}

/// Removes the whole query.
pub(super) fn remove(head: &mut Parts) {
    if head.uri.query().is_some() && swap_query(head, "").is_err() {
        head.uri = Uri::default();
    }
}

/// How a pair of the query has to do with us.
enum Match<'a> {
    Key(&'a Key),
    /// `token[]=…`, or `a=1;token=…`: another parser might see our key here.
    Disguised,
}

impl<'a> Match<'a> {
    fn of(pair: &str, keys: &'a [Key]) -> Option<Self> {
        if pair.contains(';') {
            let hit = pair.split(';').any(|part| Self::of(part, keys).is_some());
            return hit.then_some(Self::Disguised);
        }
        let name = name_of(pair);
        keys.iter()
            .find_map(|key| match name.strip_prefix(&*key.name)? {
                "" => Some(Self::Key(key)),
                rest => rest.starts_with('[').then_some(Self::Disguised),
            })
    }
}

/// The key of a pair, decoded only where it is encoded.
fn name_of(pair: &str) -> Cow<'_, str> {
    let raw = pair.split('=').next().unwrap_or_default();
    if raw.contains(['%', '+']) {
        form_urlencoded::parse(raw.as_bytes())
            .next()
            .map(|(name, _)| name)
            .unwrap_or_default()
    } else {
        Cow::Borrowed(raw)
    }
}

fn value(uri: Uri, pair: Range<usize>, key: &Key) -> Result<Credential, Rejection> {
    let text = uri
        .query()
        .and_then(|query| query.get(pair.clone()))
        .unwrap_or_default();
    let equals = text.find('=').map_or(text.len(), |equals| equals + 1);
    if key.scheme || text[equals..].contains(['%', '+']) {
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

/// Where the `&`-separated pairs stand.
fn pairs(query: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    query.split('&').map(move |pair| {
        let at = start..start + pair.len();
        start = at.end + 1;
        at
    })
}

fn without_ours(query: &str, keys: &[Key]) -> String {
    let mut kept = String::new();
    for pair in query
        .split('&')
        .filter(|pair| Match::of(pair, keys).is_none())
    {
        if !kept.is_empty() {
            kept.push('&');
        }
        kept.push_str(pair);
    }
    kept
}

/// Gives the head another query and returns the URI as it was.
fn swap_query(head: &mut Parts, query: &str) -> Result<Uri, Rejection> {
    let path = head.uri.path();
    let path_and_query = if query.is_empty() {
        Bytes::copy_from_slice(path.as_bytes())
    } else {
        Bytes::from([path, "?", query].concat())
    };
    let failed = |_| malformed("the URI cannot be written without its credential");
    let path_and_query = PathAndQuery::from_maybe_shared(path_and_query).map_err(failed)?;
    let mut parts = http::uri::Parts::default();
    parts.scheme = head.uri.scheme().cloned();
    parts.authority = head.uri.authority().cloned();
    parts.path_and_query = Some(path_and_query);
    let uri = Uri::from_parts(parts)
        .map_err(|_| malformed("the URI cannot be written without its credential"))?;
    forget_original(head, &uri);
    Ok(mem::replace(&mut head.uri, uri))
}

/// axum keeps a copy of the URI as it arrived; it loses the credential too.
#[cfg(feature = "axum")]
fn forget_original(head: &mut Parts, uri: &Uri) {
    use axum::extract::OriginalUri;
    if let Some(OriginalUri(original)) = head.extensions.get_mut::<OriginalUri>() {
        // A nested router shows its routes a shorter path; only the query is replaced.
        let mut parts = std::mem::take(original).into_parts();
        let path = parts
            .path_and_query
            .as_ref()
            .map_or("/", |path| path.path());
        let path_and_query = match uri.query() {
            Some(query) => [path, "?", query].concat(),
            None => path.to_owned(),
        };
        parts.path_and_query = PathAndQuery::from_maybe_shared(Bytes::from(path_and_query)).ok();
        *original = Uri::from_parts(parts).unwrap_or_default();
    }
}

#[cfg(not(feature = "axum"))]
fn forget_original(_head: &mut Parts, _uri: &Uri) {}

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
            .map_err(|r| r.token());
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
    fn what_some_other_parser_would_read_as_ours_is_malformed_and_gone() {
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
    fn other_keys_are_none_of_ours() {
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
        for length in [MAX_CREDENTIAL + 1, 60_000] {
            let uri = format!("/ws?token={}", "a".repeat(length));
            assert_eq!(
                take_from(&uri),
                (Err("credentials_malformed"), "/ws".into())
            );
        }
    }
}
