//! What an RSA key must be before it is used.
//!
//! By hand, because neither jsonwebtoken nor the cryptography under it refuses short or ROCA keys.

use crate::KeyError;
use crate::backend::MAX_RSA_BITS;

/// Checks modulus and exponent, big-endian without leading zeros: what RFC 7518 §3.3 demands,
/// what makes an RSA key at all, and the one weakness that shows in the modulus itself.
pub(crate) fn check(n: &[u8], e: &[u8]) -> Result<(), KeyError> {
    let (Some(&first), Some(&last)) = (n.first(), n.last()) else {
        return Err(KeyError::Rsa("it has no modulus"));
    };
    if first == 0 {
        return Err(KeyError::Rsa("its modulus begins with zeros"));
    }
    let bits = 8 * n.len() - first.leading_zeros() as usize;
    if bits < 2048 {
        return Err(KeyError::Rsa(
            "its modulus has less than 2048 bits: make a longer one",
        ));
    }
    if bits > MAX_RSA_BITS {
        return Err(KeyError::Rsa(
            "its modulus is longer than the cryptography takes (8192 bits with `aws-lc-rs`, 4096 with `rust-crypto`)",
        ));
    }
    if last % 2 == 0 {
        return Err(KeyError::Rsa("its modulus is even"));
    }
    // At most 33 bits, as every implementation has it.
    let exponent = (e.len() <= 5)
        .then(|| {
            e.iter()
                .fold(0, |value, &byte| value << 8 | u64::from(byte))
        })
        .filter(|value| e.first() != Some(&0) && value % 2 == 1 && (3..1 << 33).contains(value));
    if exponent.is_none() {
        return Err(KeyError::Rsa(
            "its exponent is not an odd number from 3 to 2^33: 65537 is usual",
        ));
    }
    if has_roca_fingerprint(n) {
        return Err(KeyError::Rsa(
            "it was made by a chip whose keys can be factored (CVE-2017-15361): make a new one",
        ));
    }
    Ok(())
}

/// Keys from the faulty generator (Nemec and others, CCS 2017, §2.3) are congruent to a power of
/// 65537 modulo every small prime. Of honest keys fewer than one in 10^8 is.
fn has_roca_fingerprint(n: &[u8]) -> bool {
    SMALL_PRIMES.iter().all(|&prime| {
        let residue = n.iter().fold(0, |residue, &byte| {
            (residue * 256 + u32::from(byte)) % prime
        });
        let generator = 65537 % prime;
        let mut power = 1;
        loop {
            if power == residue {
                return true;
            }
            power = power * generator % prime;
            if power == 1 {
                return false;
            }
        }
    })
}

const SMALL_PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

#[cfg(test)]
mod rsa_keys_rfc7518_3_3 {
    use super::*;

    fn modulus(bits: usize) -> Vec<u8> {
        let mut n = vec![0xa5; bits / 8];
        *n.last_mut().unwrap() = 0xa7;
        n
    }

    #[test]
    fn from_2048_bits_on_they_are_long_enough() {
        assert_eq!(check(&modulus(2048), &[1, 0, 1]), Ok(()));
        assert_eq!(check(&modulus(4096), &[1, 0, 1]), Ok(()));
        let mut n = modulus(2048);
        n[0] = 0x7f;
        assert!(matches!(check(&n, &[1, 0, 1]), Err(KeyError::Rsa(_))));
        assert!(matches!(
            check(&modulus(1024), &[1, 0, 1]),
            Err(KeyError::Rsa(_))
        ));
        assert!(check(&modulus(MAX_RSA_BITS + 8), &[1, 0, 1]).is_err());
    }

    #[test]
    fn the_modulus_is_odd_and_there() {
        let mut n = modulus(2048);
        *n.last_mut().unwrap() = 0xa6;
        assert!(check(&n, &[1, 0, 1]).is_err());
        assert!(check(&[], &[1, 0, 1]).is_err());
        let mut n = modulus(2056);
        n[0] = 0;
        assert!(check(&n, &[1, 0, 1]).is_err());
    }

    #[test]
    fn the_exponent_is_odd_and_more_than_one() {
        for good in [&[3][..], &[17], &[1, 0, 1], &[1, 1, 1, 1, 1]] {
            assert_eq!(check(&modulus(2048), good), Ok(()), "{good:?}");
        }
        for bad in [
            &[][..],
            &[0],
            &[1],
            &[2],
            &[0, 3],
            &[1, 0, 0],
            &[2, 0, 0, 0, 1],
            &[1, 0, 0, 0, 0, 1],
        ] {
            assert!(check(&modulus(2048), bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_modulus_with_the_roca_fingerprint_is_refused() {
        // 2^2048 times all the primes, plus one: congruent to 65537^0 modulo each of them.
        let mut n = vec![0; 256];
        n.push(1);
        for prime in SMALL_PRIMES {
            let mut carry = 0;
            for byte in &mut n {
                carry += u32::from(*byte) * prime;
                *byte = carry.to_le_bytes()[0];
                carry >>= 8;
            }
            if carry > 0 {
                n.push(carry.to_le_bytes()[0]);
            }
        }
        n[0] = 1;
        n.reverse();
        assert!(has_roca_fingerprint(&n));
        assert!(!has_roca_fingerprint(&modulus(2048)));
        assert!(check(&n, &[1, 0, 1]).is_err());
    }
}
