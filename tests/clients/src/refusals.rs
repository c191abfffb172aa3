use serde::Serialize;
use serde_json::{Value, json};
use test_support::{SECRET, now};
use tower_ws_auth::jwt::{Algorithm, JwtEncoder, SigningKey};

/// A refused handshake, and the answer that its client reads.
#[derive(Clone, Debug, Serialize)]
pub struct Refusal {
    /// Path and query.
    pub target: String,
    /// Close code.
    pub code: u16,
    /// Close reason.
    pub reason: &'static str,
}

/// One refusal of each kind, and some kinds twice.
///
/// # Errors
///
/// A token cannot be signed.
pub fn refusals() -> Result<Vec<Refusal>, Box<dyn std::error::Error>> {
    let jwt = |claims: &Value, secret: &[u8]| {
        token(claims, secret).map(|token| format!("/jwt?token={token}"))
    };
    let now = now();
    let good = json!({ "sub": "ada", "exp": now + 3600 });
    let of = |target: String, code, reason| Refusal {
        target,
        code,
        reason,
    };
    Ok(vec![
        of("/jwt".into(), 4401, "credentials_missing"),
        of("/jwt?token=".into(), 4400, "credentials_malformed"),
        of(
            jwt(&good, SECRET)? + "&token=x",
            4400,
            "credentials_malformed",
        ),
        of(
            jwt(&good, b"another secret of thirty-two byte")?,
            4401,
            "token_invalid",
        ),
        of(
            jwt(&json!({ "sub": "ada", "exp": now - 3600 }), SECRET)?,
            4401,
            "token_expired",
        ),
        of(
            jwt(
                &json!({ "sub": "ada", "exp": now + 3600, "nbf": now + 1800 }),
                SECRET,
            )?,
            4401,
            "token_not_yet_valid",
        ),
        of(
            jwt(&json!({ "sub": "eve", "exp": now + 3600 }), SECRET)?,
            4403,
            "forbidden",
        ),
        of(
            "/ticket?ticket=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into(),
            4401,
            "ticket_invalid",
        ),
        of("/down".into(), 4503, "unavailable"),
        of("/busy".into(), 4429, "rate_limited"),
    ])
}

fn token(claims: &Value, secret: &[u8]) -> Result<String, Box<dyn std::error::Error>> {
    let key = SigningKey::hmac(Algorithm::HS256, secret)?;
    Ok(JwtEncoder::new(key).encode(claims)?)
}
