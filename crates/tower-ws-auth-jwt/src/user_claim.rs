use std::fmt;

use serde_json::Value;
use tower_ws_auth_core::Rejection;

use crate::{ConfigError, invalid};

/// The claim that names the user: `/sub` for most issuers, `/user_id` or `/extend/id` for others.
///
/// Each place is a JSON Pointer (RFC 6901) through objects. The first place that holds more than
/// `null` decides. Its value must be a text that is not empty, or an integer, which is written in
/// decimal digits. Nothing else names a user: no element of an array, no fraction, no boolean.
///
/// Choose a claim that the issuer alone sets and never gives to another user.
///
/// ```
/// use serde_json::json;
/// use tower_ws_auth_jwt::UserClaim;
///
/// let user = UserClaim::new(["/sub", "/user_id"])?;
/// assert_eq!(user.of(&json!({ "user_id": 7, "username": "ada" })).as_deref(), Some("7"));
/// assert_eq!(user.of(&json!({ "sub": "ada", "user_id": 7 })).as_deref(), Some("ada"));
/// assert_eq!(user.of(&json!({ "sub": ["ada"], "user_id": 7 })), None);
/// assert!(UserClaim::new(["user_id"]).is_err());
/// # Ok::<(), tower_ws_auth_jwt::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserClaim {
    /// As they were written, for errors.
    written: String,
    /// Each as its reference tokens.
    places: Vec<Vec<String>>,
}

impl UserClaim {
    /// The places, of which the first one that is there decides.
    ///
    /// # Errors
    ///
    /// No place, a text that is not a JSON Pointer, or a registered claim that names no user
    /// (`exp`, `nbf`, `iat`, `aud`, `iss`, `jti`).
    pub fn new<T: AsRef<str>>(places: impl IntoIterator<Item = T>) -> Result<Self, ConfigError> {
        const NOBODY: [&str; 6] = ["exp", "nbf", "iat", "aud", "iss", "jti"];
        let mut written = Vec::new();
        let mut parsed = Vec::new();
        for place in places {
            let place = place.as_ref();
            let tokens = tokens(place).ok_or_else(|| ConfigError::UserClaim(place.to_owned()))?;
            if matches!(tokens.as_slice(), [only] if NOBODY.contains(&&**only)) {
                return Err(ConfigError::UserClaim(place.to_owned()));
            }
            written.push(format!("`{place}`"));
            parsed.push(tokens);
        }
        if parsed.is_empty() {
            return Err(ConfigError::Empty("UserClaim::new"));
        }
        Ok(Self {
            written: written.join(" or "),
            places: parsed,
        })
    }

    /// The user that these claims name, if they name one.
    pub fn of(&self, claims: &Value) -> Option<String> {
        let at = |place: &Vec<String>| {
            place
                .iter()
                .try_fold(claims, |value, name| value.as_object()?.get(name))
                .filter(|value| !value.is_null())
        };
        match self.places.iter().find_map(at)? {
            Value::String(name) if !name.is_empty() => Some(name.clone()),
            Value::Number(id) if id.is_i64() || id.is_u64() => Some(id.to_string()),
            _ => None,
        }
    }

    /// The names on the way to the first place, for an application that issues such tokens itself.
    pub fn path(&self) -> impl Iterator<Item = &str> {
        self.places.iter().take(1).flatten().map(String::as_str)
    }

    /// Refuses claims that name no user. The log names the places.
    pub(crate) fn demand(&self, payload: &str) -> Result<(), Rejection> {
        let claims = serde_json::from_str(payload).unwrap_or_default();
        if self.of(&claims).is_some() {
            return Ok(());
        }
        let detail = "the claim that names the user is missing, or neither text nor an integer";
        Err(invalid(detail).with_source(Nameless(self.written.clone())))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("no text and no integer at {0}")]
struct Nameless(String);

impl fmt::Display for UserClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// The reference tokens of a JSON Pointer (RFC 6901 §3 and §4).
fn tokens(pointer: &str) -> Option<Vec<String>> {
    let token = |token: &str| {
        let mut text = String::with_capacity(token.len());
        let mut chars = token.chars();
        while let Some(char) = chars.next() {
            text.push(match char {
                '~' => match chars.next()? {
                    '0' => '~',
                    '1' => '/',
                    _ => return None,
                },
                plain => plain,
            });
        }
        Some(text)
    };
    let tokens = pointer.strip_prefix('/')?.split('/').map(token);
    let tokens = tokens.collect::<Option<Vec<_>>>()?;
    (!tokens.iter().any(String::is_empty)).then_some(tokens)
}
