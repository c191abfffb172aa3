//! The few structures of ASN.1 in which keys are written, and nothing more of ASN.1.

use crate::algorithm::{Curve, Family};
use crate::key::public::Public;
use crate::{Algorithm, KeyError};

/// A public key: `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7), or `RSAPublicKey` (RFC 8017 §A.1.1).
pub(crate) fn public(der: &[u8]) -> Result<Public, KeyError> {
    spki(der)
        .or_else(|| rsa_public_key(der))
        .ok_or(KeyError::Der(
            "they are not a SubjectPublicKeyInfo with an RSA, P-256, P-384 or Ed25519 key, nor an RSAPublicKey",
        ))
}

pub(crate) fn spki(der: &[u8]) -> Option<Public> {
    let mut info = Der(der).only(SEQUENCE)?;
    let kind = Kind::read(info.take(SEQUENCE)?)?;
    // The first byte counts the unused bits.
    let [0, key @ ..] = info.take(BIT_STRING)? else {
        return None;
    };
    info.end()?;
    match kind {
        Kind::Rsa => rsa_public_key(key),
        Kind::Ec(curve) => Some(Public::Ec {
            curve,
            point: key.to_vec(),
        }),
        Kind::Ed25519 => Some(Public::Ed25519 { x: key.to_vec() }),
    }
}

pub(crate) fn rsa_public_key(der: &[u8]) -> Option<Public> {
    let mut key = Der(der).only(SEQUENCE)?;
    let n = positive(key.take(INTEGER)?)?.to_vec();
    let e = positive(key.take(INTEGER)?)?.to_vec();
    key.end()?;
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
            "they are not a PKCS#8 PrivateKeyInfo with an RSA, P-256, P-384 or Ed25519 key, nor an RSAPrivateKey",
        ))
}

pub(crate) fn pkcs8(der: &[u8]) -> Option<Private<'_>> {
    let mut info = Der(der).only(SEQUENCE)?;
    let [0 | 1] = info.take(INTEGER)? else {
        return None;
    };
    let kind = Kind::read(info.take(SEQUENCE)?)?;
    let key = info.take(OCTET_STRING)?;
    match kind {
        Kind::Rsa => rsa_private_key(key),
        Kind::Ec(_) | Kind::Ed25519 => Some(Private { kind, der }),
    }
}

pub(crate) fn rsa_private_key(der: &[u8]) -> Option<Private<'_>> {
    let mut key = Der(der).only(SEQUENCE)?;
    let [0] = key.take(INTEGER)? else {
        return None;
    };
    positive(key.take(INTEGER)?)?;
    Some(Private {
        kind: Kind::Rsa,
        der,
    })
}

/// What an `AlgorithmIdentifier` says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Rsa,
    Ec(Curve),
    Ed25519,
}

impl Kind {
    fn read(identifier: &[u8]) -> Option<Self> {
        let mut identifier = Der(identifier);
        let kind = match identifier.take(OBJECT_IDENTIFIER)? {
            RSA_ENCRYPTION => {
                identifier.take(NULL)?;
                Self::Rsa
            }
            EC_PUBLIC_KEY => match identifier.take(OBJECT_IDENTIFIER)? {
                PRIME256V1 => Self::Ec(Curve::P256),
                SECP384R1 => Self::Ec(Curve::P384),
                _ => return None,
            },
            ED25519 => Self::Ed25519,
            _ => return None,
        };
        identifier.end()?;
        Some(kind)
    }
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const NULL: u8 = 0x05;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// 1.2.840.113549.1.1.1
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 1.2.840.10045.2.1
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// 1.2.840.10045.3.1.7, which is P-256
const PRIME256V1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// 1.3.132.0.34, which is P-384
const SECP384R1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
/// 1.3.101.112
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// A run of elements (X.690 §8.1, lengths by §10.1).
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The content of the next element, which must have this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (length, rest) = match self.0 {
            [found, length @ 0..=0x7f, rest @ ..] if *found == tag => (usize::from(*length), rest),
            [found, 0x81, length @ 0x80..=0xff, rest @ ..] if *found == tag => {
                (usize::from(*length), rest)
            }
            [found, 0x82, high @ 1..=0xff, low, rest @ ..] if *found == tag => {
                (usize::from(u16::from_be_bytes([*high, *low])), rest)
            }
            // No key is longer than 64 KiB.
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(content)
    }

    /// The inside of the one element that all of this is.
    fn only(mut self, tag: u8) -> Option<Self> {
        let content = self.take(tag)?;
        self.end()?;
        Some(Self(content))
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// The digits of a positive integer, without the zero that keeps the sign (X.690 §8.3).
fn positive(integer: &[u8]) -> Option<&[u8]> {
    match integer {
        [0, digits @ ..] if digits.first().is_some_and(|first| *first >= 0x80) => Some(digits),
        [1..=0x7f, ..] => Some(integer),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_is_taken_only_under_its_tag_however_its_length_is_written() {
        for length in [3, 0x80, 0x1234] {
            let content = vec![7; length];
            let [.., high, low] = length.to_be_bytes();
            let head = match length {
                0..=0x7f => vec![low],
                0x80..=0xff => vec![0x81, low],
                _ => vec![0x82, high, low],
            };
            let element = [&[0x30][..], &head, &content].concat();
            assert_eq!(Der(&element).take(0x30), Some(&*content));
            assert_eq!(Der(&element).take(0x31), None);
        }
    }

    #[test]
    fn a_zero_in_front_stands_only_where_it_keeps_the_sign() {
        assert_eq!(positive(&[0, 0x80]), Some(&[0x80][..]));
        assert_eq!(positive(&[0x7f]), Some(&[0x7f][..]));
        for bad in [&[0, 0x7f][..], &[0], &[0x80], &[]] {
            assert_eq!(positive(bad), None, "{bad:?}");
        }
    }
}
