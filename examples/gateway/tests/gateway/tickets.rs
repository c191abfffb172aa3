//! Single-use tickets in front of a server that knows none.

use serde_json::json;
use test_support::http1::ask;

use crate::peer::{ORIGIN, Running, SOON, connect, end_of, now, refused, token, token_of};
use crate::upstream::Upstream;

async fn mint(gateway: &Running, token: &str) -> test_support::http1::Answer {
    let bearer = format!("Bearer {token}");
    let fields = [("Authorization", &*bearer), ("Origin", ORIGIN)];
    ask(gateway.address, "POST /ticket", &fields, "").await
}

#[tokio::test]
async fn a_ticket_for_the_holder_of_a_token_opens_one_connection() {
    let upstream = Upstream::start().await;
    let flags = ["--strategy", "ticket", "--jwt-header", "email=/email"];
    let gateway = Running::start(upstream.address, &flags).await;
    let claims = json!({ "sub": "ada", "email": "a@b.example", "exp": now() + 600 });
    let minted = mint(&gateway, &token(&claims)).await;
    assert_eq!(minted.status, 200, "{minted:?}");
    // A page of another origin reads it, if its own is allowed.
    assert_eq!(minted.field("access-control-allow-origin"), Some(ORIGIN));
    for (origin, status) in [(ORIGIN, 204), ("https://evil.example", 403)] {
        let asks = [
            ("Origin", origin),
            ("Access-Control-Request-Method", "POST"),
        ];
        let answer = ask(gateway.address, "OPTIONS /ticket", &asks, "").await;
        assert_eq!(answer.status, status, "{answer:?}");
        let permitted = answer.field("access-control-allow-headers");
        assert_eq!(permitted.is_some(), status == 204, "{answer:?}");
    }
    let ticket = minted.json()["ticket"].as_str().unwrap().to_owned();
    let path = format!("/echo?room=1&ticket={ticket}");
    drop(connect(gateway.address, &path, &mut vec![]).await.unwrap());
    assert_eq!(upstream.header("x-auth-user").as_deref(), Some("ada"));
    assert_eq!(upstream.header("x-auth-via").as_deref(), Some("ticket"));
    let claim = upstream.header("x-auth-claim-email");
    assert_eq!(claim.as_deref(), Some("a@b.example"));
    assert!(upstream.head().starts_with("GET /echo?room=1 HTTP/1.1\r\n"));
    let again = refused(gateway.address, &path, &[]).await;
    assert_eq!(again, (401, "ticket_invalid".to_owned()));
    // The token itself opens nothing here, and nothing else is minted.
    let path = format!("/echo?token={}", token_of("ada"));
    let direct = refused(gateway.address, &path, &[]).await;
    assert_eq!(direct, (401, "credentials_missing".to_owned()));
    let expired = token(&json!({ "sub": "ada", "exp": now() - 60 }));
    assert_eq!(mint(&gateway, &expired).await.status, 401);
    let bearer = format!("Bearer {}", token_of("ada"));
    let foreign = [
        ("Authorization", &*bearer),
        ("Origin", "https://evil.example"),
    ];
    let answer = ask(gateway.address, "POST /ticket", &foreign, "").await;
    assert_eq!(answer.status, 403);
    let body = r#"{"channel":"lobby"}"#;
    let answer = ask(gateway.address, "POST /ticket", &foreign[..1], body).await;
    assert_eq!(answer.status, 403);
    assert_eq!(upstream.connections(), 1);
    gateway.is_empty_within(SOON).await;
}

#[tokio::test]
async fn a_connection_of_a_ticket_ends_with_the_token_that_it_was_minted_for() {
    let upstream = Upstream::start().await;
    let flags = ["--strategy", "ticket", "--ticket-path", "/api/ticket"];
    let gateway = Running::start(upstream.address, &flags).await;
    let token = token(&json!({ "sub": "ada", "exp": now() + 4 }));
    let bearer = format!("Bearer {token}");
    let fields = [("Authorization", &*bearer)];
    let minted = ask(gateway.address, "POST /api/ticket", &fields, "")
        .await
        .json();
    let path = format!("/echo?ticket={}", minted["ticket"].as_str().unwrap());
    let mut socket = connect(gateway.address, &path, &mut vec![]).await.unwrap();
    let end = end_of(&mut socket).await;
    assert_eq!(end.map(|(code, _)| code), Some(4401));
    drop(socket);
    gateway.is_empty_within(SOON).await;
}
