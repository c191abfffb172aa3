//! The opening handshake, checked by a second, plainer reading of RFC 6455 §4.2.1.
#![no_main]

use arbitrary::Arbitrary;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Version};
use libfuzzer_sys::fuzz_target;
use tower_ws_auth::handshake::{Handshake, subprotocols};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    method: u8,
    version: u8,
    protocol: u8,
    /// The parts of a valid handshake that are present at first.
    good: u8,
    fields: Vec<(u8, &'a [u8])>,
}

const NAMES: [&str; 10] = [
    "host",
    "upgrade",
    "connection",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-protocol",
    "content-length",
    "transfer-encoding",
    "origin",
    "cookie",
];

const GOOD: [&str; 5] = [
    "localhost",
    "websocket",
    "Upgrade",
    "dGhlIHNhbXBsZSBub25jZQ==",
    "13",
];

fn head(input: &Input<'_>) -> Option<Parts> {
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = [Method::GET, Method::CONNECT, Method::POST, Method::HEAD]
        [usize::from(input.method) % 4]
        .clone();
    head.version = [
        Version::HTTP_11,
        Version::HTTP_2,
        Version::HTTP_10,
        Version::HTTP_3,
    ][usize::from(input.version) % 4];
    let protocols = ["websocket", "connect-udp", "WebSocket"];
    if let Some(protocol) = protocols.get(usize::from(input.protocol) % 4) {
        head.extensions
            .insert(hyper::ext::Protocol::from_static(protocol));
    }
    for (at, value) in GOOD.iter().enumerate() {
        if input.good & 1 << at != 0 {
            head.headers
                .append(NAMES[at], HeaderValue::from_static(value));
        }
    }
    for (name, value) in input.fields.iter().take(16) {
        let name = NAMES[usize::from(*name) % NAMES.len()];
        head.headers
            .append(name, HeaderValue::from_bytes(value).ok()?);
    }
    Some(head)
}

/// The lines of a field, if all of them are text.
fn lines<'a>(head: &'a Parts, name: &str) -> Vec<&'a str> {
    let lines = head.headers.get_all(name).iter();
    lines.filter_map(|line| line.to_str().ok()).collect()
}

fn lists(head: &Parts, name: &str, token: &str) -> bool {
    let all = lines(head, name).join(",").to_ascii_lowercase();
    all.split(',').any(|element| element.trim() == token)
}

fn is_good(head: &Parts) -> bool {
    let count = |name: &str| head.headers.get_all(name).iter().count();
    let version =
        count("sec-websocket-version") == 1 && lines(head, "sec-websocket-version") == ["13"];
    let no_body = count("transfer-encoding") == 0
        && head
            .headers
            .get_all("content-length")
            .iter()
            .all(|length| length.as_bytes() == b"0");
    let key = || match lines(head, "sec-websocket-key")[..] {
        [key] if count("sec-websocket-key") == 1 => STANDARD
            .decode(key)
            .is_ok_and(|bytes| bytes.len() == 16 && STANDARD.encode(bytes) == key),
        _ => false,
    };
    let common = version && no_body;
    match head.version {
        Version::HTTP_11 => {
            common
                && head.method == Method::GET
                && count("host") == 1
                && lists(head, "upgrade", "websocket")
                && lists(head, "connection", "upgrade")
                && key()
        }
        Version::HTTP_2 => {
            let protocol = head.extensions.get::<hyper::ext::Protocol>();
            common
                && head.method == Method::CONNECT
                && protocol.is_some_and(|protocol| protocol.as_str() == "websocket")
        }
        _ => false,
    }
}

fuzz_target!(|input: Input<'_>| {
    let Some(head) = head(&input) else {
        return;
    };
    let checked = Handshake::check(&head);
    assert_eq!(checked.is_ok(), is_good(&head), "{checked:?}: {head:?}");
    if let Err(error) = checked {
        assert!(error.status().is_client_error());
    }
    let _ = subprotocols(&head.headers).count();
});
