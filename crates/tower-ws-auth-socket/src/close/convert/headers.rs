//! What of a refusal's header stays in the upgrade that it becomes.

use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE,
    CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_RANGE, CONTENT_TYPE, ETAG, RETRY_AFTER,
    SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    TRAILER, TRANSFER_ENCODING, UPGRADE, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName};

/// Removes what belonged to the refusal, which is as a rule all that there is.
pub(super) fn remove_refusal(headers: &mut HeaderMap) {
    if headers.keys().all(is_of_the_refusal) {
        return headers.clear();
    }
    let of_the_refusal = |name: &&HeaderName| is_of_the_refusal(name);
    while let Some(name) = headers.keys().find(of_the_refusal).cloned() {
        headers.remove(name);
    }
}

/// Whether this field belongs to the refusal, to its body or to its connection, and must not stand
/// in an upgrade. Nor has that use for a word on caches: no 101 (RFC 9111 §3) and no answer to
/// CONNECT (RFC 9110 §9.3.6) is ever stored.
fn is_of_the_refusal(name: &HeaderName) -> bool {
    matches!(
        *name,
        ALLOW
            | CACHE_CONTROL
            | CONNECTION
            | CONTENT_DISPOSITION
            | CONTENT_ENCODING
            | CONTENT_LANGUAGE
            | CONTENT_LENGTH
            | CONTENT_LOCATION
            | CONTENT_RANGE
            | CONTENT_TYPE
            | ETAG
            | RETRY_AFTER
            | SEC_WEBSOCKET_ACCEPT
            | SEC_WEBSOCKET_EXTENSIONS
            | SEC_WEBSOCKET_PROTOCOL
            | SEC_WEBSOCKET_VERSION
            | TRAILER
            | TRANSFER_ENCODING
            | UPGRADE
            | WWW_AUTHENTICATE
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn left_of(fields: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        remove_refusal(&mut headers);
        headers.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn nothing_of_a_refusal_is_left_and_everything_else() {
        let refusal = [
            ("content-type", "text/plain"),
            ("cache-control", "no-store"),
            ("www-authenticate", "Bearer"),
            ("www-authenticate", "Basic"),
            ("connection", "close"),
            ("retry-after", "1"),
        ];
        let of_others = [
            ("vary", "origin"),
            ("access-control-allow-origin", "*"),
            ("x-request-id", "1"),
            ("set-cookie", "a=b"),
        ];
        let names: Vec<_> = of_others.iter().map(|(name, _)| *name).collect();
        assert!(left_of(&refusal).is_empty());
        assert_eq!(left_of(&of_others), names);
        assert_eq!(
            left_of(&[&refusal[..], &of_others].concat()).len(),
            names.len()
        );
        assert_eq!(
            left_of(&[&of_others[..], &refusal].concat()).len(),
            names.len()
        );
    }
}
