//! The shared parts of the fuzz targets. Each target states the properties of every input, beyond
//! the absence of panics.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request};
use sha2::Sha256;
use tower_ws_auth::credential::{Carriers, Credential, SubprotocolFormat};
use tower_ws_auth::{Rejection, RejectionKind};

/// The time of every clock, in seconds since the epoch.
pub const NOW: u32 = 1_800_000_000;
/// The one secret of tokens and of cookies.
pub const SECRET: &[u8] = b"thirty-two bytes and a few more of them";

/// Base64url without padding.
pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn hmac(text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).expect("HMAC takes any key");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// A token with this header and this payload, and a valid signature.
pub fn token(header: &[u8], payload: &[u8]) -> String {
    let signed = format!("{}.{}", b64(header), b64(payload));
    let signature = b64(hmac(signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// The signature of an id, as Express writes it.
pub fn express_signature(id: &str) -> String {
    STANDARD_NO_PAD.encode(hmac(id.as_bytes()))
}

/// A request head with these lines of one field; `None` for lines that no field can hold.
pub fn head_with(name: &HeaderName, lines: &[u8]) -> Option<Parts> {
    let (mut head, ()) = Request::new(()).into_parts();
    for line in lines.split(|byte| *byte == b'\n').take(16) {
        head.headers
            .append(name, HeaderValue::from_bytes(line).ok()?);
    }
    Some(head)
}

/// Every explicit carrier.
pub fn explicit_carriers() -> Carriers {
    Carriers::builder()
        .query("token")
        .query_bearer("Authorization")
        .bearer_header()
        .subprotocol(SubprotocolFormat::Phoenix)
        .subprotocol(SubprotocolFormat::Kubernetes)
        .build()
        .expect("these are places")
}

/// Takes the credential and checks the common properties. It is a b64token (RFC 6750 §2.1) of at
/// most 8 KiB, or a refusal with its kind. In both cases nothing is left to be found.
pub fn take(carriers: &Carriers, head: &mut Parts) -> Option<Credential> {
    let taken = carriers.take(head);
    let again = carriers.take(head);
    assert!(matches!(again, Ok(None)), "{again:?} is left in {head:?}");
    match taken {
        Ok(Some(credential)) => {
            let text = credential.as_str();
            let body = text.trim_end_matches('=');
            assert!(text.len() <= 8 * 1024);
            assert!(!body.is_empty());
            assert!(
                body.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
            );
            Some(credential)
        }
        Ok(None) => None,
        Err(rejection) => {
            assert!(is_malformed(&rejection), "{rejection:?}");
            None
        }
    }
}

/// The only refusal by a carrier other than a cookie.
pub fn is_malformed(rejection: &Rejection) -> bool {
    matches!(rejection.kind(), RejectionKind::CredentialsMalformed)
}
