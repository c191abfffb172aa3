use std::fmt;

use serde::Serialize;
use tower_ws_auth_core::carrier::MAX_CREDENTIAL;

use crate::backend::PrivateKey;
use crate::header::MAX_KID;
use crate::key::der::{self, Private};
use crate::key::mac::Mac;
use crate::key::pem::Pem;
use crate::{Algorithm, KeyError, compact};

/// A key that signs, bound to one algorithm.
///
/// Its `Debug` shows the algorithm and the `kid`. A private key is erased when it is dropped; of
/// an HMAC secret see [`Key`](crate::Key).
#[derive(Clone)]
pub struct SigningKey {
    algorithm: Algorithm,
    kid: Option<String>,
    signer: Signer,
}

#[derive(Clone)]
enum Signer {
    Mac(Box<Mac>),
    Private(PrivateKey),
}

impl SigningKey {
    /// A shared secret for HS256, HS384 or HS512.
    ///
    /// # Errors
    ///
    /// As for [`Key::hmac`](crate::Key::hmac).
    pub fn hmac(algorithm: Algorithm, secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Mac::new(algorithm, secret.as_ref()).map(|mac| Self::from_mac(algorithm, mac))
    }

    /// A shared secret of at least 32 bytes for HS256.
    ///
    /// # Errors
    ///
    /// As for [`Key::hmac`](crate::Key::hmac).
    pub fn hs256(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::hmac(Algorithm::HS256, secret)
    }

    /// Like [`hmac`](Self::hmac), for a secret that is too short and that you cannot change.
    ///
    /// Anyone who has seen one token can try out secrets on it, at leisure and offline.
    ///
    /// # Errors
    ///
    /// As for [`Key::dangerous_short_hmac`](crate::Key::dangerous_short_hmac).
    pub fn dangerous_short_hmac(
        algorithm: Algorithm,
        secret: impl AsRef<[u8]>,
    ) -> Result<Self, KeyError> {
        Mac::of_any_length(algorithm, secret.as_ref()).map(|mac| Self::from_mac(algorithm, mac))
    }

    /// A private key in PEM: a block `PRIVATE KEY` (PKCS#8), or `RSA PRIVATE KEY` (PKCS#1).
    ///
    /// # Errors
    ///
    /// Text that is not one such block, a key of another kind than the algorithm takes, an RSA
    /// key of less than 2048 bits, a key that cannot sign.
    pub fn from_pem(algorithm: Algorithm, pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::from_private(algorithm, &Pem::read(pem.as_ref())?.private()?)
    }

    /// A private key in DER: a `PrivateKeyInfo` (PKCS#8), or for RSA an `RSAPrivateKey` (PKCS#1).
    ///
    /// # Errors
    ///
    /// As for [`from_pem`](Self::from_pem).
    pub fn from_der(algorithm: Algorithm, der: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::from_private(algorithm, &der::private(der.as_ref())?)
    }

    /// Names the key; its tokens carry the name.
    ///
    /// # Errors
    ///
    /// A `kid` longer than 256 bytes.
    pub fn with_kid(mut self, kid: impl Into<String>) -> Result<Self, KeyError> {
        let kid = kid.into();
        if kid.len() > MAX_KID {
            return Err(KeyError::LongKid);
        }
        self.kid = Some(kid);
        Ok(self)
    }

    /// The algorithm that it is bound to.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn from_mac(algorithm: Algorithm, mac: Mac) -> Self {
        Self {
            algorithm,
            kid: None,
            signer: Signer::Mac(Box::new(mac)),
        }
    }

    fn from_private(algorithm: Algorithm, private: &Private<'_>) -> Result<Self, KeyError> {
        Ok(Self {
            algorithm,
            kid: None,
            signer: Signer::Private(PrivateKey::new(algorithm, private)?),
        })
    }

    fn sign(&self, message: &str) -> Option<Vec<u8>> {
        match &self.signer {
            Signer::Mac(mac) => Some(mac.sign(message)),
            Signer::Private(key) => key.sign(message),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

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
    let mut header = serde_json::json!({ "alg": key.algorithm.name(), "typ": typ });
    if let Some(kid) = &key.kid {
        header["kid"] = kid.as_str().into();
    }
    compact::encode(header.to_string().as_bytes()) + "."
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
