//! Keys in ASN.1, as `spki` and `der` read it.
//!
//! Of private keys only the kind is read here, and of RSA keys the modulus. The cryptography reads
//! the rest. So the crates `pkcs1` and `pkcs8` would read it twice.

use der::asn1::{ObjectIdentifier, OctetStringRef, SequenceRef, UintRef};
use der::{Decode as _, Reader as _, SliceReader};
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use crate::algorithm::{Curve, Family};
use crate::key::public::Public;
use crate::{Algorithm, KeyError};

/// A public key: `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7), or `RSAPublicKey` (RFC 8017 §A.1.1).
pub(crate) fn public(der: &[u8]) -> Result<Public, KeyError> {
    spki(der)
        .or_else(|| rsa_public_key(der))
        .ok_or(KeyError::Der(
            "they are not a SubjectPublicKeyInfo with an RSA, P-256, P-384, P-521 or Ed25519 key, nor an RSAPublicKey",
        ))
}

pub(crate) fn spki(der: &[u8]) -> Option<Public> {
    let info = SubjectPublicKeyInfoRef::from_der(der).ok()?;
    let key = info.subject_public_key.as_bytes()?;
    match Kind::of(&info.algorithm)? {
        Kind::Rsa => rsa_public_key(key),
        Kind::Ec(curve) => Some(Public::Ec {
            curve,
            point: key.to_vec(),
        }),
        Kind::Ed25519 => Some(Public::Ed25519 { x: key.to_vec() }),
    }
}

pub(crate) fn rsa_public_key(der: &[u8]) -> Option<Public> {
    let mut key = inside(der)?;
    let n = UintRef::decode(&mut key).ok()?.as_bytes().to_vec();
    let e = UintRef::decode(&mut key).ok()?.as_bytes().to_vec();
    key.finish().ok()?;
    Some(Public::Rsa { n, e })
}

/// A private key, as far as it must be known before the cryptography reads it.
#[derive(Debug)]
pub(crate) struct Private<'a> {
    pub(crate) kind: Kind,
    /// `RSAPrivateKey` for RSA, all of `PrivateKeyInfo` for the others.
    der: &'a [u8],
}

impl Private<'_> {
    /// Its bytes, if the algorithm takes this kind of key.
    pub(crate) fn bytes_for(&self, algorithm: Algorithm) -> Result<&[u8], KeyError> {
        algorithm.check_family(match self.kind {
            Kind::Rsa => Family::Rsa,
            Kind::Ec(curve) => Family::Ec(curve),
            Kind::Ed25519 => Family::Ed25519,
        })?;
        Ok(self.der)
    }
}

/// A private key: `PrivateKeyInfo` (RFC 5958 §2), or `RSAPrivateKey` (RFC 8017 §A.1.2).
pub(crate) fn private(der: &[u8]) -> Result<Private<'_>, KeyError> {
    pkcs8(der)
        .or_else(|| rsa_private_key(der))
        .ok_or(KeyError::Der(
            "they are not a PKCS#8 PrivateKeyInfo with an RSA, P-256, P-384, P-521 or Ed25519 key, nor an RSAPrivateKey",
        ))
}

pub(crate) fn pkcs8(der: &[u8]) -> Option<Private<'_>> {
    let mut info = inside(der)?;
    let (0 | 1) = u8::decode(&mut info).ok()? else {
        return None;
    };
    let kind = Kind::of(&AlgorithmIdentifierRef::decode(&mut info).ok()?)?;
    let key: &OctetStringRef = info.decode().ok()?;
    match kind {
        Kind::Rsa => rsa_private_key(key.as_bytes()),
        Kind::Ec(_) | Kind::Ed25519 => Some(Private { kind, der }),
    }
}

pub(crate) fn rsa_private_key(der: &[u8]) -> Option<Private<'_>> {
    let mut key = inside(der)?;
    let 0 = u8::decode(&mut key).ok()? else {
        return None;
    };
    UintRef::decode(&mut key).ok()?;
    Some(Private {
        kind: Kind::Rsa,
        der,
    })
}

/// The inside of the one sequence that all of this is.
fn inside(der: &[u8]) -> Option<SliceReader<'_>> {
    let sequence = <&SequenceRef>::from_der(der).ok()?;
    SliceReader::new(sequence.as_bytes()).ok()
}

/// What an `AlgorithmIdentifier` says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Rsa,
    Ec(Curve),
    Ed25519,
}

impl Kind {
    fn of(identifier: &AlgorithmIdentifierRef<'_>) -> Option<Self> {
        match identifier.oid {
            RSA_ENCRYPTION if identifier.parameters?.is_null() => Some(Self::Rsa),
            EC_PUBLIC_KEY => match identifier.parameters_oid().ok()? {
                PRIME256V1 => Some(Self::Ec(Curve::P256)),
                SECP384R1 => Some(Self::Ec(Curve::P384)),
                SECP521R1 => Some(Self::Ec(Curve::P521)),
                _ => None,
            },
            ED25519 if identifier.parameters.is_none() => Some(Self::Ed25519),
            _ => None,
        }
    }
}

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// P-256
const PRIME256V1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// P-384
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
/// P-521
const SECP521R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
