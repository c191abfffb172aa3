//! Signatures that no honest signer makes, and single flipped bits.

use crate::corpora::Bad;
use crate::forge::{Door, b64, unb64, with_claims};

/// Signatures that no honest signer makes.
pub(super) fn signatures(door: Door, bad: &mut Vec<Bad>) {
    let token = door.good();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let real = unb64(signature);
    // The order of P-256.
    let order = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let one = {
        let mut one = [0_u8; 32];
        one[31] = 1;
        one
    };
    let (zero, full) = ([0_u8; 32], [0xff_u8; 32]);
    for r in [zero, one, order, full] {
        for s in [zero, one, order, full] {
            bad.push(Bad::new(
                "a psychic signature",
                format!("{signed}.{}", b64([r, s].concat())),
            ));
        }
    }
    // The same in ASN.1, which JWS does not use.
    for der in [
        &[0x30, 6, 2, 1, 0, 2, 1, 0][..],
        &[0x30, 6, 2, 1, 1, 2, 1, 1],
        &[0x30, 0],
        &[0x30, 0x80, 0, 0],
    ] {
        bad.push(Bad::new(
            "a signature in ASN.1",
            format!("{signed}.{}", b64(der)),
        ));
    }
    for length in (0..=70).chain([96, 127, 128, 132, 255, 256, 257, 384, 512]) {
        for byte in [0_u8, 1, 0xff] {
            let made = vec![byte; length];
            if made != real {
                bad.push(Bad::new(
                    format!("{length} bytes {byte} as a signature"),
                    format!("{signed}.{}", b64(made)),
                ));
            }
        }
        if length < real.len() {
            bad.push(Bad::new(
                format!("{length} bytes of the signature"),
                format!("{signed}.{}", b64(&real[..length])),
            ));
            bad.push(Bad::new(
                format!("the last {length} bytes of the signature"),
                format!("{signed}.{}", b64(&real[real.len() - length..])),
            ));
        }
    }
    let mut reversed = real.clone();
    reversed.reverse();
    bad.push(Bad::new(
        "a reversed signature",
        format!("{signed}.{}", b64(reversed)),
    ));
    bad.push(Bad::new(
        "a signature twice",
        format!("{signed}.{}", b64([&real[..], &real].concat())),
    ));
    bad.push(Bad::new(
        "a signature in hex",
        format!("{signed}.{}", hex(&real)),
    ));
    // A good signature, of something else.
    let other = with_claims(r#"{"sub":"eve","exp":2000000000}"#);
    let (other_signed, _) = other.rsplit_once('.').unwrap();
    bad.push(Bad::new(
        "the signature of another token",
        format!("{other_signed}.{signature}"),
    ));
}

/// One bit of each byte, in turn: of what is written, so some are no base64url any more.
pub(super) fn flipped_bits(door: Door, bad: &mut Vec<Bad>) {
    let token = door.good().into_bytes();
    for at in 0..token.len() {
        for bit in 0..8 {
            let mut other = token.clone();
            other[at] ^= 1 << bit;
            bad.push(Bad::new(format!("bit {bit} of byte {at} flipped"), other));
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
