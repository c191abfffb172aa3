//! A refused handshake during the reject delay, and the closing handshake after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::request::Parts;
use test_support::within;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tower::{Layer, Service, ServiceBuilder, service_fn};
use tower_ws_auth::close::ClosingHandshake;
use tower_ws_auth::{AuthLayer, Authenticate, CloseFrameLayer, Grant, Rejection, RejectionKind};

use super::steps::{PAUSE_OF_A_SLOW_CLIENT, everywhere, polled, waits};
use super::wire::{CLOSE, Upgrading, Visit, Wire, is_over, is_switching};

/// How long the strategy takes to say no.
const DECISION_WAITS: usize = 2;

fn never() -> impl Authenticate {
    |_: &mut Parts| async {
        waits(DECISION_WAITS).await;
        Err::<Grant<()>, _>(Rejection::new(RejectionKind::TokenInvalid, "always"))
    }
}

/// All permits are there, at once.
async fn all_permits_are_back(close: &CloseFrameLayer) {
    let closing_handshakes = close.closing_handshakes();
    let back = timeout(Duration::ZERO, closing_handshakes.wait()).await;
    assert!(back.is_ok(), "a permit is missing");
}

const CLOSE_4401: &[u8] = b"\x88\x0f\x11\x31token_invalid";

#[tokio::test(start_paused = true)]
async fn a_refused_handshake_that_is_dropped_gives_its_permit_and_its_connection_back() {
    for hold in [Duration::ZERO, Duration::from_millis(300)] {
        let close = CloseFrameLayer::new()
            .reject_delay(hold)
            .max_closing_handshakes(1);
        let inner = Upgrading::default();
        let mut service = ServiceBuilder::new()
            .layer(close.clone())
            .layer(AuthLayer::new(never()))
            .service(inner.service());
        let places = everywhere(async |polls| {
            let wire = Wire::open(4096).await;
            let mut visit = wire.visit(|request| service.call(request), polls).await;
            let is_done = visit.status.is_some();
            if is_done {
                let client = &mut visit.client;
                assert!(is_switching(client).await);
                let mut frame = [0; CLOSE_4401.len()];
                client.read_exact(&mut frame).await.unwrap();
                assert_eq!(frame, CLOSE_4401);
                client.write_all(CLOSE).await.unwrap();
            } else {
                all_permits_are_back(&close).await;
            }
            visit.ends().await;
            timeout(Duration::from_secs(10), close.closing_handshakes().wait())
                .await
                .expect("the closing handshake has ended");
            is_done
        })
        .await;
        assert_eq!(places, DECISION_WAITS + usize::from(!hold.is_zero()));
        assert_eq!(inner.calls(), 0);
    }
}

/// The same for a refusal by the service, which has had the upgrade.
#[tokio::test(start_paused = true)]
async fn a_handler_that_refuses_late_never_gets_the_connection() {
    let close = CloseFrameLayer::new()
        .max_closing_handshakes(1)
        .convert_error_responses();
    let got = Arc::new(AtomicUsize::new(0));
    let (taken, waiting) = (Arc::clone(&got), Arc::new(()));
    let handlers = Arc::clone(&waiting);
    let inner = service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
        let upgrade = hyper::upgrade::on(&mut request);
        let (taken, waiting) = (Arc::clone(&taken), Arc::clone(&waiting));
        tokio::spawn(async move {
            taken.fetch_add(usize::from(upgrade.await.is_ok()), Ordering::SeqCst);
            drop(waiting);
        });
        async move {
            waits(DECISION_WAITS).await;
            let busy = http::Response::builder().status(429);
            Ok::<_, std::convert::Infallible>(
                busy.body(http_body_util::Empty::<bytes::Bytes>::new())
                    .unwrap(),
            )
        }
    });
    let mut service = close.layer(inner);
    let places = everywhere(async |polls| {
        let wire = Wire::open(4096).await;
        let mut visit = wire.visit(|request| service.call(request), polls).await;
        let is_done = visit.status.is_some();
        if is_done {
            assert!(is_switching(&mut visit.client).await);
            visit.client.write_all(CLOSE).await.unwrap();
        } else {
            all_permits_are_back(&close).await;
        }
        visit.ends().await;
        // This, the service's, and no handler's.
        let told = || Arc::strong_count(&handlers) <= 2;
        within(Duration::from_secs(10))
            .until("the handler is told that there is no connection", told)
            .await;
        is_done
    })
    .await;
    assert_eq!(places, DECISION_WAITS + 1);
    assert_eq!(got.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_closing_handshake_that_is_dropped_anywhere_drops_its_client_and_gives_its_permit_back() {
    // So little that the words do not go out in one piece.
    for bytes in [3, 4096] {
        let (spawner, mut closing_handshakes) = mpsc::unbounded_channel::<ClosingHandshake>();
        let close = CloseFrameLayer::new()
            .reject_delay(Duration::ZERO)
            .max_closing_handshakes(1)
            .spawn_with(move |closing_handshake| spawner.send(closing_handshake).ok().unwrap());
        let mut service = ServiceBuilder::new()
            .layer(close.clone())
            .layer(AuthLayer::new(never()))
            .service(Upgrading::default().service());
        let places = everywhere(async |polls| {
            let wire = Wire::open(bytes).await;
            let visit = wire.visit(|request| service.call(request), usize::MAX);
            let Visit {
                mut client, server, ..
            } = visit.await;
            let closing_handshake = closing_handshakes.recv().await.unwrap();
            let client = tokio::spawn(async move {
                assert!(is_switching(&mut client).await);
                let mut frame = [0; CLOSE_4401.len()];
                if client.read_exact(&mut frame).await.is_ok() {
                    assert_eq!(frame, CLOSE_4401);
                    for byte in CLOSE {
                        tokio::time::sleep(PAUSE_OF_A_SLOW_CLIENT).await;
                        if client.write_all(&[*byte]).await.is_err() {
                            break;
                        }
                    }
                }
                client
            });
            let done = polled(closing_handshake, polls).await;
            all_permits_are_back(&close).await;
            let mut client = client.await.unwrap();
            is_over(server, &mut client).await;
            done.is_some()
        })
        .await;
        // For the upgrade, for room, for each byte of the client's.
        let least = if bytes < 10 { 10 } else { 1 + CLOSE.len() };
        assert!(places >= least, "{places} places with {bytes} bytes");
    }
}
