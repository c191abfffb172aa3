//! How open connections end.

use std::time::{Duration, Instant};

use futures_util::SinkExt;
use serde_json::json;
use test_support::until;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::peer::{Running, SOON, ada, connect, end_of, next, now, token};
use crate::upstream::Upstream;

#[tokio::test]
async fn a_token_that_expires_ends_both_sides() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    let token = token(&json!({ "sub": "ada", "exp": now() + 5 }));
    let path = format!("/echo?token={token}");
    let mut socket = connect(gateway.address, &path, &mut Vec::new())
        .await
        .unwrap();
    socket.send(Message::text("hi")).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::text("hi"));
    let expired = Some((4401, "token_expired".to_owned()));
    assert_eq!(end_of(&mut socket).await, expired);
    assert_eq!(upstream.close().await, expired);
    upstream.is_empty_within(SOON).await;
    gateway.is_empty_within(SOON).await;
}

#[tokio::test]
async fn a_silent_connection_ends_and_both_sides_are_told() {
    const PAUSE_OF_A_CLIENT: Duration = Duration::from_millis(500);
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &["--idle-timeout", "2.5"]).await;
    let mut socket = ada(&gateway, "/echo").await;
    let mut began = Instant::now();
    // Longer than that, and never silent for so long.
    for _ in 0..6 {
        tokio::time::sleep(PAUSE_OF_A_CLIENT).await;
        began = Instant::now();
        socket.send(Message::text("hi")).await.unwrap();
        assert_eq!(next(&mut socket).await, Message::text("hi"));
    }
    let idle = Some((4408, "idle_timeout".to_owned()));
    assert_eq!(end_of(&mut socket).await, idle);
    assert!((Duration::from_millis(2500)..SOON).contains(&began.elapsed()));
    assert_eq!(upstream.close().await, idle);
    upstream.is_empty_within(SOON).await;
    gateway.is_empty_within(SOON).await;
}

#[tokio::test]
async fn an_upstream_that_dies_takes_its_clients_with_it_at_once() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    let mut socket = ada(&gateway, "/echo").await;
    socket.send(Message::text("hi")).await.unwrap();
    next(&mut socket).await;
    let began = Instant::now();
    upstream.kill();
    assert_eq!(end_of(&mut socket).await, None);
    assert!(began.elapsed() < SOON);
    drop(socket);
    gateway.is_empty_within(SOON).await;
}

#[tokio::test]
async fn a_client_that_vanishes_is_no_connection_at_the_upstream_any_more() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    let mut socket = ada(&gateway, "/echo").await;
    socket.send(Message::text("hi")).await.unwrap();
    next(&mut socket).await;
    drop(socket);
    upstream.is_empty_within(SOON).await;
    gateway.is_empty_within(SOON).await;
}

#[tokio::test]
async fn a_shutdown_tells_everybody_and_waits_for_them() {
    let upstream = Upstream::start().await;
    let mut gateway = Running::start(upstream.address, &[]).await;
    let mut sockets = Vec::new();
    for _ in 0..20 {
        sockets.push(ada(&gateway, "/echo").await);
    }
    let address = gateway.address;
    gateway.tell_to_stop();
    for mut socket in sockets {
        let going = Some((1001, "going_away".to_owned()));
        assert_eq!(end_of(&mut socket).await, going);
    }
    assert_eq!(
        upstream.close().await,
        Some((1001, "going_away".to_owned()))
    );
    assert!(gateway.stopped().await < SOON);
    assert!(TcpStream::connect(address).await.is_err());
    upstream.is_empty_within(SOON).await;
}

#[tokio::test]
async fn a_shutdown_is_bounded_whatever_clients_do() {
    let upstream = Upstream::start().await;
    let options = ["--grace", "1", "--connect-timeout", "60"];
    let mut gateway = Running::start(upstream.address, &options).await;
    // One never answers its close frame, one waits for the upstream, one says nothing at all.
    let mute = ada(&gateway, "/echo").await;
    let nothing = TcpStream::connect(gateway.address).await.unwrap();
    let mut waiting = TcpStream::connect(gateway.address).await.unwrap();
    let request = crate::peer::handshake("/silent", "");
    tokio::io::AsyncWriteExt::write_all(&mut waiting, request.as_bytes())
        .await
        .unwrap();
    until("two connections", || upstream.connections() == 2).await;
    let open = gateway.open.clone();
    gateway.tell_to_stop();
    let took = gateway.stopped().await;
    assert!(took < SOON, "{took:?}");
    assert_eq!((open.sockets(), open.tasks()), (0, 0));
    upstream.is_empty_within(SOON).await;
    drop((mute, nothing, waiting));
}
