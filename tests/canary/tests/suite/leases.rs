//! The log and the metrics of leases: the open ones, and their ends.

use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::routing::any;
use http::request::Parts;
use test_support::{bounded, frame, handshake};
use tokio::io::AsyncWriteExt;
use tower_ws_auth::{AuthLayer, Grant, Lease, LeaseLayer, Rejection};

use crate::told::Told;

#[tokio::test]
async fn an_expiry_is_an_event_with_its_code_and_its_time_and_is_counted() {
    let told = Told::capture();
    let strategy = |_: &mut Parts| async {
        let end = SystemTime::now() + Duration::from_secs(3);
        Ok::<_, Rejection>(Grant::new("ada").until(end))
    };
    let stack = tower::ServiceBuilder::new()
        .layer(AuthLayer::new(strategy).log_identity(|user| (*user).to_owned()))
        .layer(LeaseLayer::expiry_only());
    let handler = async |upgrade: WebSocketUpgrade| {
        upgrade.on_upgrade(async |mut socket| while socket.recv().await.is_some() {})
    };
    let router = Router::new().route("/ws", any(handler).layer(stack));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });

    let mut client = handshake::open(address, "/ws", "").await;
    assert!((told.count("ws_auth_leases") - 1.0).abs() < 0.1);

    let frame = bounded("a close frame", frame::read(&mut client)).await;
    assert_eq!(frame.unwrap().close(), Some((4401, "token_expired")));
    let answer = frame::masked(true, frame::CLOSE, &1000_u16.to_be_bytes());
    client.write_all(&answer).await.unwrap();

    told.counted("ws_auth_closing_handshakes_total outcome=peer_closed", 1.0)
        .await;
    told.counted("ws_auth_leases", 0.0).await;
    let line = told.event("lease ended");
    assert!(
        line.contains("reason=\"token_expired\" code=4401 open_ms="),
        "{line}"
    );
    let (_, open) = line.split_once("open_ms=").unwrap();
    let (open, protocol) = open.split_once(' ').unwrap();
    let (protocol, named) = protocol.split_once(" connection=").unwrap();
    assert_eq!(protocol, "protocol=\"plain\"");
    assert!(named.trim().ends_with(" who=\"ada\""), "{line}");
    let accepted = told.event("handshake accepted");
    assert!(
        accepted.contains(&format!("connection={}", named.trim())),
        "{accepted}"
    );
    let open: u64 = open.parse().unwrap();
    assert!((100..20_000).contains(&open), "{line}");
    let closing_handshake = told.event("closing handshake ended");
    assert!(
        closing_handshake.contains("closing_handshake=\"peer_closed\""),
        "{closing_handshake}"
    );
    for (name, expected) in [
        ("ws_auth_leases", 0.0),
        ("ws_auth_leases_ended_total reason=token_expired", 1.0),
        ("ws_auth_closing_handshakes_total outcome=peer_closed", 1.0),
        (
            "ws_auth_decisions_total strategy=closure outcome=accepted kind=none",
            1.0,
        ),
    ] {
        assert!(
            (told.count(name) - expected).abs() < 0.1,
            "{name}: {}",
            told.count(name)
        );
    }
}

/// Its handler may still wait for the end, but nothing is held open.
#[tokio::test]
async fn an_ordinary_request_is_neither_counted_nor_logged() {
    let told = Told::capture();
    let strategy = |_: &mut Parts| async {
        let end = SystemTime::now() + Duration::from_secs(1);
        Ok::<_, Rejection>(Grant::new("ada").until(end))
    };
    let stack = tower::ServiceBuilder::new()
        .layer(AuthLayer::new(strategy).any_request())
        .layer(LeaseLayer::expiry_only());
    let (called, mut calls) = tokio::sync::mpsc::channel(1);
    let handler = async move |lease: Lease| {
        called.send(()).await.unwrap();
        lease.ended().await.reason().to_owned()
    };
    let router = Router::new().route("/page", any(handler).layer(stack));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });

    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = "GET /page HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    bounded("the handler", calls.recv()).await.unwrap();
    assert!(told.count("ws_auth_leases") < 0.1);
    let mut answer = String::new();
    let read = tokio::io::AsyncReadExt::read_to_string(&mut client, &mut answer);
    bounded("the answer", read).await.unwrap();
    assert!(answer.ends_with("\r\n\r\ntoken_expired"), "{answer}");
    assert!(told.count("ws_auth_leases_ended_total reason=token_expired") < 0.1);
    assert!(!told.log().contains("lease ended"), "{}", told.log());
}
