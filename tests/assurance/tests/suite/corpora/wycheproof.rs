//! Project Wycheproof's vectors. `tests/data/wycheproof/README.md` lists their wrong marks.

use std::fs;

use http::Version;
use serde_json::Value;
use tower::ServiceExt;
use tower_ws_auth::Clock;
use tower_ws_auth::jwt::{Algorithm, Jwt, Key, Keys};

use super::Bad;
use super::carriers::{Carrier, verdict};
use crate::forge::{NOW, b64, good_payload};
use crate::stack::{Claims, LetIn, all_carriers, service};

fn read(name: &str) -> Value {
    let path = format!(
        "{}/../data/wycheproof/{name}_test.json",
        env!("CARGO_MANIFEST_DIR")
    );
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

fn unhex(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

/// The key that a file gives to verify with.
fn verifying_key(group: &Value) -> &Value {
    match &group["public"] {
        Value::Null => &group["private"],
        public => public,
    }
}

/// Every key of a set has to be usable, as it must be where an operator writes it down.
fn keys(jwk: &Value) -> Option<Keys> {
    let set = match &jwk["keys"] {
        Value::Null => vec![jwk],
        keys => keys.as_array()?.iter().collect(),
    };
    let mut keys = Keys::new();
    for jwk in set {
        keys = keys.with(Key::from_jwk(&jwk.to_string()).ok()?);
    }
    keys.check().ok()?;
    Some(keys)
}

/// The verdict on one vector: whether key and token are both good.
fn opens(jwk: &Value, jws: &str) -> bool {
    keys(jwk).is_some_and(|keys| keys.open(jws).is_ok())
}

#[test]
fn signed_tokens_are_judged_as_marked_but_for_eight_wrong_marks() {
    let (mut tried, mut differ) = (0, Vec::new());
    for group in list(&read("json_web_signature"), "testGroups") {
        for test in list(group, "tests") {
            tried += 1;
            let opened = opens(verifying_key(group), text(test, "jws"));
            if opened != (test["result"] == "valid") {
                differ.push((test["tcId"].as_u64().unwrap(), opened));
            }
        }
    }
    println!("json_web_signature: {tried} tokens");
    assert_eq!(tried, 401);
    let expected = [
        // Byte for byte the same as 357, which is valid.
        (367, true),
        (370, true),
        // The key says another `alg`.
        (346, false),
        (347, false),
        (350, false),
        (351, false),
        // A `?` in what should be base64url.
        (372, false),
        (373, false),
    ];
    differ.sort_unstable();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(differ, expected);
}

#[test]
fn key_sets_are_judged_as_marked() {
    let mut differ = Vec::new();
    for group in list(&read("json_web_key"), "testGroups") {
        for test in list(group, "tests") {
            let opened = opens(verifying_key(group), text(test, "jws"));
            if opened != (test["result"] == "valid") {
                differ.push((test["tcId"].as_u64().unwrap(), opened));
            }
        }
    }
    println!("json_web_key: differs in {differ:?}");
    // A secret beside a public key, each of which is good for itself.
    assert_eq!(differ, [(1, true)]);
}

/// None of these tokens has claims, so not even a valid one opens a door.
#[tokio::test]
async fn no_vector_opens_a_door_by_any_carrier() {
    let let_in = LetIn::default();
    let (mut tried, mut unusable) = (0, 0);
    for file in ["json_web_signature", "json_web_key"] {
        for group in list(&read(file), "testGroups") {
            let Some(keys) = keys(verifying_key(group)) else {
                unusable += list(group, "tests").len();
                continue;
            };
            let jwt = Jwt::<Claims>::builder(keys)
                .carriers(all_carriers())
                .clock(Clock::fixed(NOW));
            let door = service(jwt.build().unwrap(), &let_in);
            for test in list(group, "tests") {
                let bad = Bad::new(text(test, "comment"), text(test, "jws"));
                for carrier in Carrier::ALL {
                    let Some(wire) = carrier.carry("/ws", &bad.token) else {
                        continue;
                    };
                    for version in [Version::HTTP_11, Version::HTTP_2] {
                        let answer = door.clone().oneshot(wire.request(version)).await.unwrap();
                        assert_eq!(answer, verdict(&bad), "{file} {carrier:?}: {test}");
                        tried += 1;
                    }
                }
            }
        }
    }
    println!("json_web_*: {tried} requests, {unusable} vectors whose key is refused");
    assert_eq!(let_in.count(), 0);
    assert!(tried >= 4_000, "{tried}");
}

/// Signatures of something else, odd in every way that implementations have been, over a token
/// that is good but for them.
#[tokio::test]
async fn no_bare_signature_makes_a_valid_token() {
    let files = [
        ("ecdsa_secp256r1_sha256_p1363", Algorithm::ES256),
        ("ecdsa_secp384r1_sha384_p1363", Algorithm::ES384),
        ("ecdsa_secp521r1_sha512_p1363", Algorithm::ES512),
        ("ed25519", Algorithm::EdDSA),
        ("hmac_sha256", Algorithm::HS256),
        ("hmac_sha384", Algorithm::HS384),
        ("hmac_sha512", Algorithm::HS512),
        ("rsa_signature_2048_sha256", Algorithm::RS256),
        ("rsa_signature_2048_sha384", Algorithm::RS384),
        ("rsa_signature_2048_sha512", Algorithm::RS512),
        ("rsa_pss_2048_sha256_mgf1_0", Algorithm::PS256),
        ("rsa_pss_2048_sha256_mgf1_32", Algorithm::PS256),
        ("rsa_pss_2048_sha384_mgf1_48", Algorithm::PS384),
    ];
    let let_in = LetIn::default();
    let (mut tried, mut unusable) = (0, 0);
    for (file, algorithm) in files {
        let header = b64(format!(r#"{{"alg":"{algorithm}"}}"#));
        let signed = format!("{header}.{}", b64(good_payload()));
        for group in list(&read(file), "testGroups") {
            for test in list(group, "tests") {
                let (key, signature) = match &group["publicKeyDer"] {
                    Value::String(der) => (Key::from_der(algorithm, unhex(der)), text(test, "sig")),
                    _ => (
                        Key::dangerous_short_hmac(algorithm, unhex(text(test, "key"))),
                        text(test, "tag"),
                    ),
                };
                let Ok(key) = key else {
                    unusable += 1;
                    continue;
                };
                let jwt = Jwt::<Claims>::builder(key)
                    .carriers(all_carriers())
                    .clock(Clock::fixed(NOW));
                let door = service(jwt.build().unwrap(), &let_in);
                let bad = Bad::new(file, format!("{signed}.{}", b64(unhex(signature))));
                let carrier = Carrier::ALL[tried % Carrier::ALL.len()];
                let wire = carrier.carry("/ws", &bad.token).unwrap();
                for version in [Version::HTTP_11, Version::HTTP_2] {
                    let answer = door.clone().oneshot(wire.request(version)).await.unwrap();
                    assert_eq!(answer, verdict(&bad), "{file} {test}");
                }
                tried += 1;
            }
        }
    }
    println!("bare signatures: {tried} tried twice, {unusable} under a key that is refused");
    assert_eq!(let_in.count(), 0);
    assert!(tried >= 2_300, "{tried}");
}
