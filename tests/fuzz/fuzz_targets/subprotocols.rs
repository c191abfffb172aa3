//! A credential among the subprotocols; the lines of the input are lines of the field.
#![no_main]

use fuzz::{explicit_carriers, head_with, take};
use http::header::SEC_WEBSOCKET_PROTOCOL;
use libfuzzer_sys::fuzz_target;
use tower_ws_auth::handshake::subprotocols;

fuzz_target!(|lines: &[u8]| {
    let Some(mut head) = head_with(&SEC_WEBSOCKET_PROTOCOL, lines) else {
        return;
    };
    let before: Vec<_> = subprotocols(&head.headers).map(str::to_owned).collect();
    for offered in &before {
        assert!(
            !offered
                .to_ascii_lowercase()
                .starts_with("base64url.bearer."),
            "{offered}"
        );
        assert!(
            offered
                .bytes()
                .all(|b| b.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(&b))
        );
    }
    let credential = take(&explicit_carriers(), &mut head);
    let after: Vec<_> = subprotocols(&head.headers).map(str::to_owned).collect();
    if credential.is_some() {
        // There is a subprotocol to select, and all valid ones remain.
        assert!(head.headers.contains_key(SEC_WEBSOCKET_PROTOCOL));
        assert_eq!(before, after);
    }
    assert!(after.iter().all(|offered| before.contains(offered)));
});
