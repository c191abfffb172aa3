//! Tokens of programs that know nothing of the chat.

use chat::{Chat, Options};
use clap::Parser;
use serde_json::{Value, json};
use tower_ws_auth::jwt::{Algorithm, JwtEncoder, SigningKey};

use crate::peer::{connect, next, now, start};

/// As short as the one of a seed, 20 bytes.
const SHORT: &str = "a secret of 20 bytes";

fn signed(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
    let key = SigningKey::dangerous_short_hmac(algorithm, secret).unwrap();
    JwtEncoder::new(key).encode(claims).unwrap()
}

#[tokio::test]
async fn the_token_of_a_seed_enters_by_its_own_claim() {
    let seed = ["--jwt-secret", SHORT, "--dangerous-short-jwt-secret"];
    let options = [&seed[..], &["--jwt-user", "/user_id"]].concat();
    let address = start(&options).await;
    let claims = json!({ "user_id": 7, "username": "ada", "exp": now() + 600 });
    let token = signed(Algorithm::HS256, SHORT, &claims);
    for query in [
        format!("Authorization=Bearer%20{token}"),
        format!("Authorization={token}"),
    ] {
        let mut socket = connect(address, &format!("jwt?{query}"), &[])
            .await
            .unwrap();
        assert_eq!(next(&mut socket).await["user"], "7");
    }
    let nameless = json!({ "sub": "ada", "username": "ada", "exp": now() + 600 });
    let token = signed(Algorithm::HS256, SHORT, &nameless);
    assert!(
        connect(address, &format!("jwt?token={token}"), &[])
            .await
            .is_err()
    );
}

#[tokio::test]
async fn without_a_flag_the_user_stands_in_sub_or_else_in_user() {
    let address = start(&[]).await;
    for (claims, user) in [
        (json!({ "sub": 42, "exp": now() + 600 }), "42"),
        (json!({ "user": "ada", "exp": now() + 600 }), "ada"),
        (
            json!({ "sub": null, "user": "ada", "exp": now() + 600 }),
            "ada",
        ),
        (
            json!({ "sub": "eve", "user": "ada", "exp": now() + 600 }),
            "eve",
        ),
    ] {
        let token = crate::peer::token(&claims);
        let mut socket = connect(address, &format!("jwt?token={token}"), &[])
            .await
            .unwrap();
        assert_eq!(next(&mut socket).await["user"], user);
    }
}

#[tokio::test]
async fn its_own_tokens_name_the_user_where_it_looks_for_them() {
    let long = "b".repeat(64);
    let options = [
        "chat",
        "--listen",
        "127.0.0.1:0",
        "--jwt-secret",
        &long,
        "--jwt-algorithm",
        "HS512",
        "--jwt-user",
        "/extend/id",
        "--jwt-issuer",
        "https://a.example,https://b.example",
        "--jwt-audience",
        "web,app",
        "--jwt-query",
        "jwt",
    ];
    let chat = Chat::bind(Options::try_parse_from(options).unwrap()).await;
    let chat = chat.unwrap();
    let (address, tokens) = (chat.address(), chat.demo_tokens().unwrap());
    tokio::spawn(chat.serve(std::future::pending()));
    let mut socket = connect(address, &format!("jwt?jwt={}", tokens.valid), &[])
        .await
        .unwrap();
    assert_eq!(next(&mut socket).await["user"], "ada");
    for (iss, aud, good) in [
        ("https://b.example", "app", true),
        ("https://c.example", "app", false),
        ("https://b.example", "other", false),
    ] {
        let claims = json!({ "extend": { "id": 7 }, "iss": iss, "aud": [aud], "exp": now() + 60 });
        let token = signed(Algorithm::HS512, &long, &claims);
        let opened = connect(address, &format!("jwt?jwt={token}"), &[]).await;
        assert_eq!(opened.is_ok(), good, "{iss} {aud}");
    }
}
