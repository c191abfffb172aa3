use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower_ws_auth::jwt::{Algorithm, JwtEncoder, SigningKey};

/// The servers' HS256 secret.
pub const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// What the servers read from a token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// The user.
    pub sub: String,
}

/// Seconds since the Unix epoch.
pub fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// A token for ada that expires in so many seconds.
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
