//! A token as it is, or header and payload (two lines of the input) with a valid signature, so that
//! the fuzzer gets past it.
#![no_main]

use std::sync::LazyLock;

use fuzz::{NOW, SECRET, token};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tower_ws_auth::jwt::{Key, Keys};
use tower_ws_auth::{Clock, Jwt};

static JWT: LazyLock<Jwt<Value>> = LazyLock::new(|| {
    let key = Key::hs256(SECRET).expect("long enough");
    let jwt = Jwt::builder(Keys::from(key)).clock(Clock::fixed(NOW.into()));
    jwt.build().expect("a good configuration")
});

fuzz_target!(|input: &[u8]| {
    if let Ok(text) = str::from_utf8(input) {
        // The fuzzer has no secret: a valid token is one of the seeds.
        if let Ok(grant) = JWT.verify_token(text) {
            assert_eq!(grant.identity()["sub"], "seed");
        }
    }
    let Some(at) = input.iter().position(|byte| *byte == b'\n') else {
        return;
    };
    let (header, payload) = (&input[..at], &input[at + 1..]);
    let good = token(header, payload);
    let Ok(grant) = JWT.verify_token(&good) else {
        return;
    };
    let header: Value = serde_json::from_slice(header).expect("JSON was accepted");
    assert_eq!(header["alg"], "HS256");
    for name in ["crit", "b64", "zip", "enc"] {
        assert!(header.get(name).is_none(), "{header}");
    }
    let claims: Value = serde_json::from_slice(payload).expect("JSON was accepted");
    assert_eq!(grant.identity(), &claims);
    assert!(
        claims["exp"]
            .as_f64()
            .is_some_and(|exp| exp > f64::from(NOW))
    );
    assert!(
        claims
            .get("nbf")
            .is_none_or(|nbf| nbf.as_f64().is_some_and(|nbf| nbf <= f64::from(NOW)))
    );
    assert!(claims.get("aud").is_none(), "{claims}");
    // The same with another signature is invalid.
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    let first = if signature.starts_with('A') { "B" } else { "A" };
    assert!(
        JWT.verify_token(&format!("{signed}.{first}{}", &signature[1..]))
            .is_err()
    );
    assert!(JWT.verify_token(&format!("{signed}.")).is_err());
});
