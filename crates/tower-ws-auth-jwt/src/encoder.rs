use std::error::Error;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde_json::{Map, Value};
use tower_ws_auth_core::Validity;
use tower_ws_auth_core::credential::MAX_CREDENTIAL;

use crate::rules::INHERITED;
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
/// let token = encoder.encode(&Claims { user: "ada".into(), exp: 2_000_000_000 })?;
/// assert_eq!(jwt.verify_token(&token)?.identity().user, "ada");
///
/// let token = encoder.encode(&Claims { user: "ada".into(), exp: 1 })?;
/// assert_eq!(jwt.verify_token(&token).err().unwrap().reason(), "token_expired");
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
    /// For a client that is logged in, such as by a session, there is
    /// [`encode_inheriting`](Self::encode_inheriting).
    ///
    /// # Errors
    ///
    /// Claims that are no JSON object or make a token longer than 8 KiB, and a signature that
    /// fails.
    pub fn encode<T: Serialize + ?Sized>(&self, claims: &T) -> Result<String, EncodeError> {
        let claims = serde_json::to_vec(claims).map_err(json)?;
        if claims.first() != Some(&b'{') {
            return Err(EncodeError::NotAnObject);
        }
        self.sign(&claims)
    }

    /// Encodes claims that are minted for a client whose own grant is valid so long: the token
    /// ends no later, is as old as the decision about that grant, and is revoked by the same keys.
    ///
    /// - `exp` is the earlier of the claims' and the grant's, in whole seconds.
    /// - `iat` is the earlier of both, in seconds with a fraction. It is left out where nobody
    ///   knows how old the grant is: every revocation of one of its keys then refuses the token.
    /// - `wsauth_keys` are the keys. A [`Jwt`](crate::Jwt) reads them from tokens that a key of its
    ///   own verifies, not from those that a fetched key (`Jwks`) does.
    ///
    /// ```
    /// use serde_json::json;
    /// use tower_ws_auth_core::{Clock, RevocationKey, Validity};
    /// use tower_ws_auth_jwt::{Jwt, JwtEncoder, Key, SigningKey};
    ///
    /// # let secret = [7; 32];
    /// let encoder = JwtEncoder::new(SigningKey::hs256(secret)?);
    /// let jwt = Jwt::<serde_json::Value>::builder(Key::hs256(secret)?)
    ///     .clock(Clock::fixed(1_700_000_000))
    ///     .build()?;
    ///
    /// // With axum it is an argument of the handler.
    /// let of_the_session = Validity::since(Clock::at(1_699_999_000))
    ///     .until(Clock::at(1_700_000_600))
    ///     .revocable_by(RevocationKey::from("session:4f2a").into_final());
    ///
    /// let claims = json!({ "user": "ada", "exp": 1_700_003_600 });
    /// let token = encoder.encode_inheriting(&claims, &of_the_session)?;
    ///
    /// let grant = jwt.verify_token(&token)?;
    /// assert_eq!(grant.validity().end(), Some(Clock::at(1_700_000_600)));
    /// assert_eq!(grant.validity().issued_at(), Some(Clock::at(1_699_999_000)));
    /// assert!(grant.validity().revocation_keys()[0].is_final());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    pub fn encode_inheriting<T: Serialize + ?Sized>(
        &self,
        claims: &T,
        validity: &Validity,
    ) -> Result<String, EncodeError> {
        let Value::Object(mut claims) = serde_json::to_value(claims).map_err(json)? else {
            return Err(EncodeError::NotAnObject);
        };
        inherit(&mut claims, validity);
        self.sign(&serde_json::to_vec(&claims).map_err(json)?)
    }

    fn sign(&self, claims: &[u8]) -> Result<String, EncodeError> {
        let mut token = self.header.clone();
        token.push_str(&compact::encode(claims));
        let signature = self.key.sign(&token).ok_or(EncodeError::Signature)?;
        token.push('.');
        token.push_str(&compact::encode(&signature));
        if token.len() > MAX_CREDENTIAL {
            return Err(EncodeError::TooLong);
        }
        Ok(token)
    }
}

/// Limits the claims to what the grant allows that they are minted for.
fn inherit(claims: &mut Map<String, Value>, validity: &Validity) {
    if let Some(end) = validity.end() {
        let end = since_epoch(end).as_secs();
        // Never later than the grant's; what is no number is not earlier either.
        let is_earlier = |exp: &Value| exp.as_f64().is_some_and(|exp| exp <= seconds(end));
        if !claims.get("exp").is_some_and(is_earlier) {
            claims.insert("exp".into(), end.into());
        }
    }
    match validity.issued_at().map(|at| since_epoch(at).as_secs_f64()) {
        Some(issued) => {
            let is_earlier = |iat: &Value| iat.as_f64().is_some_and(|iat| iat <= issued);
            if !claims.get("iat").is_some_and(is_earlier) {
                claims.insert("iat".into(), issued.into());
            }
        }
        None => {
            claims.remove("iat");
        }
    }
    let keys = validity.revocation_keys().iter();
    let keys: Vec<Value> = keys.map(|key| key.encode().into()).collect();
    if keys.is_empty() {
        claims.remove(INHERITED);
    } else {
        claims.insert(INHERITED.into(), keys.into());
    }
}

fn since_epoch(moment: SystemTime) -> Duration {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "a date that a clock shows")]
fn seconds(whole: u64) -> f64 {
    whole as f64
}

fn json(error: serde_json::Error) -> EncodeError {
    EncodeError::Json(error.into())
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
    Json(#[source] Box<dyn Error + Send + Sync>),
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
