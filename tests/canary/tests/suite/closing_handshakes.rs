//! The log and the metrics of closing handshakes, by their outcome.

use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::any;
use http::request::Parts;
use test_support::{frame, handshake};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tower_ws_auth::close::ClosingHandshakes;
use tower_ws_auth::{AuthLayer, CloseFrameLayer, Grant, LeaseLayer, Rejection, RejectionKind};

use crate::told::Told;

/// A masked close frame with code 1000.
const CLOSE: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];

/// `/ws` refuses every client, with one closing handshake at a time. `/alone` has no strategy.
fn router() -> (Router, ClosingHandshakes) {
    let refuse = |_: &mut Parts| async {
        let expired = Rejection::new(RejectionKind::TokenExpired, "as ever");
        Err::<Grant<()>, _>(expired)
    };
    let close = CloseFrameLayer::new()
        .reject_delay(Duration::ZERO)
        // Longer than who says too much is held.
        .deadline(Duration::from_secs(5))
        .byte_cap(100)
        .max_closing_handshakes(1);
    let closing_handshakes = close.closing_handshakes();
    let stack = tower::ServiceBuilder::new()
        .layer(close)
        .layer(AuthLayer::new(refuse));
    let service = any(async || "never");
    let alone = service.clone().layer(LeaseLayer::expiry_only());
    let router = Router::new()
        .route("/ws", service.layer(stack))
        .route("/alone", alone);
    (router, closing_handshakes)
}

/// A handshake that is refused, and the first line of its answer.
async fn refused(address: SocketAddr, path: &str) -> (TcpStream, String) {
    let (client, head) = handshake::ask(address, path, "Origin: https://app.example\r\n").await;
    (client, head.lines().next().unwrap().to_owned())
}

#[tokio::test]
async fn every_outcome_is_an_event_and_is_counted_once() {
    let told = Told::capture();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (router, closing_handshakes) = router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let closing_handshake = async |outcome: &str| {
        let name = format!("ws_auth_closing_handshakes_total outcome={outcome}");
        told.counted(&name, 1.0).await;
        // The permit comes back right after it was counted; without one nothing does.
        if outcome != "no_permit" {
            closing_handshakes.wait().await;
        }
    };

    let (mut client, answer) = refused(address, "/ws").await;
    assert!(answer.contains("101"), "{answer}");
    client.write_all(&CLOSE).await.unwrap();
    closing_handshake("peer_closed").await;

    let (mut client, _) = refused(address, "/ws").await;
    // Unread bytes would turn its end into a reset.
    frame::read(&mut client).await.unwrap();
    drop(client);
    closing_handshake("peer_gone").await;

    // A ping that is longer than may be read.
    let (mut client, _) = refused(address, "/ws").await;
    let long = [&[0x89, 0xfd, 0, 0, 0, 0][..], &[0; 125]].concat();
    client.write_all(&long).await.unwrap();
    closing_handshake("byte_cap").await;
    drop(client);

    // One that is silent, and while it holds the only permit another.
    let (silent, answer) = refused(address, "/ws").await;
    assert!(answer.contains("101"), "{answer}");
    let (_, answer) = refused(address, "/ws").await;
    assert!(answer.contains("401"), "{answer}");
    closing_handshake("no_permit").await;
    closing_handshake("deadline").await;
    drop(silent);

    without_upgrades(&told).await;
    closing_handshake("upgrade_failed").await;

    for (outcome, level) in [
        ("peer_closed", "DEBUG"),
        ("peer_gone", "DEBUG"),
        ("byte_cap", "DEBUG"),
        ("deadline", "DEBUG"),
        ("no_permit", "INFO"),
        ("upgrade_failed", "WARN"),
    ] {
        let event = told.event(&format!("closing_handshake=\"{outcome}\""));
        assert!(
            event.contains(level) && event.contains("tower_ws_auth: "),
            "{event}"
        );
    }
    let converted = "rejection converted to a close frame kind=\"token_expired\" status=401";
    assert!(told.log().contains(&format!("{converted} code=4401")));
    assert_eq!(told.log().matches(converted).count(), 5);
    assert_eq!(told.log().matches("handshake refused").count(), 6);

    // A refusal by a layer without a strategy is a decision too.
    let (_, answer) = refused(address, "/alone").await;
    assert!(answer.contains("503"), "{answer}");
    let event = told.event("strategy=\"lease\"");
    assert!(
        event.contains("handshake refused") && event.contains("kind=\"unavailable\" status=503"),
        "{event}"
    );
    told.counted(
        "ws_auth_decisions_total strategy=lease outcome=refused kind=unavailable",
        1.0,
    )
    .await;

    // All of them have ended by now, and none was counted a second time.
    let closing_handshakes = [
        "peer_closed",
        "peer_gone",
        "byte_cap",
        "deadline",
        "no_permit",
        "upgrade_failed",
    ];
    let closing_handshakes = closing_handshakes
        .map(|outcome| format!("ws_auth_closing_handshakes_total outcome={outcome}"));
    let refused = "ws_auth_decisions_total strategy=closure outcome=refused kind=token_expired";
    let decisions = (refused.to_owned(), 6.0);
    for (name, expected) in closing_handshakes
        .map(|name| (name, 1.0))
        .into_iter()
        .chain([decisions])
    {
        let counted = told.count(&name);
        assert!((counted - expected).abs() < 0.1, "{name}: {counted}");
    }
}

/// A server that offers an upgrade and never hands the connection over.
async fn without_upgrades(told: &Told) {
    use hyper_util::rt::TokioIo;
    use hyper_util::service::TowerToHyperService;

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = TowerToHyperService::new(router().0);
        let _ = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await;
        pending::<()>().await;
    });
    let (client, answer) = refused(address, "/ws").await;
    assert!(answer.contains("101"), "{answer}");
    told.counted(
        "ws_auth_closing_handshakes_total outcome=upgrade_failed",
        1.0,
    )
    .await;
    drop(client);
    serving.abort();
}
