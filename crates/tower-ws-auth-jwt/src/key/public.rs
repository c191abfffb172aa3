//! One form for a public key, from PEM, DER and JWK.
//!
//! By hand, because jsonwebtoken's `DecodingKey` does not tell the modulus or the curve.

use crate::algorithm::{Curve, Family};
use crate::key::rsa;
use crate::{Algorithm, KeyError};

/// A public key, whatever it was written in.
#[derive(Debug)]
pub(crate) enum Public {
    /// Big-endian, without leading zeros.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    Ec {
        curve: Curve,
        point: Vec<u8>,
    },
    Ed25519 {
        x: Vec<u8>,
    },
}

impl Public {
    /// Checks what can be checked without the cryptography.
    pub(crate) fn check(&self, algorithm: Algorithm) -> Result<(), KeyError> {
        algorithm.check_family(self.family())?;
        match self {
            Self::Rsa { n, e } => rsa::check(n, e),
            Self::Ec { curve, point } => match point.as_slice() {
                [4, xy @ ..] if xy.len() == 2 * curve.coordinate() => Ok(()),
                [2 | 3, ..] => Err(KeyError::Der(
                    "the point is compressed: write it in full (`openssl ec -pubin -conv_form uncompressed`)",
                )),
                _ => Err(KeyError::Invalid(algorithm)),
            },
            Self::Ed25519 { x } if x.len() == 32 => Ok(()),
            Self::Ed25519 { .. } => Err(KeyError::Invalid(algorithm)),
        }
    }

    pub(crate) fn family(&self) -> Family {
        match self {
            Self::Rsa { .. } => Family::Rsa,
            Self::Ec { curve, .. } => Family::Ec(*curve),
            Self::Ed25519 { .. } => Family::Ed25519,
        }
    }
}
