//! The clients of a WebSocket library on hyper, over HTTP/1.1 and HTTP/2.

use std::net::SocketAddr;

use futures_util::SinkExt;
use serde_json::json;
use socket_tests::{Answer, Http2, end_of};

use crate::clients::{APP, EVIL, SECRET, open, page, text, token};

pub(crate) async fn serves_and_refuses(address: SocketAddr) {
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

/// Two sockets and two refusals are streams of one connection (RFC 8441).
pub(crate) async fn serves_and_refuses_over_http2(address: SocketAddr) {
    let mut connection = Http2::connect(address).await.unwrap();
    let valid = format!("?token={}", token(json!({ "sub": "ada" })));
    let opened = connection.open(&valid, &[]).await.unwrap();
    let (hello, mut client) = text(Ok(opened)).await;
    assert_eq!(hello, "hello ada");
    let refused = connection.open("?token=guessed", &[("origin", APP)]).await;
    assert_eq!(end_of(refused).await, Answer::closed(4401, "token_invalid"));
    let foreign = connection.open(&valid, &[("origin", EVIL)]).await;
    assert_eq!(end_of(foreign).await, Answer::http(403, "origin_denied"));
    let long = "x".repeat(70_000);
    client.send(long.clone().into()).await.unwrap();
    let (echo, mut client) = text(Ok(client)).await;
    assert_eq!(echo, long);
    client.close(None).await.unwrap();

    let claims = json!({ "sub": "ada", "exp": socket_tests::now() + 1 });
    let short = socket_tests::token_with(&claims, SECRET.as_bytes());
    let opened = connection.open(&format!("?token={short}"), &[]).await;
    let (_, client) = text(Ok(opened.unwrap())).await;
    assert_eq!(
        end_of(Ok(client)).await,
        Answer::closed(4401, "token_expired")
    );
}
