//! How often the decision asks for memory.

use allocation_counter::measure;
use serde::{Deserialize, Serialize};
use tower_ws_auth_core::Clock;
use tower_ws_auth_jwt::{Jwt, JwtEncoder, Key, SigningKey};

#[derive(Clone, Serialize, Deserialize)]
struct Claims {
    sub: String,
    name: String,
    role: String,
    room: String,
    iss: String,
    exp: u64,
}

#[derive(Clone, Deserialize)]
#[allow(dead_code)]
struct FourStrings {
    sub: String,
    name: String,
    role: String,
    room: String,
}

fn token(exp: u64) -> String {
    let encoder = JwtEncoder::new(
        SigningKey::hs256([1; 32])
            .unwrap()
            .with_kid("2025-01")
            .unwrap(),
    );
    encoder
        .encode(&Claims {
            sub: "user-42".into(),
            name: "Ada Lovelace".into(),
            role: "admin".into(),
            room: "lobby".into(),
            iss: "https://issuer.example".into(),
            exp,
        })
        .unwrap()
}

fn jwt() -> Jwt<FourStrings> {
    Jwt::builder(Key::hs256([1; 32]).unwrap())
        .issuer("https://issuer.example")
        .clock(Clock::fixed(1_700_000_000))
        .build()
        .unwrap()
}

fn allocations(token: &str, expected: &str) -> u64 {
    let jwt = jwt();
    // What is remembered of a good one is paid once.
    let _ = jwt.verify_token(token);
    let mut verdict = "accepted";
    let info = measure(|| {
        if let Err(rejection) = jwt.verify_token(token) {
            verdict = rejection.reason();
        }
    });
    assert_eq!(verdict, expected);
    info.count_total
}

#[test]
fn a_bad_signature_costs_none() {
    let mut forged = token(1_700_000_060);
    forged.replace_range(forged.len() - 9..forged.len() - 6, "AAA");
    assert_eq!(allocations(&forged, "token_invalid"), 0);
}

#[test]
fn neither_does_an_expired_token() {
    assert_eq!(allocations(&token(1_600_000_000), "token_expired"), 0);
}

#[test]
fn nor_one_that_is_too_long_or_in_pieces() {
    assert_eq!(allocations(&"a.".repeat(30_000), "token_invalid"), 0);
    assert_eq!(allocations("a.b", "token_invalid"), 0);
}

#[test]
fn an_accepted_one_costs_what_its_claims_own() {
    assert_eq!(allocations(&token(1_700_000_060), "accepted"), 4);
}

#[cfg(all(feature = "jwks", feature = "aws-lc-rs"))]
#[tokio::test]
async fn fetched_keys_that_are_here_cost_nothing_more_than_keys_that_stay() {
    use tower_ws_auth_jwt::{Algorithm, Document, FetchError, Jwks, KeySource, VerifyFuture};

    #[derive(Clone, Deserialize)]
    struct Nothing {}

    const JWK: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"a","x":"RzkT2oq-ow8s38DIkR6CrCqc9mRzWd7wOFNv9jfwD4o"}"#;
    let pem = include_bytes!("../data/ed25519.pem");
    let key = SigningKey::from_pem(Algorithm::EdDSA, pem).unwrap();
    let encoder = JwtEncoder::new(key.with_kid("a").unwrap());
    let good = encoder.encode(&serde_json::json!({ "exp": 2_000_000_000_u64 }));
    let good = good.unwrap();
    let expired = encoder.encode(&serde_json::json!({ "exp": 1 })).unwrap();
    let fetch = async |_| Ok::<_, FetchError>(Document::new(format!(r#"{{"keys":[{JWK}]}}"#)));
    let jwks = Jwks::builder("https://issuer.example/").fetch(fetch);
    let jwks = jwks.start().unwrap();
    jwks.available().await;

    let counted = |keys: KeySource, token: &str, expected: bool| {
        let jwt: Jwt<Nothing> = Jwt::builder(keys).build().unwrap();
        let ready = |deciding: VerifyFuture<Nothing>| {
            let mut deciding = std::pin::pin!(deciding);
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            match deciding.as_mut().poll(&mut cx) {
                std::task::Poll::Ready(decided) => decided.is_ok(),
                std::task::Poll::Pending => panic!("it waits"),
            }
        };
        // Once for what a thread sets up once.
        assert_eq!(ready(jwt.verify_token_or_wait(token)), expected);
        measure(|| assert_eq!(ready(jwt.verify_token_or_wait(token)), expected)).count_total
    };
    for (token, expected) in [(&good, true), (&expired, false)] {
        let fixed = counted(Key::from_jwk(JWK).unwrap().into(), token, expected);
        let fetched = counted(jwks.clone().into(), token, expected);
        assert_eq!(fetched, fixed);
    }
}
