//! The `Cookie` field and the signature of a session; the lines of the input are lines of the field.
//! An `@` in it stands for the signature of what is before it, so that the fuzzer gets past it.
#![no_main]

use std::sync::LazyLock;

use fuzz::{SECRET, express_signature, head_with};
use http::header::COOKIE;
use libfuzzer_sys::fuzz_target;
use tower_ws_auth::Sessions;
use tower_ws_auth::private::cookie;
use tower_ws_auth::session::{MemorySessions, Secrets};

const NAME: &str = "connect.sid";

static SESSIONS: LazyLock<Sessions<serde_json::Value>> = LazyLock::new(|| {
    let secrets = Secrets::express([SECRET]).expect("long enough");
    Sessions::builder(secrets, MemorySessions::new(1))
        .build()
        .expect("a good configuration")
});

fuzz_target!(|input: &[u8]| {
    let lines = signed(input);
    let Some(mut head) = head_with(&COOKIE, &lines) else {
        return;
    };
    let id = SESSIONS.signed_id(&head.headers);
    let found = cookie::find(&head.headers, NAME).map(|found| found.value().to_vec());
    if let Some(id) = id {
        // Only one text is valid: unescaped, or with escapes.
        let value = found.as_deref().expect("the id comes from a cookie");
        let good = format!("s:{}.{}", id.as_str(), express_signature(id.as_str()));
        assert!(value == good.as_bytes() || unescaped(value) == good.as_bytes());
        assert!(!id.as_str().is_empty() && id.as_str().len() <= 256);
        assert!(!id.as_str().contains(char::is_control));
    }
    let others = |headers: &http::HeaderMap| {
        let names = ["a", "theme", "connect", "Connect.sid"];
        names.map(|name| cookie::find(headers, name).map(|found| found.value().to_vec()))
    };
    let before = others(&head.headers);
    let taken = cookie::take(&mut head.headers, NAME);
    assert_eq!(taken.map(|taken| taken.value().to_vec()), found);
    assert!(cookie::find(&head.headers, NAME).is_none());
    assert_eq!(others(&head.headers), before);
});

/// Each `@` becomes the signature of the text between the last `s:` and the dot before it.
fn signed(input: &[u8]) -> Vec<u8> {
    let mut lines = Vec::new();
    for &byte in input.iter().take(2_048) {
        if byte != b'@' {
            lines.push(byte);
            continue;
        }
        let start = lines.windows(2).rposition(|window| window == b"s:");
        let id = start.and_then(|start| lines[start + 2..].strip_suffix(b"."));
        let id = id.map(|id| String::from_utf8_lossy(id).into_owned());
        lines.extend_from_slice(express_signature(&id.unwrap_or_default()).as_bytes());
    }
    lines
}

fn unescaped(value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = value;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let hex = after
            .get(..2)
            .filter(|_| byte == b'%')
            .and_then(|hex| str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(escaped) => {
                bytes.push(escaped);
                rest = &after[2..];
            }
            None => bytes.push(byte),
        }
    }
    bytes
}
