use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Sha256, Sha384, Sha512};

use crate::compact;
use crate::{Algorithm, KeyError};

/// HMAC that has seen its key and no message: the key is hashed in once, not per token.
#[derive(Clone)]
pub(crate) enum Mac {
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
    Sha512(Hmac<Sha512>),
}

impl Mac {
    /// For a secret of at least the hash's length (RFC 7518 §3.2).
    pub(crate) fn new(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        let mac = Self::of_any_length(algorithm, secret)?;
        let least = algorithm.hash_length();
        if secret.len() < least {
            return Err(KeyError::ShortSecret {
                algorithm,
                length: secret.len(),
                least,
            });
        }
        Ok(mac)
    }

    pub(crate) fn of_any_length(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        if secret.is_empty() {
            return Err(KeyError::EmptySecret);
        }
        if secret.trim_ascii_start().starts_with(b"-----BEGIN ") {
            return Err(KeyError::SecretIsPem);
        }
        let mac = match algorithm {
            Algorithm::HS256 => Hmac::new_from_slice(secret).map(Self::Sha256),
            Algorithm::HS384 => Hmac::new_from_slice(secret).map(Self::Sha384),
            Algorithm::HS512 => Hmac::new_from_slice(secret).map(Self::Sha512),
            _ => return Err(KeyError::NotHmac(algorithm)),
        };
        mac.map_err(|_| KeyError::Invalid(algorithm))
    }

    /// In constant time; a tag that was cut short does not match.
    pub(crate) fn verify(&self, message: &str, tag: &str) -> bool {
        // A little more than the longest tag, because base64 wants to write in whole groups.
        let mut place = [0; 72];
        let Some(tag) = compact::decode_slice(tag, &mut place) else {
            return false;
        };
        match self {
            Self::Sha256(mac) => is_good(mac, message, tag),
            Self::Sha384(mac) => is_good(mac, message, tag),
            Self::Sha512(mac) => is_good(mac, message, tag),
        }
    }

    pub(crate) fn sign(&self, message: &str) -> Vec<u8> {
        match self {
            Self::Sha256(mac) => tag_of(mac.clone().chain_update(message)),
            Self::Sha384(mac) => tag_of(mac.clone().chain_update(message)),
            Self::Sha512(mac) => tag_of(mac.clone().chain_update(message)),
        }
    }
}

// Not `chain_update`, which moves all of it once more.
fn is_good<M: hmac::Mac + Clone>(mac: &M, message: &str, tag: &[u8]) -> bool {
    let mut mac = mac.clone();
    mac.update(message.as_bytes());
    mac.verify_slice(tag).is_ok()
}

fn tag_of(mac: impl hmac::Mac) -> Vec<u8> {
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_tag_is_good() {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let mac = Mac::new(algorithm, &[7; 64]).unwrap();
            let tag = mac.sign("message");
            let good = |tag: &[u8]| mac.verify("message", &compact::encode(tag));
            assert!(good(&tag));
            for length in 0..tag.len() {
                assert!(!good(&tag[..length]), "{algorithm:?} {length}");
                assert!(!good(&tag[tag.len() - length..]), "{algorithm:?} {length}");
            }
            assert!(!good(&[&*tag, b"\0"].concat()));
        }
    }

    /// There a process can read its own memory without unsafe code.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_state_of_an_hmac_key_is_erased_on_drop() {
        use std::fs::File;
        use std::os::unix::fs::FileExt as _;

        /// The allocator writes its own lists into the first bytes of freed memory.
        const OF_THE_ALLOCATOR: usize = 32;
        /// Which of the three hashes it is. That is no secret.
        const TAG: usize = 8;

        let memory = |address: usize, length: usize| {
            let mut bytes = vec![0; length];
            let file = File::open("/proc/self/mem").unwrap();
            file.read_exact_at(&mut bytes, address as u64).unwrap();
            bytes
        };
        let mac = Box::new(Mac::new(Algorithm::HS512, &[7; 64]).unwrap());
        let (address, length) = (std::ptr::from_ref(&*mac).addr(), size_of_val(&*mac));
        let before = memory(address, length);
        let secret = |bytes: &[u8]| {
            let pairs = before.iter().zip(bytes).skip(OF_THE_ALLOCATOR);
            pairs.filter(|(old, new)| **old != 0 && old == new).count()
        };
        assert!(secret(&before) > 64, "it holds the key's state");
        drop(mac);
        let left = secret(&memory(address, length));
        assert!(left <= TAG, "{left} bytes are left of {}", secret(&before));
    }
}
