use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use test_support::SECRET;
use tower_ws_auth::jwt::{Algorithm, JwtEncoder, SigningKey};

/// The claims that the servers read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// The user.
    pub sub: String,
}

/// Seconds since the Unix epoch.
pub fn now() -> i64 {
    test_support::now().cast_signed()
}

/// A token for ada that expires in this many seconds.
pub fn token(expires_in: i64) -> String {
    token_with(&json!({ "sub": "ada", "exp": now() + expires_in }), SECRET)
}

/// A token with these claims, signed with this secret.
pub fn token_with(claims: &Value, secret: &[u8]) -> String {
    let key = SigningKey::hmac(Algorithm::HS256, secret);
    key.map(JwtEncoder::new)
        .ok()
        .and_then(|encoder| encoder.encode(claims).ok())
        .unwrap_or_default()
}
