//! The answer to a client's key.
//!
//! By hand, because it is one digest. tungstenite has it beside a whole protocol.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use sha1::{Digest, Sha1};

/// The `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (RFC 6455 §4.2.2, clause 5.4).
pub fn accept_key(key: &HeaderValue) -> HeaderValue {
    let digest = Sha1::new()
        .chain_update(key.as_bytes())
        .chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
        .finalize();
    let mut text = [0; 28];
    // 20 bytes are always 28 characters, and base64 is always a header value.
    let length = STANDARD.encode_slice(digest, &mut text).unwrap_or_default();
    HeaderValue::from_bytes(&text[..length]).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod accept_rfc6455_1_3 {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept_key(&key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn tungstenite_has_the_same_for_any_key() {
        use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

        proptest::proptest!(|(key in "[!-~]{0,40}")| {
            let ours = accept_key(&HeaderValue::from_str(&key).unwrap());
            assert_eq!(ours, derive_accept_key(key.as_bytes()));
        });
    }
}
