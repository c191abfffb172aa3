//! Keys as DER, as PEM and as a JWK, and a set of keys as an issuer publishes it.

use std::hint::black_box;

use bench_suite::Shape;
use tokio::runtime::Builder;
use tokio::task::yield_now;
use tower_ws_auth::jwt::{Algorithm, Document, Jwks, Key, SigningKey};

use crate::token::objects;
use crate::{filled, numbered};

const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

/// Writes a set of so many bytes.
type Write = fn(usize) -> String;

pub(crate) fn shapes() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for (name, repeated) in [
        ("plain", b"\x01".as_slice()),
        ("integers", b"\x02\x01\x01"),
        ("nested", b"\x30\x80"),
        ("nulls", b"\x05\x00"),
        ("zeros", b"\x00"),
        ("long lengths", b"\x30\xff"),
    ] {
        // As a modulus, as the bits of a key, and as the whole document.
        for (place, build) in [
            ("modulus", public as fn(&[u8]) -> Vec<u8>),
            ("key", |inner| spki(inner)),
            ("whole", |inner| element(0x30, &[inner])),
        ] {
            let name = format!("{name} as the {place}").leak();
            shapes.push(Shape::new("DER", name, move |size| {
                let der = build(&repeated.repeat(size / repeated.len()));
                move || {
                    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
                        drop(black_box(Key::from_der(algorithm, &der)));
                        drop(black_box(SigningKey::from_der(algorithm, &der)));
                    }
                }
            }));
        }
    }
    for (name, beginning, repeated) in [
        ("plain", "-----BEGIN PUBLIC KEY-----\n", "MIIBMIIB\n"),
        ("one line", "-----BEGIN PUBLIC KEY-----\n", "MIIB"),
        ("many lines", "-----BEGIN PUBLIC KEY-----", "\n"),
        ("many blocks", "", "-----BEGIN PUBLIC KEY-----\n"),
        ("many ends", "-----BEGIN PUBLIC KEY-----\n", "-----END \n"),
        ("dashes", "", "-"),
        ("paddings", "-----BEGIN PUBLIC KEY-----\n", "="),
    ] {
        shapes.push(Shape::new("PEM", name, move |size| {
            let end = "\n-----END PUBLIC KEY-----\n";
            let pem = filled(beginning, repeated, end, size);
            move || {
                drop(black_box(Key::from_pem(Algorithm::RS256, &pem)));
                drop(black_box(SigningKey::from_pem(Algorithm::RS256, &pem)));
            }
        }));
    }
    for (name, json) in objects() {
        shapes.push(Shape::new("JWK", name, move |size| {
            let begin = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}""#);
            let jwk = json(&begin, size);
            move || drop(black_box(Key::from_jwk(&jwk)))
        }));
        shapes.push(Shape::new("JWKS", name, move |size| {
            reads_set(json(r#"{"keys":[]"#, size))
        }));
    }
    let sets: [(&str, Write); 5] = [
        ("one long key", |size| {
            filled(
                r#"{"keys":[{"kty":"RSA","e":"AQAB","n":""#,
                "u",
                "\"}]}",
                size,
            )
        }),
        ("many empty keys", |size| {
            filled(r#"{"keys":["#, "{},", "{}]}", size)
        }),
        ("many keys of one name", |size| {
            let key = format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"a","x":"{X}"}},"#);
            filled(r#"{"keys":["#, &key, "{}]}", size)
        }),
        ("many keys without a name", |size| {
            let key = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}"}},"#);
            filled(r#"{"keys":["#, &key, "{}]}", size)
        }),
        ("many keys", |size| {
            let key = |n| format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{n}","x":"{X}"}},"#);
            numbered(r#"{"keys":["#, key, "{}]}", size)
        }),
    ];
    for (name, set) in sets {
        shapes.push(Shape::new("JWKS", name, move |size| reads_set(set(size))));
    }
    shapes
}

/// An RSA key of this modulus (RFC 8017, appendix A.1.1).
fn public(modulus: &[u8]) -> Vec<u8> {
    let modulus = element(0x02, &[b"\x01", modulus]);
    spki(&element(0x30, &[&modulus, b"\x02\x03\x01\x00\x01"]))
}

/// Bits that are labelled as an RSA key (RFC 5280, section 4.1).
fn spki(key: &[u8]) -> Vec<u8> {
    let rsa = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
    element(0x30, &[rsa, &element(0x03, &[b"\0", key])])
}

/// DER writes a length in as few bytes as it can.
fn element(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let contents = contents.concat();
    let length = contents.len().to_be_bytes();
    let length: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut written = vec![tag];
    match length[..] {
        [] => written.push(0),
        [short] if short < 0x80 => written.push(short),
        _ => {
            written.push(0x80 | u8::try_from(length.len()).unwrap());
            written.extend_from_slice(&length);
        }
    }
    written.extend_from_slice(&contents);
    written
}

/// Fetches at once, and parses without limits.
fn reads_set(set: String) -> impl FnMut() {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    move || {
        let document = Document::new(set.as_str());
        runtime.block_on(async move {
            let jwks = Jwks::builder("https://issuer.example/keys")
                .max_bytes(usize::MAX / 2)
                .max_keys(usize::MAX / 2)
                .fetch(move |_| {
                    let document = document.clone();
                    async { Ok(document) }
                });
            let jwks = jwks.start().unwrap();
            // Lets the fetching task run.
            for _ in 0..10 {
                yield_now().await;
            }
            black_box(jwks.is_available());
        });
    }
}
