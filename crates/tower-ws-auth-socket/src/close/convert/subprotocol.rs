//! Which subprotocol a refused client reads.

use http::HeaderValue;
use http::header::SEC_WEBSOCKET_PROTOCOL;
use http::request::Parts;
use tower_ws_auth_core::handshake::subprotocols;

/// One of the subprotocols that the client offers: without it Chromium and others fail the
/// handshake and lose the reason.
pub(super) fn select(
    head: &Parts,
    preferred: &[String],
    of_the_protocol: &[String],
) -> Option<HeaderValue> {
    if !head.headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
        return None;
    }
    let offered = || subprotocols(&head.headers);
    let best = preferred
        .iter()
        .chain(of_the_protocol)
        .find(|best| offered().any(|offer| offer == best.as_str()));
    let selected = best
        .map(String::as_str)
        .or_else(|| offered().find(|offer| is_plain_name(offer)))?;
    HeaderValue::from_str(selected).ok()
}

/// Whether an offer that the configuration does not name reads like a subprotocol's name, and like
/// no credential: a client that is configured wrongly may offer one, and it must not travel back.
///
/// IANA's registered names are words in small letters with a version, such as `v12.stomp`. Session
/// ids, tickets and keys have capitals, many digits or no end.
fn is_plain_name(offer: &str) -> bool {
    const LONGEST: usize = 32;
    const LONGEST_WORD: usize = 16;
    const MOST_DIGITS: usize = 6;
    let small = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    offer.len() <= LONGEST
        && offer.starts_with(|first: char| first.is_ascii_lowercase())
        && offer
            .bytes()
            .all(|byte| small(byte) || b".-_".contains(&byte))
        && offer.bytes().filter(u8::is_ascii_digit).count() <= MOST_DIGITS
        && offer
            .split(['.', '-', '_'])
            .all(|word| word.len() <= LONGEST_WORD)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ticket, as ours are written.
    const TICKET: &str = "mJ3vP0bq5yq0C8l2iT1xw9ZrQk7uHn4sYd6fEaGgLoM";

    #[test]
    fn a_subprotocol_is_selected_only_if_it_is_offered() {
        for (offered, preferred, selected) in [
            ("a, b", &["b", "a"][..], Some("b")),
            ("a", &["b", "a"], Some("a")),
            ("x", &["b"], Some("x")),
            ("x, y", &[], Some("x")),
            ("", &["b"], None),
            // What may be a credential never travels back.
            ("eyJhbGciOiJIUzI1NiJ9.e30.c2ln", &["b"], None),
            ("eyJhbGciOiJIUzI1NiJ9.e30.c2ln, x", &[], Some("x")),
            (TICKET, &[], None),
            // Unless the service calls it a subprotocol.
            (TICKET, &[TICKET], Some(TICKET)),
        ] {
            let mut head = http::Request::new(()).into_parts().0;
            let offered = HeaderValue::from_static(offered);
            head.headers.insert(SEC_WEBSOCKET_PROTOCOL, offered);
            let preferred: Vec<_> = preferred.iter().map(ToString::to_string).collect();
            let found = select(&head, &preferred, &[]);
            assert_eq!(
                found.as_ref().map(HeaderValue::as_bytes),
                selected.map(str::as_bytes)
            );
        }
    }

    #[test]
    fn registered_subprotocols_read_like_names() {
        for name in [
            "chat.v1",
            "phoenix",
            "graphql-transport-ws",
            "graphql-ws",
            "actioncable-v1-json",
            "v12.stomp",
            "mqtt",
            "ocpp2.0.1",
            "wamp.2.json",
            "v5.channel.k8s.io",
            "soap",
            "binary",
        ] {
            assert!(is_plain_name(name), "{name}");
        }
    }

    #[test]
    fn credentials_do_not_read_like_names() {
        for credential in [
            TICKET,
            "V1StGXR8_Z5jdHi6B-myTA",
            "9b2d6c1f5e0a47388d1c2b3a4f5e6d7c",
            "c3a1f0d2b4e59687",
            "s.hqbzwkdmcnyrtvxgplf",
            "9b2d6c1f-5e0a-4738-8d1c-2b3a4f5e6d7c",
            "sk_live_4eC39HqLyjWDarjtT1",
            "eyJhbGciOiJIUzI1NiJ9.e30.c2ln",
            "",
            "-",
            "4711",
        ] {
            assert!(!is_plain_name(credential), "{credential}");
        }
    }
}
