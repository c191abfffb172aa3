use serde::Serialize;
use serde_json::Value;
use tower_ws_auth_core::carrier::MAX_CREDENTIAL;

use crate::{SigningKey, compact};

/// Issues tokens: what is encoded here, a [`Jwt`](crate::Jwt) with the matching key verifies.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use tower_ws_auth_jwt::{Jwt, JwtEncoder, Key, SigningKey};
///
/// #[derive(Serialize, Deserialize)]
/// struct Claims {
///     user: String,
///     exp: u64,
/// }
///
/// let secret = [7; 32]; // Yours is random.
/// let encoder = JwtEncoder::new(SigningKey::hs256(secret)?);
/// let jwt = Jwt::<Claims>::builder(Key::hs256(secret)?).build()?;
///
/// let token = encoder.encode(&Claims { user: "ada".into(), exp: 4_102_444_800 })?;
/// assert_eq!(jwt.verify_token(&token)?.identity().user, "ada");
///
/// let token = encoder.encode(&Claims { user: "ada".into(), exp: 1 })?;
/// assert_eq!(jwt.verify_token(&token).err().unwrap().token(), "token_expired");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct JwtEncoder {
    key: SigningKey,
    /// Encoded, with the dot.
    header: String,
}

impl JwtEncoder {
    /// Signs with this key; the header has its `alg`, its `kid` and the `typ` `JWT`.
    pub fn new(key: SigningKey) -> Self {
        let header = header(&key, "JWT");
        Self { key, header }
    }

    /// Sets another `typ`, such as `at+jwt`.
    #[must_use]
    pub fn typ(mut self, typ: impl AsRef<str>) -> Self {
        self.header = header(&self.key, typ.as_ref());
        self
    }

    /// Encodes and signs the claims, which must be an object. It adds none: `exp` is yours to set.
    ///
    /// # Errors
    ///
    /// Claims that are no JSON object or make a token longer than 8 KiB, and a signature that
    /// fails.
    pub fn encode<T: Serialize + ?Sized>(&self, claims: &T) -> Result<String, EncodeError> {
        let claims = serde_json::to_vec(claims)?;
        if claims.first() != Some(&b'{') {
            return Err(EncodeError::NotAnObject);
        }
        let mut token = self.header.clone();
        token.push_str(&compact::encode(&claims));
        let signature = self.key.sign(&token).ok_or(EncodeError::Signature)?;
        token.push('.');
        token.push_str(&compact::encode(&signature));
        if token.len() > MAX_CREDENTIAL {
            return Err(EncodeError::TooLong);
        }
        Ok(token)
    }
}

fn header(key: &SigningKey, typ: &str) -> String {
    // A `Value` is written as JSON, with its quotes and escapes.
    let typ = Value::from(typ);
    let kid = key.kid.as_deref().map(Value::from);
    let kid = kid.map_or_else(String::new, |kid| format!(r#""kid":{kid},"#));
    let header = format!(r#"{{"alg":"{}",{kid}"typ":{typ}}}"#, key.algorithm());
    compact::encode(header.as_bytes()) + "."
}

/// Why [`JwtEncoder::encode`] failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The claims cannot be written as JSON.
    #[error("the claims cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    /// The claims are something else than an object.
    #[error("the claims are not a JSON object: use a struct or a map")]
    NotAnObject,
    /// A token that no carrier would take.
    #[error("the token is longer than 8 KiB: put less into the claims")]
    TooLong,
    /// The cryptography failed.
    #[error("the claims could not be signed")]
    Signature,
}
