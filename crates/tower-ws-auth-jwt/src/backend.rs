//! The one place that knows which cryptography is compiled in for RSA, EC and `EdDSA`.
//!
//! The provider is always named. jsonwebtoken's own choice panics within a request as soon as two
//! crates of an application turn on one feature each.

#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod imp {
    #[cfg(feature = "aws-lc-rs")]
    use std::sync::Arc;

    #[cfg(feature = "aws-lc-rs")]
    use aws_lc_rs::rand::SystemRandom;
    #[cfg(feature = "aws-lc-rs")]
    use aws_lc_rs::signature::{
        ECDSA_P521_SHA512_FIXED, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, ParsedPublicKey,
    };
    use jsonwebtoken::crypto::CryptoProvider;
    use jsonwebtoken::{DecodingKey, EncodingKey};

    #[cfg(feature = "aws-lc-rs")]
    use crate::algorithm::Curve;
    use crate::key::der::{Kind, Private};
    use crate::key::public::Public;
    use crate::key::rsa;
    use crate::{Algorithm, KeyError, compact};

    #[cfg(feature = "aws-lc-rs")]
    static PROVIDER: &CryptoProvider = &jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
    #[cfg(not(feature = "aws-lc-rs"))]
    static PROVIDER: &CryptoProvider = &jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;

    pub(crate) const MAX_RSA_BITS: usize = if cfg!(feature = "aws-lc-rs") {
        8192
    } else {
        4096
    };

    #[derive(Clone)]
    pub(crate) enum PublicKey {
        Theirs(jsonwebtoken::Algorithm, DecodingKey),
        /// jsonwebtoken knows nothing of this curve.
        #[cfg(feature = "aws-lc-rs")]
        P521(ParsedPublicKey),
    }

    impl PublicKey {
        pub(crate) fn new(algorithm: Algorithm, public: &Public) -> Result<Self, KeyError> {
            public.check(algorithm)?;
            let key = match public {
                Public::Rsa { n, e } => DecodingKey::from_rsa_raw_components(n, e),
                #[cfg(feature = "aws-lc-rs")]
                Public::Ec { curve, point } if *curve == Curve::P521 => {
                    let key = ParsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, point);
                    let key = key.map_err(|_| KeyError::Invalid(algorithm))?;
                    return Ok(Self::P521(key));
                }
                Public::Ec { point, .. } => DecodingKey::from_ec_der(point),
                Public::Ed25519 { x } => DecodingKey::from_ed_der(x),
            };
            let name = theirs(algorithm)?;
            // rust-crypto looks at a point here, aws-lc-rs only at the first signature.
            let accepted = (PROVIDER.verifier_factory)(&name, &key).is_ok();
            if !accepted || !is_on_curve(public) {
                return Err(KeyError::Invalid(algorithm));
            }
            Ok(Self::Theirs(name, key))
        }

        pub(crate) fn verify(&self, message: &str, signature: &str) -> bool {
            let Some(signature) = compact::decode(signature) else {
                return false;
            };
            match self {
                Self::Theirs(name, key) => (PROVIDER.verifier_factory)(name, key)
                    .is_ok_and(|verifier| verifier.verify(message.as_bytes(), &signature).is_ok()),
                #[cfg(feature = "aws-lc-rs")]
                Self::P521(key) => key.verify_sig(message.as_bytes(), &signature).is_ok(),
            }
        }
    }

    #[cfg(feature = "aws-lc-rs")]
    fn is_on_curve(public: &Public) -> bool {
        use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519};

        match public {
            Public::Rsa { .. } => true,
            Public::Ec { curve, point } => match curve {
                Curve::P256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).is_ok(),
                Curve::P384 => ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).is_ok(),
                Curve::P521 => ParsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, point).is_ok(),
            },
            Public::Ed25519 { x } => ParsedPublicKey::new(&ED25519, x).is_ok(),
        }
    }

    #[cfg(not(feature = "aws-lc-rs"))]
    fn is_on_curve(_: &Public) -> bool {
        true
    }

    /// Each erases itself when it is dropped.
    #[derive(Clone)]
    pub(crate) enum PrivateKey {
        Theirs(jsonwebtoken::Algorithm, EncodingKey),
        #[cfg(feature = "aws-lc-rs")]
        P521(Arc<EcdsaKeyPair>),
    }

    impl PrivateKey {
        pub(crate) fn new(algorithm: Algorithm, private: &Private<'_>) -> Result<Self, KeyError> {
            let der = private.bytes_for(algorithm)?;
            let key = match private.kind {
                Kind::Rsa => EncodingKey::from_rsa_der(der),
                #[cfg(feature = "aws-lc-rs")]
                Kind::Ec(Curve::P521) => {
                    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P521_SHA512_FIXED_SIGNING, der);
                    let pair = pair.map_err(|_| KeyError::Invalid(algorithm))?;
                    return Ok(Self::P521(Arc::new(pair)));
                }
                Kind::Ec(_) => EncodingKey::from_ec_der(der),
                Kind::Ed25519 => EncodingKey::from_ed_der(der),
            };
            if let Kind::Rsa = private.kind {
                let read = PROVIDER.key_utils.rsa_pub_components_from_private_key;
                let (n, e) = read(der).map_err(|_| KeyError::Invalid(algorithm))?;
                rsa::check(&n, &e)?;
            }
            let key = Self::Theirs(theirs(algorithm)?, key);
            // Some keys are only looked at when they sign.
            key.sign("").ok_or(KeyError::Invalid(algorithm))?;
            Ok(key)
        }

        pub(crate) fn sign(&self, message: &str) -> Option<Vec<u8>> {
            match self {
                Self::Theirs(name, key) => {
                    let signer = (PROVIDER.signer_factory)(name, key).ok()?;
                    signer.try_sign(message.as_bytes()).ok()
                }
                #[cfg(feature = "aws-lc-rs")]
                Self::P521(pair) => {
                    let signature = pair.sign(&SystemRandom::new(), message.as_bytes());
                    Some(signature.ok()?.as_ref().to_vec())
                }
            }
        }
    }

    fn theirs(algorithm: Algorithm) -> Result<jsonwebtoken::Algorithm, KeyError> {
        use jsonwebtoken::Algorithm as Theirs;
        Ok(match algorithm {
            Algorithm::HS256 => Theirs::HS256,
            Algorithm::HS384 => Theirs::HS384,
            Algorithm::HS512 => Theirs::HS512,
            Algorithm::RS256 => Theirs::RS256,
            Algorithm::RS384 => Theirs::RS384,
            Algorithm::RS512 => Theirs::RS512,
            Algorithm::PS256 => Theirs::PS256,
            Algorithm::PS384 => Theirs::PS384,
            Algorithm::PS512 => Theirs::PS512,
            Algorithm::ES256 => Theirs::ES256,
            Algorithm::ES384 => Theirs::ES384,
            Algorithm::EdDSA => Theirs::EdDSA,
            Algorithm::ES512 => return Err(KeyError::NoBackend(algorithm)),
        })
    }
}

#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod imp {
    use crate::key::der::Private;
    use crate::key::public::Public;
    use crate::{Algorithm, KeyError};

    pub(crate) const MAX_RSA_BITS: usize = 8192;

    /// There is none.
    #[derive(Clone)]
    pub(crate) enum PublicKey {}

    impl PublicKey {
        pub(crate) fn new(algorithm: Algorithm, public: &Public) -> Result<Self, KeyError> {
            public.check(algorithm)?;
            Err(KeyError::NoBackend(algorithm))
        }

        pub(crate) fn verify(&self, _message: &str, _signature: &str) -> bool {
            match *self {}
        }
    }

    /// There is none.
    #[derive(Clone)]
    pub(crate) enum PrivateKey {}

    impl PrivateKey {
        pub(crate) fn new(algorithm: Algorithm, private: &Private<'_>) -> Result<Self, KeyError> {
            private.bytes_for(algorithm)?;
            Err(KeyError::NoBackend(algorithm))
        }

        pub(crate) fn sign(&self, _message: &str) -> Option<Vec<u8>> {
            match *self {}
        }
    }
}

pub(crate) use imp::{MAX_RSA_BITS, PrivateKey, PublicKey};
