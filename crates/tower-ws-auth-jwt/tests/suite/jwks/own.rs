//! Keys of one's own beside those that are fetched, and keys that rotate.

use std::time::Duration;

use serde_json::json;
use tower_ws_auth_jwt::{JwtEncoder, Key, Keys, RotatingKeys, SigningKey};

use super::keys::{Pair, set};
use super::server::{Reply, Server, jwt, verdict};

fn own(secret: u8, kid: Option<&str>) -> String {
    let key = SigningKey::hs256([secret; 32]).unwrap();
    let key = match kid {
        Some(kid) => key.with_kid(kid).unwrap(),
        None => key,
    };
    let claims = json!({ "exp": 2_000_000_000_u64 });
    JwtEncoder::new(key).encode(&claims).unwrap()
}

#[tokio::test]
async fn a_secret_stands_beside_fetched_keys() {
    let server = Server::publishing(set([Pair::Rsa.jwk("rsa"), Pair::Ed.jwk("ed")])).await;
    let jwks = server.jwks().start().unwrap();
    let jwt = jwt(jwks.clone().with_local_keys(Key::hs256([1; 32]).unwrap()));
    for token in [
        Pair::Rsa.token("rsa"),
        Pair::Ed.token("ed"),
        own(1, None),
        own(1, Some("?")),
    ] {
        assert_eq!(verdict(&jwt, &token).await, "accepted");
    }
    for token in [own(2, None), own(2, Some("rsa")), Pair::P256.token("ed")] {
        assert_eq!(verdict(&jwt, &token).await, "token_invalid");
    }
    assert_eq!(server.asked("/jwks"), 1);
}

#[tokio::test]
async fn ones_own_tokens_need_no_fetch() {
    let server = Server::start().await;
    server.publish("/jwks", Reply::Silence);
    let jwks = server
        .jwks()
        .wait(Duration::from_millis(20))
        .start()
        .unwrap();
    let jwt = jwt(jwks.with_local_keys(Key::hs256([1; 32]).unwrap()));
    assert!(jwt.verify_token(&own(1, None)).is_ok());
    let forged = jwt.verify_token(&own(2, Some("a"))).unwrap_err();
    assert_eq!(forged.reason(), "token_invalid");
    assert_eq!(verdict(&jwt, &Pair::Ed.token("a")).await, "unavailable");
}

#[tokio::test]
async fn a_kid_of_ones_own_is_nobody_elses() {
    let server = Server::publishing(set([Pair::Ed.jwk("mine"), Pair::P256.jwk("b")])).await;
    let jwks = server.jwks().start().unwrap();
    let own = Keys::new().with_kid("mine", Key::hs256([1; 32]).unwrap());
    let jwt = jwt(jwks.with_local_keys(own));
    assert_eq!(verdict(&jwt, &Pair::P256.token("b")).await, "accepted");
    assert_eq!(
        verdict(&jwt, &Pair::Ed.token("mine")).await,
        "token_invalid"
    );
}

#[tokio::test]
async fn a_secret_rotates_beside_fetched_keys() {
    let server = Server::publishing(set([Pair::Ed.jwk("ed")])).await;
    let jwks = server.jwks().start().unwrap();
    let secret = RotatingKeys::new(Key::hs256([1; 32]).unwrap()).unwrap();
    let jwt = jwt(jwks.beside_rotating(secret.clone()));
    assert!(jwt.verify_token(&own(1, None)).is_ok());
    secret.replace(Key::hs256([2; 32]).unwrap()).unwrap();
    assert!(jwt.verify_token(&own(1, None)).is_err());
    assert!(jwt.verify_token(&own(2, None)).is_ok());
    assert_eq!(verdict(&jwt, &Pair::Ed.token("ed")).await, "accepted");
}

#[test]
fn keys_that_cannot_be_used_do_not_replace_those_that_can() {
    assert!(RotatingKeys::new(Keys::new()).is_err());
    let keys = RotatingKeys::new(Key::hs256([1; 32]).unwrap()).unwrap();
    let jwt = jwt(keys.clone());
    assert!(keys.replace(Keys::new()).is_err());
    assert!(jwt.verify_token(&own(1, None)).is_ok());
}

#[test]
fn a_verification_meanwhile_sees_one_set_or_the_other() {
    let set = |secret| {
        Keys::new()
            .with_kid("a", Key::hs256([secret; 32]).unwrap())
            .with_kid("b", Key::hs256([secret; 32]).unwrap())
    };
    let keys = RotatingKeys::new(set(1)).unwrap();
    let jwt = jwt(keys.clone());
    std::thread::scope(|scope| {
        for secret in [1, 2] {
            let jwt = &jwt;
            scope.spawn(move || {
                for _ in 0..2_000 {
                    // Either is fine; a panic or a hang is not.
                    let _ = jwt.verify_token(&own(secret, Some("a")));
                }
            });
        }
        for round in 0..2_000_u16 {
            keys.replace(set(if round % 2 == 0 { 1 } else { 2 }))
                .unwrap();
        }
    });
    assert!(jwt.verify_token(&own(2, Some("b"))).is_ok());
}

/// The issuer of fetched keys says nothing about one's own.
#[tokio::test]
async fn ones_own_tokens_need_no_issuer_and_fetched_keys_verify_theirs_alone() {
    let server = Server::publishing(set([Pair::Ed.jwk("ed")])).await;
    let issuer = "https://a.example";
    let jwks = server.jwks().issuer(issuer).start().unwrap();
    let beside = jwt(jwks.clone().with_local_keys(Key::hs256([1; 32]).unwrap()));
    assert_eq!(verdict(&beside, &own(1, None)).await, "accepted");
    let named = Keys::new().with_kid("mine", Key::hs256([1; 32]).unwrap());
    let named = jwt(jwks.clone().with_local_keys(named));
    assert_eq!(verdict(&named, &own(1, Some("mine"))).await, "accepted");
    for jwt in [beside, jwt(jwks)] {
        let theirs = Pair::Ed.token_of("ed", issuer);
        assert_eq!(verdict(&jwt, &theirs).await, "accepted");
        for foreign in [
            Pair::Ed.token("ed"),
            Pair::Ed.token_of("ed", "https://b.example"),
        ] {
            assert_eq!(verdict(&jwt, &foreign).await, "token_invalid");
        }
    }
}
