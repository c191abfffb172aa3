//! The path and the forwarding fields of a request through the gateway. The first line of the input
//! is the path, the second the host, and the others are fields of proxies.
#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;

// The files themselves: the whole gateway would take long to build.
#[allow(dead_code, reason = "the gateway uses all of it")]
#[path = "../../../examples/gateway/src/forwarded.rs"]
mod forwarded;
#[path = "../../../examples/gateway/src/path.rs"]
mod path;

const NAMES: [&str; 4] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
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
    let before = headers.clone();
    let peer = "[::1]:80".parse().expect("an address and a port");
    forwarded::say_for_whom(peer, host.clone(), &mut headers);
    for name in NAMES {
        assert!(forwarded::is_forwarding(name));
        assert!(headers.get(name).is_some(), "{name} is not said");
    }
    // Each list is one line, which begins with the former value and ends with this hop.
    for (name, hop) in [("x-forwarded-for", "::1"), ("forwarded", ";proto=http")] {
        let said: Vec<_> = headers.get_all(name).iter().collect();
        let [said] = said[..] else {
            panic!("{name} stands in {} lines", said.len());
        };
        let said = said.to_str().expect("visible characters");
        assert!(said.ends_with(hop), "{name}: {said}");
        let first = before.get(name).and_then(|value| value.to_str().ok());
        assert!(
            first.is_none_or(|first| said.starts_with(first)),
            "{name}: {said}"
        );
    }
    // Host and scheme stay as the first hop has set them.
    for (name, own) in [("x-forwarded-host", &host), ("x-forwarded-proto", &HTTP)] {
        assert_eq!(headers.get(name), Some(before.get(name).unwrap_or(own)));
    }
});

const HTTP: HeaderValue = HeaderValue::from_static("http");

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
