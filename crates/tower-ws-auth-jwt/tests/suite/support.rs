use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use tower_ws_auth_core::Clock;
use tower_ws_auth_jwt::{Jwt, JwtBuilder, Key};

pub(crate) const SECRET: [u8; 32] = *b"thirty-two bytes that are secret";

pub(crate) const NOW: u64 = 1_700_000_000;

pub(crate) const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Signs two parts as they are with HS256.
pub(crate) fn sign(header: &str, payload: &str) -> String {
    let message = format!("{header}.{payload}");
    let tag = Hmac::<Sha256>::new_from_slice(&SECRET)
        .unwrap()
        .chain_update(&message)
        .finalize();
    format!("{message}.{}", b64(tag.into_bytes()))
}

/// A token with this header and this payload, whatever they are, and a good signature.
pub(crate) fn token(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    sign(&b64(header), &b64(payload))
}

/// A token with these claims.
pub(crate) fn claims(payload: impl AsRef<[u8]>) -> String {
    token(HEADER, payload)
}

/// A token that is good in every respect.
pub(crate) fn good() -> String {
    claims(format!(r#"{{"exp":{}}}"#, NOW + 60))
}

pub(crate) fn builder() -> JwtBuilder<Value> {
    Jwt::builder(Key::hs256(SECRET).unwrap()).clock(Clock::fixed(NOW))
}

pub(crate) fn jwt() -> Jwt<Value> {
    builder().build().unwrap()
}

/// `accepted`, or the rejection's public reason.
pub(crate) fn verdict(jwt: &Jwt<Value>, token: &str) -> &'static str {
    jwt.verify_token(token)
        .map_or_else(|rejection| rejection.reason(), |_| "accepted")
}

/// What the log says about a refusal.
pub(crate) fn detail(jwt: &Jwt<Value>, token: &str) -> &'static str {
    jwt.verify_token(token).unwrap_err().detail()
}
