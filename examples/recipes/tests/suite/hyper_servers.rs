//! WebSocket libraries on hyper, without axum's.

use std::net::SocketAddr;

use futures_util::SinkExt;
use serde_json::json;
use socket_tests::{Answer, end_of};

use crate::{EVIL, SECRET, fast_websockets, hyper_tungstenite, open, page, start, text, token};

async fn serves_and_refuses(address: SocketAddr) {
    let valid = format!("/ws?token={}", token(json!({ "sub": "ada" })));
    let (hello, mut client) = text(open(address, &valid, &[]).await).await;
    assert_eq!(hello, "hello ada");
    let long = "x".repeat(70_000);
    client.send(long.clone().into()).await.unwrap();
    let (echo, mut client) = text(Ok(client)).await;
    assert_eq!(echo, long);
    client.close(None).await.unwrap();

    let opened = page(address, "/ws?token=guessed").await;
    assert_eq!(end_of(opened).await, Answer::closed(4401, "token_invalid"));
    let opened = open(address, &valid, &[("origin", EVIL)]).await;
    assert_eq!(end_of(opened).await, Answer::http(403, "origin_denied"));

    let claims = json!({ "sub": "ada", "exp": socket_tests::now() + 1 });
    let short = socket_tests::token_with(&claims, SECRET.as_bytes());
    let (_, client) = text(open(address, &format!("/ws?token={short}"), &[]).await).await;
    assert_eq!(
        end_of(Ok(client)).await,
        Answer::closed(4401, "token_expired")
    );
}

#[tokio::test]
async fn fastwebsockets_serves_and_refuses() {
    let address = start(|listener| fast_websockets::serve(listener, SECRET)).await;
    serves_and_refuses(address).await;
}

#[tokio::test]
async fn hyper_tungstenite_serves_and_refuses() {
    let address = start(|listener| hyper_tungstenite::serve(listener, SECRET)).await;
    serves_and_refuses(address).await;
}
