pub(crate) mod der;
pub(crate) mod jwk;
pub(crate) mod mac;
pub(crate) mod pem;
pub(crate) mod public;
pub(crate) mod rsa;

use std::fmt;

use self::jwk::{Jwk, Material};
use self::mac::Mac;
use self::pem::Pem;
use self::public::Public;
use crate::backend::PublicKey;
use crate::{Algorithm, KeyError};

/// A key that verifies, bound to one algorithm.
///
/// Whatever is wrong with a key is an error of its constructor, with one exception: 32 bytes that
/// are no point of Ed25519 are noticed by `rust-crypto` alone; with `aws-lc-rs` no signature
/// will be good for them.
///
/// Its `Debug` shows the algorithm and the `kid`. The secret of an HMAC key is not kept, only the
/// state of the hash after it, with which anyone can forge tokens. That state is erased on drop, and so
/// is the copy that each token is verified with. What moving a value leaves behind on a stack is not.
#[derive(Clone)]
pub struct Key {
    algorithm: Algorithm,
    kid: Option<Box<str>>,
    verifier: Verifier,
}

#[derive(Clone)]
enum Verifier {
    Mac(Box<Mac>),
    Public(PublicKey),
}

impl Key {
    /// A shared secret for HS256, HS384 or HS512. It should be random, not a password.
    ///
    /// # Errors
    ///
    /// A secret that is shorter than the algorithm's hash (RFC 7518 §3.2), that is a PEM file, or
    /// an algorithm that takes none.
    pub fn hmac(algorithm: Algorithm, secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Mac::new(algorithm, secret.as_ref()).map(|mac| Self::from_mac(algorithm, mac))
    }

    /// A shared secret of at least 32 bytes for HS256.
    ///
    /// # Errors
    ///
    /// As for [`hmac`](Self::hmac).
    pub fn hs256(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::hmac(Algorithm::HS256, secret)
    }

    /// Like [`hmac`](Self::hmac), for a secret that is too short and that you cannot change.
    ///
    /// Anyone who has seen one token can try out secrets on it, at leisure and offline.
    ///
    /// # Errors
    ///
    /// As for [`hmac`](Self::hmac), and for an empty secret still.
    pub fn dangerous_short_hmac(
        algorithm: Algorithm,
        secret: impl AsRef<[u8]>,
    ) -> Result<Self, KeyError> {
        Mac::of_any_length(algorithm, secret.as_ref()).map(|mac| Self::from_mac(algorithm, mac))
    }

    /// A public key in PEM: a block `PUBLIC KEY` (`SubjectPublicKeyInfo`), or `RSA PUBLIC KEY`
    /// (PKCS#1).
    ///
    /// # Errors
    ///
    /// Text that is not one such block, a key of another kind than the algorithm takes, an RSA
    /// key of less than 2048 bits, a point that is not on its curve.
    pub fn from_pem(algorithm: Algorithm, pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let public = Pem::read(pem.as_ref())?.public()?;
        Self::from_public(algorithm, &public)
    }

    /// A public key in DER: a `SubjectPublicKeyInfo`, or for RSA an `RSAPublicKey` (PKCS#1).
    ///
    /// # Errors
    ///
    /// As for [`from_pem`](Self::from_pem).
    pub fn from_der(algorithm: Algorithm, der: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::from_public(algorithm, &der::public(der.as_ref())?)
    }

    /// A JSON Web Key (RFC 7517): RSA, EC on P-256, P-384 or P-521, Ed25519, or a shared secret (`oct`).
    ///
    /// Its algorithm is its `alg`; a curve needs none. Its `kid` becomes the key's.
    ///
    /// # Errors
    ///
    /// What [`from_pem`](Self::from_pem) and [`hmac`](Self::hmac) refuse; a JWK that is malformed,
    /// private, or by its `use` or `key_ops` not meant for verifying; one whose algorithm is left
    /// open, unknown or contradicted by the rest of it.
    pub fn from_jwk(json: &str) -> Result<Self, KeyError> {
        Jwk::read(json, None).and_then(Self::from_parsed)
    }

    /// Like [`from_jwk`](Self::from_jwk), for a JWK without an `alg`.
    ///
    /// # Errors
    ///
    /// As for [`from_jwk`](Self::from_jwk), and an `alg` that is another one.
    pub fn from_jwk_with(algorithm: Algorithm, json: &str) -> Result<Self, KeyError> {
        Jwk::read(json, Some(algorithm)).and_then(Self::from_parsed)
    }

    /// A JWK of a set that anyone can read, so never a shared secret. An RSA key that does not
    /// name its algorithm is for `rsa`.
    #[cfg(feature = "jwks")]
    pub(crate) fn from_published(rsa: Algorithm, json: &str) -> Result<Self, KeyError> {
        let jwk = match Jwk::read(json, None) {
            Err(jwk::NO_ALGORITHM) => Jwk::read(json, Some(rsa)),
            read => read,
        }?;
        match jwk.material {
            Material::Public(_) => Self::from_parsed(jwk),
            Material::Secret(_) => Err(KeyError::Foreign("a shared secret is no public key")),
        }
    }

    /// The algorithm that it is bound to.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The `kid` that its JWK gave it, if there was one.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    pub(crate) fn named(mut self, kid: &str) -> Self {
        self.kid = Some(kid.into());
        self
    }

    pub(crate) fn verify(&self, message: &str, signature: &str) -> bool {
        match &self.verifier {
            Verifier::Mac(mac) => mac.verify(message, signature),
            Verifier::Public(key) => key.verify(message, signature),
        }
    }

    fn from_parsed(jwk: Jwk) -> Result<Self, KeyError> {
        let mut key = match jwk.material {
            Material::Secret(secret) => Self::hmac(jwk.algorithm, &*secret)?,
            Material::Public(public) => Self::from_public(jwk.algorithm, &public)?,
        };
        key.kid = jwk.kid.map(String::into_boxed_str);
        Ok(key)
    }

    fn from_mac(algorithm: Algorithm, mac: Mac) -> Self {
        Self {
            algorithm,
            kid: None,
            verifier: Verifier::Mac(Box::new(mac)),
        }
    }

    fn from_public(algorithm: Algorithm, public: &Public) -> Result<Self, KeyError> {
        Ok(Self {
            algorithm,
            kid: None,
            verifier: Verifier::Public(PublicKey::new(algorithm, public)?),
        })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}
