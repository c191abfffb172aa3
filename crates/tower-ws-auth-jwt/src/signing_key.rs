use std::fmt;

use crate::backend::PrivateKey;
use crate::header::MAX_KID;
use crate::key::der::{self, Private};
use crate::key::mac::Mac;
use crate::key::pem::Pem;
use crate::{Algorithm, KeyError};

/// A key that signs, bound to one algorithm.
///
/// Its `Debug` shows the algorithm and the `kid`. A private key is erased when it is dropped; of
/// an HMAC secret see [`Key`](crate::Key).
#[derive(Clone)]
pub struct SigningKey {
    algorithm: Algorithm,
    pub(crate) kid: Option<String>,
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

    pub(crate) fn sign(&self, message: &str) -> Option<Vec<u8>> {
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
