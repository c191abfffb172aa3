//! Tokens that other implementations have made.

use std::time::Duration;

use serde_json::Value;
use tower_ws_auth_core::Clock;
use tower_ws_auth_jwt::{Algorithm, Jwt, Key};

use crate::support::verdict;

fn vectors() -> Vec<Value> {
    let all: Value =
        serde_json::from_str(include_str!("../../../../tests/data/interop.json")).unwrap();
    all["jwt"].as_array().unwrap().clone()
}

fn text<'v>(vector: &'v Value, name: &str) -> &'v str {
    vector[name].as_str().unwrap()
}

/// `rejected by default (…)` and the like begin with the verdict.
fn expected(vector: &Value) -> &'static str {
    match text(vector, "expect").split(' ').next() {
        Some("accepted") => "accepted",
        Some("expired") => "token_expired",
        Some("rejected") => "token_invalid",
        other => panic!("{other:?}"),
    }
}

fn key(vector: &Value) -> Key {
    assert_eq!(text(vector, "alg"), "HS256");
    let secret = text(vector, "secret");
    if secret.len() < 32 {
        assert!(Key::hs256(secret).is_err());
        Key::dangerous_short_hmac(Algorithm::HS256, secret).unwrap()
    } else {
        Key::hs256(secret).unwrap()
    }
}

#[test]
fn tokens_of_other_implementations_are_judged_as_expected() {
    let mut judged = 0;
    for vector in vectors() {
        let moments = match vector.get("at") {
            Some(moments) => moments.as_array().unwrap().clone(),
            None => vec![vector.clone()],
        };
        for moment in moments {
            let now = moment["now"].as_u64().unwrap_or(1_760_000_000);
            let leeway = moment["leeway"].as_u64().unwrap_or(0);
            let mut builder = Jwt::<Value>::builder(key(&vector))
                .clock(Clock::fixed(now))
                .max_exp_ahead(Duration::MAX)
                .leeway(Duration::from_secs(leeway));
            if let Some(issuer) = vector["issuer"].as_str() {
                builder = builder.issuer(issuer);
            }
            if let Some(audience) = vector["audience"].as_str() {
                builder = builder.audience(audience);
            }
            let jwt = builder.build().unwrap();
            let token = text(&vector, "token");
            assert_eq!(verdict(&jwt, token), expected(&moment), "{vector:#}");
            if let Some(claims) = vector.get("claims") {
                assert_eq!(jwt.verify_token(token).unwrap().identity(), claims);
            }
            judged += 1;
        }
    }
    assert_eq!(judged, 7);
}

#[test]
fn a_token_without_exp_passes_where_that_is_allowed_by_name() {
    let vectors = vectors();
    let vector = vectors
        .iter()
        .find(|vector| text(vector, "name").contains("no exp"))
        .unwrap();
    let jwt = Jwt::<Value>::builder(key(vector)).dangerous_allow_missing_exp();
    assert_eq!(
        verdict(&jwt.build().unwrap(), text(vector, "token")),
        "accepted"
    );
}
