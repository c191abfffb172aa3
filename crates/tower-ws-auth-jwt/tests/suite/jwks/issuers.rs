//! Several issuers, each with its own keys, audience and algorithms.

use serde_json::{Value, json};
use tower_ws_auth_jwt::{Algorithm, ConfigError, Issuers, Jwks, Jwt, Key};

use super::keys::{Pair, set};
use super::server::{Server, patient};

const A: &str = "https://a.example";
const B: &str = "https://b.example";

fn issuers(server: &Server) -> Issuers<Value> {
    let jwt = |path, issuer, algorithm, audience| {
        let jwks = patient(Jwks::builder(server.url(path))).issuer(issuer);
        let jwks = jwks.algorithms([algorithm]).start().unwrap();
        Jwt::builder(jwks).audience(audience).build().unwrap()
    };
    let issuers = Issuers::new([
        jwt("/a", A, Algorithm::ES256, "chat-a"),
        jwt("/b", B, Algorithm::EdDSA, "chat-b"),
    ]);
    issuers.unwrap()
}

fn token(pair: Pair, kid: &str, issuer: &str, audience: &str) -> String {
    let claims = json!({ "iss": issuer, "aud": audience, "exp": 2_000_000_000_u64 });
    pair.signed(Some(kid), &claims)
}

#[tokio::test]
async fn each_token_is_decided_by_the_keys_of_its_issuer() {
    let server = Server::start().await;
    let publish = |path, pair: Pair| {
        server.publish(path, super::server::Reply::Text(set([pair.jwk("k")])));
    };
    publish("/a", Pair::P256);
    publish("/b", Pair::Ed);
    let issuers = issuers(&server);
    for (expected, token) in [
        ("accepted", token(Pair::P256, "k", A, "chat-a")),
        ("accepted", token(Pair::Ed, "k", B, "chat-b")),
        // The one's token, signed with the other's key.
        ("token_invalid", token(Pair::Ed, "k", A, "chat-a")),
        ("token_invalid", token(Pair::P256, "k", B, "chat-b")),
        // For the other's audience.
        ("token_invalid", token(Pair::P256, "k", A, "chat-b")),
        (
            "token_invalid",
            token(Pair::P256, "k", "https://c.example", "chat-a"),
        ),
        (
            "token_invalid",
            token(Pair::P256, "k", "https://A.example", "chat-a"),
        ),
        ("token_invalid", Pair::P256.token("k")),
        ("token_invalid", "a.b.c".to_owned()),
        ("token_invalid", String::new()),
    ] {
        let verdict = issuers.verify_token_or_wait(&token).await;
        let verdict = verdict.map_or_else(|rejection| rejection.reason(), |_| "accepted");
        assert_eq!(verdict, expected, "{token}");
    }
}

#[tokio::test]
async fn keys_that_are_swapped_at_their_servers_open_nothing() {
    let server = Server::start().await;
    server.publish("/a", super::server::Reply::Text(set([Pair::Ed.jwk("k")])));
    server.publish("/b", super::server::Reply::Text(set([Pair::P256.jwk("k")])));
    let issuers = issuers(&server);
    for token in [
        token(Pair::P256, "k", A, "chat-a"),
        token(Pair::Ed, "k", B, "chat-b"),
        token(Pair::Ed, "k", A, "chat-a"),
        token(Pair::P256, "k", B, "chat-b"),
    ] {
        let verdict = issuers.verify_token_or_wait(&token).await;
        // Unavailable: another key of its issuer may have been published since.
        let reason = verdict.unwrap_err().reason();
        assert!(
            ["token_invalid", "unavailable"].contains(&reason),
            "{reason}: {token}"
        );
    }
    assert!(server.asked("/a") > 0 && server.asked("/b") > 0);
}

#[test]
fn every_one_of_them_is_for_issuers_of_its_own() {
    let jwt = |issuers: &[&str]| {
        let builder = Jwt::<()>::builder(Key::hs256([1; 32]).unwrap());
        let builder = if issuers.is_empty() {
            builder
        } else {
            builder.issuers(issuers.iter().copied())
        };
        builder.build().unwrap()
    };
    assert!(Issuers::new([jwt(&[A]), jwt(&[B, "https://c.example"])]).is_ok());
    assert!(matches!(
        Issuers::<()>::new([]).unwrap_err(),
        ConfigError::Empty(_)
    ));
    for bad in [[jwt(&[A]), jwt(&[])], [jwt(&[A]), jwt(&[B, A])]] {
        assert!(matches!(
            Issuers::new(bad).unwrap_err(),
            ConfigError::Issuers(_)
        ));
    }
}
