//! The handshake with the upstream: the client's own, or a new one for a client that speaks HTTP/2.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, response};
use sha1::{Digest, Sha1};

use crate::failure::Failure;
use crate::headers::strip_hop_by_hop;

/// Writes the fields that make a request a handshake (RFC 6455 §4.1). The client's key, version,
/// extensions and subprotocols stay as they are.
pub(crate) fn offer(head: &Parts, headers: &mut HeaderMap) -> Result<(), Failure> {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if head.method == Method::CONNECT {
        // RFC 8441 §5: over HTTP/2 there is no key.
        headers.insert(SEC_WEBSOCKET_KEY, random_key()?);
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
    Ok(())
}

/// Checks that the upstream accepts the handshake with this key, and selects only what the client
/// offered (RFC 6455 §4.1, clauses 2 to 6).
///
/// The client would also notice, but too late for an error response.
pub(crate) fn check(
    answer: &response::Parts,
    key: &HeaderValue,
    offered: &HeaderMap,
) -> Result<(), Failure> {
    let headers = &answer.headers;
    let accepts = headers.get_all(SEC_WEBSOCKET_ACCEPT).iter();
    let wrong = if !lists(headers, &UPGRADE, "websocket") {
        "the 101 of --upstream has no `Upgrade: websocket`"
    } else if !lists(headers, &CONNECTION, "upgrade") {
        "the 101 of --upstream has no `Connection: Upgrade`"
    } else if !accepts.eq([accept_key(key).as_str()]) {
        "the `Sec-WebSocket-Accept` of --upstream does not fit the client's key"
    } else if !agrees(headers, offered) {
        "--upstream selects a subprotocol or an extension that the client has not offered"
    } else {
        return Ok(());
    };
    Err(Failure::NotWebSocket(wrong))
}

fn agrees(headers: &HeaderMap, offered: &HeaderMap) -> bool {
    let mut selected = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let subprotocol = selected.next().is_none_or(|one| {
        entries(offered, &SEC_WEBSOCKET_PROTOCOL).any(|offer| offer.as_bytes() == one.as_bytes())
    });
    let name = |extension: &str| {
        extension
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let known: Vec<_> = entries(offered, &SEC_WEBSOCKET_EXTENSIONS)
        .map(name)
        .collect();
    let mut extensions = headers.get_all(SEC_WEBSOCKET_EXTENSIONS).iter();
    subprotocol
        && selected.next().is_none()
        && extensions.all(|line| line.to_str().is_ok())
        && entries(headers, &SEC_WEBSOCKET_EXTENSIONS)
            .map(name)
            .all(|name| known.contains(&name))
}

/// Translates the upstream's answer into the client's protocol.
pub(crate) fn accept<B>(answer: response::Parts, head: &Parts, body: B) -> Response<B> {
    let mut headers = answer.headers;
    strip_hop_by_hop(&mut headers);
    // RFC 9110 §8.6: a 101 has none. Over HTTP/2 it would count the connection's bytes.
    headers.remove(CONTENT_LENGTH);
    let mut response = Response::new(body);
    if head.method == Method::CONNECT {
        headers.remove(SEC_WEBSOCKET_ACCEPT);
    } else {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    }
    *response.headers_mut() = headers;
    response
}

fn random_key() -> Result<HeaderValue, Failure> {
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(|_| Failure::MissingAuthLayer)?;
    HeaderValue::from_str(&STANDARD.encode(key)).map_err(|_| Failure::MissingAuthLayer)
}

/// RFC 6455 §4.2.2, clause 5.4.
fn accept_key(key: &HeaderValue) -> String {
    let digest = Sha1::new()
        .chain_update(key.as_bytes())
        .chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
        .finalize();
    STANDARD.encode(digest)
}

fn lists(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    entries(headers, name).any(|entry| entry.eq_ignore_ascii_case(token))
}

/// The elements of a list field (RFC 9110 §5.6.1).
fn entries<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let lines = headers.get_all(name).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
}

#[cfg(test)]
mod the_upstreams_answer_rfc6455_4_1 {
    use super::*;

    const KEY: HeaderValue = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");

    fn answer(lines: &[(&'static str, &'static str)]) -> Result<(), Failure> {
        let mut offered = HeaderMap::new();
        for (name, value) in OFFERED {
            offered.append(name, HeaderValue::from_static(value));
        }
        check_against(lines, &offered)
    }

    fn check_against(lines: &[(&str, &str)], offered: &HeaderMap) -> Result<(), Failure> {
        let mut response = Response::builder().status(101);
        for (name, value) in lines {
            response = response.header(*name, *value);
        }
        check(&response.body(()).unwrap().into_parts().0, &KEY, offered)
    }

    const OFFERED: [(HeaderName, &str); 3] = [
        (SEC_WEBSOCKET_PROTOCOL, "chat.v1, chat.v2"),
        (SEC_WEBSOCKET_PROTOCOL, "mqtt"),
        (
            SEC_WEBSOCKET_EXTENSIONS,
            "permessage-deflate; client_max_window_bits, x-other",
        ),
    ];

    #[test]
    fn selects_what_was_offered_and_nothing_else() {
        let good = [
            ("upgrade", "websocket"),
            ("connection", "upgrade"),
            ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ];
        let with = |more: &[(&'static str, &'static str)]| answer(&[&good, more].concat());
        let (protocol, extensions) = ("sec-websocket-protocol", "sec-websocket-extensions");
        for fine in [
            &[(protocol, "mqtt")][..],
            &[
                (protocol, "chat.v2"),
                (extensions, "permessage-deflate; server_no_context_takeover"),
            ],
            &[(extensions, "x-other, permessage-deflate")],
        ] {
            assert_eq!(with(fine), Ok(()), "{fine:?}");
        }
        for evil in [
            &[(protocol, "evil")][..],
            &[(protocol, "Mqtt")],
            &[(protocol, "")],
            &[(protocol, "chat.v1, chat.v2")],
            &[(protocol, "chat.v1"), (protocol, "mqtt")],
            &[(extensions, "x-evil")],
            &[(extensions, "permessage-deflate, x-evil")],
        ] {
            assert!(
                matches!(with(evil), Err(Failure::NotWebSocket(_))),
                "{evil:?}"
            );
        }
        for unasked in [(protocol, "mqtt"), (extensions, "permessage-deflate")] {
            let answer = [&good[..], &[unasked]].concat();
            let nothing = HeaderMap::new();
            let checked = check_against(&answer, &nothing);
            assert!(
                matches!(checked, Err(Failure::NotWebSocket(_))),
                "{unasked:?}"
            );
        }
    }

    #[test]
    fn is_good_with_the_digest_of_the_key() {
        let good = [
            ("upgrade", "WebSocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ];
        assert_eq!(answer(&good), Ok(()));
    }

    #[test]
    fn is_none_with_anything_else() {
        let good = [
            ("upgrade", "websocket"),
            ("connection", "upgrade"),
            ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ];
        for bad in [
            ("upgrade", "h2c"),
            ("connection", "close"),
            ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOp="),
            ("x-other", ""),
        ] {
            for (at, line) in good.iter().enumerate() {
                if line.0 == bad.0 || bad.0 == "x-other" {
                    let mut lines = good;
                    lines[at] = bad;
                    assert!(
                        matches!(answer(&lines), Err(Failure::NotWebSocket(_))),
                        "{bad:?}"
                    );
                }
            }
        }
        let twice = [good[0], good[1], good[2], good[2]];
        assert!(matches!(answer(&twice), Err(Failure::NotWebSocket(_))));
    }
}
