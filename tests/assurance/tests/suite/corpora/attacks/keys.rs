//! Algorithms and keys of the attacker's choice.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::corpora::Bad;
use crate::forge::{
    Door, EC_PUBLIC, HS256, RSA_PUBLIC, SECRET, b64, good, good_payload, hmac_over, sign,
};

/// `none` in every spelling, with no signature, and with the one of a good token.
pub(super) fn none(bad: &mut Vec<Bad>) {
    let payload = b64(good_payload());
    let good_signature = good().rsplit_once('.').unwrap().1.to_owned();
    let spellings = (0..16).map(|bits| {
        "none"
            .chars()
            .enumerate()
            .map(|(at, letter)| match bits >> at & 1 {
                1 => letter.to_ascii_uppercase(),
                _ => letter,
            })
            .collect::<String>()
    });
    let odd = [
        "",
        " none",
        "none ",
        "none\\u0000",
        "n\\u006fne",
        "null",
        "NULL",
        "undefined",
        "0",
        "nonee",
        "non",
        "HS256none",
        "none,HS256",
        "\\u006eone",
        "no\\nne",
        "ｎｏｎｅ",
        "nоne",
    ];
    for name in spellings.chain(odd.map(str::to_owned)) {
        let header = b64(format!(r#"{{"alg":"{name}","typ":"JWT"}}"#));
        for (signature, how) in [
            ("", "no"),
            (good_signature.as_str(), "a foreign"),
            ("AA", "a short"),
        ] {
            let what = format!("alg {name:?} with {how} signature");
            bad.push(Bad::new(what, format!("{header}.{payload}.{signature}")));
        }
        bad.push(Bad::new(
            format!("alg {name:?} in two parts"),
            format!("{header}.{payload}"),
        ));
        let signed = hmac_over("HS256", SECRET, &format!("{header}.{payload}"));
        bad.push(Bad::new(
            format!("alg {name:?}, HMAC of the secret"),
            signed,
        ));
    }
    for alg in [
        "null",
        "true",
        "0",
        "256",
        "[]",
        "{}",
        r#"["none"]"#,
        r#"["HS256"]"#,
    ] {
        let header = b64(format!(r#"{{"alg":{alg},"typ":"JWT"}}"#));
        bad.push(Bad::new(
            format!("alg is the JSON value {alg}"),
            hmac_over("HS256", SECRET, &format!("{header}.{payload}")),
        ));
        bad.push(Bad::new(
            format!("alg is the JSON value {alg}, unsigned"),
            format!("{header}.{payload}."),
        ));
    }
}

/// Another algorithm than the key's, with what an attacker has for a key.
#[allow(clippy::too_many_lines, reason = "a list")]
pub(super) fn confusion(door: Door, bad: &mut Vec<Bad>) {
    let payload = b64(good_payload());
    if let Some(public) = door.public() {
        let der = STANDARD
            .decode(
                public
                    .lines()
                    .filter(|line| !line.starts_with('-'))
                    .collect::<String>(),
            )
            .unwrap();
        let secrets: [(&str, Vec<u8>); 7] = [
            ("the PEM", public.into()),
            ("the PEM, trimmed", public.trim_end().into()),
            ("the PEM with CRLF", public.replace('\n', "\r\n").into()),
            ("the PEM in one line", public.replace('\n', "").into()),
            ("the DER", der.clone()),
            ("the DER in base64", STANDARD.encode(&der).into()),
            ("nothing", Vec::new()),
        ];
        for (from, secret) in secrets {
            for alg in ["HS256", "HS384", "HS512", door.alg()] {
                for more in ["", r#","typ":"JWT""#, r#","kid":"1""#] {
                    let header = b64(format!(r#"{{"alg":"{alg}"{more}}}"#));
                    let token = hmac_over(alg, &secret, &format!("{header}.{payload}"));
                    bad.push(Bad::new(
                        format!("{alg} over {from} as a secret, {more:?}"),
                        token,
                    ));
                }
            }
        }
    }
    // The signature is good, and `alg` says another algorithm: every name that there is.
    for alg in [
        "HS256",
        "HS384",
        "HS512",
        "RS256",
        "RS384",
        "RS512",
        "PS256",
        "PS384",
        "PS512",
        "ES256",
        "ES384",
        "ES512",
        "ES256K",
        "EdDSA",
        "Ed448",
        "RSA-OAEP",
        "RSA1_5",
        "dir",
        "A128KW",
        "A256GCM",
        "ECDH-ES",
        "PBES2-HS256+A128KW",
        "hs256",
        "Hs256",
        "HS256 ",
        " HS256",
        "HS-256",
        "HS2560",
        "HS25",
        "SHA256",
        "HmacSHA256",
        "rs256",
        "es256",
        "eddsa",
        "EDDSA",
        "HS1",
        "RS1",
    ] {
        if alg == door.alg() {
            continue;
        }
        let header = format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#);
        bad.push(Bad::new(
            format!("a good {} signature under alg {alg:?}", door.alg()),
            sign(door, &header, &good_payload()),
        ));
        if let Some(hash) = ["HS256", "HS384", "HS512"]
            .iter()
            .find(|hash| **hash == alg)
        {
            let token = hmac_over(hash, SECRET, &format!("{}.{payload}", b64(&header)));
            bad.push(Bad::new(
                format!("the secret with another hash, {alg}"),
                token,
            ));
        }
    }
    // Keys of ours that this door does not have.
    for other in Door::ALL.into_iter().filter(|other| *other != door) {
        bad.push(Bad::new(
            format!("a token for the {} door", other.alg()),
            other.good(),
        ));
        let header = format!(r#"{{"alg":"{}"}}"#, door.alg());
        bad.push(Bad::new(
            format!("signed by {} and said to be {}", other.alg(), door.alg()),
            sign(other, &header, &good_payload()),
        ));
    }
    for weak in [
        "",
        "secret",
        "password",
        "your-256-bit-secret",
        "changeme",
        "0",
        "jwt",
        "key",
        "null",
        "secretsecretsecretsecretsecretsecret",
    ] {
        let header = b64(HS256);
        bad.push(Bad::new(
            format!("signed by the secret {weak:?}"),
            hmac_over("HS256", weak.as_bytes(), &format!("{header}.{payload}")),
        ));
    }
}

/// A key in the token, or the address of one, and a good signature by it.
pub(super) fn brought_keys(door: Door, bad: &mut Vec<Bad>) {
    let payload = good_payload();
    // RFC 8037, appendix A; its private half is known to everybody.
    let jwk = json!({
        "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    });
    let oct = json!({ "kty": "oct", "k": b64([7; 64]) });
    let urls = [
        "https://evil.example/keys",
        "http://127.0.0.1:1/keys",
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data",
        "//evil.example",
        "data:application/json,{}",
        "gopher://evil.example",
        "https://app.example@evil.example/keys",
    ];
    let mut brought = vec![
        ("jwk", jwk.clone()),
        ("jwk", oct.clone()),
        ("jwk", json!({ "kty": "RSA", "n": "AQAB", "e": "AQ" })),
        ("jwk", json!("none")),
        ("jwks", json!({ "keys": [jwk, oct] })),
        ("x5c", json!([STANDARD.encode([0x30; 300])])),
        ("x5c", json!([])),
        ("x5t", json!("AAAA")),
        ("x5t#S256", json!("AAAA")),
        ("key", json!("secret")),
        ("secret", json!("secret")),
    ];
    for name in ["jku", "x5u", "iss", "kid"] {
        brought.extend(urls.map(|url| (name, json!(url))));
    }
    for (name, value) in brought {
        for (key, how) in [
            (&[7_u8; 64][..], "its HMAC"),
            (b"", "an empty HMAC"),
            (RSA_PUBLIC.as_bytes(), "the public key as HMAC"),
            (EC_PUBLIC.as_bytes(), "another public key as HMAC"),
        ] {
            let header = json!({ "alg": "HS256", name: value }).to_string();
            let signed = format!("{}.{}", b64(header), b64(&payload));
            bad.push(Bad::new(
                format!("{name} {value} with {how}"),
                hmac_over("HS256", key, &signed),
            ));
        }
        let header = json!({ "alg": door.alg(), name: value }).to_string();
        bad.push(Bad::new(
            format!("{name} {value} and no signature"),
            format!("{}.{}.", b64(header), b64(&payload)),
        ));
    }
}
