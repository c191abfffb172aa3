//! The path and the forwarding fields of a request through the gateway. The first line of the input
//! is the path, the second the host, and the others are fields of proxies.
#![no_main]

use std::net::SocketAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;

// The files themselves: the whole gateway would take long to build.
#[allow(dead_code, reason = "the gateway uses all of it")]
#[path = "../../../examples/gateway/src/forwarded.rs"]
mod forwarded;
#[allow(dead_code, reason = "the gateway uses all of it")]
#[path = "../../../examples/gateway/src/path.rs"]
mod path;

const NAMES: [&str; 5] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
];

fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|byte| *byte == b'\n');
    if let Some(path) = lines.next().and_then(|path| str::from_utf8(path).ok()) {
        assert_eq!(
            path::leads_upwards(path),
            leads_upwards_somewhere(path),
            "{path:?}"
        );
    }
    let Some(Ok(host)) = lines.next().map(HeaderValue::from_bytes) else {
        return;
    };
    let mut headers = HeaderMap::new();
    for (name, line) in NAMES.iter().cycle().zip(lines.take(32)) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    let peer: SocketAddr = "[::1]:80".parse().expect("an address and a port");
    forwarded::say_for_whom(peer, host, &mut headers);
    // Nobody can read one line and a neighbour another one.
    for name in NAMES {
        assert_eq!(headers.get_all(name).iter().count(), 1, "{name}");
    }
    let said = |name: &str| headers[name].to_str().expect("visible characters");
    let scheme = said("x-forwarded-proto");
    assert!(["http", "https", "ws", "wss"].contains(&scheme), "{scheme}");
    // Both lists end with this hop, and with the scheme that the other field has.
    let (list, elements) = (said("x-forwarded-for"), said("forwarded"));
    assert!(list.ends_with("::1"), "{list}");
    let this_hop = elements.rsplit(", ").next().unwrap_or_default();
    let scheme = format!(";proto={scheme}");
    assert!(this_hop.starts_with("for=\"[::1]\""), "{elements}");
    assert!(this_hop.ends_with(&scheme), "{elements}");
    // The next one reads the same client from either.
    let next = "192.0.2.1:80".parse().expect("an address and a port");
    assert_eq!(forwarded::client(next, &headers), peer.ip());
    headers.remove("forwarded");
    assert_eq!(forwarded::client(next, &headers), peer.ip());
});

/// The same by trial: decoded once, twice and so on, until nothing changes.
fn leads_upwards_somewhere(path: &str) -> bool {
    let mut path = path.as_bytes().to_vec();
    loop {
        let next = decoded_once(&path);
        if next == path {
            break;
        }
        path = next;
    }
    path.split(|byte| matches!(byte, b'/' | b'\\'))
        .any(|segment| {
            let end = segment.iter().position(|byte| matches!(byte, b';' | b'\0'));
            matches!(&segment[..end.unwrap_or(segment.len())], b"." | b"..")
        })
}

fn decoded_once(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        let escape = after.get(..2).filter(|_| byte == b'%');
        let escape = escape.filter(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        let value = escape.and_then(|hex| u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok());
        decoded.push(value.unwrap_or(byte));
        rest = value.map_or(after, |_| &after[2..]);
    }
    decoded
}
