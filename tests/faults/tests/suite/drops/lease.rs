//! A handshake on its way through the lease layer, and the closing handshake of a lease that was ended.

use std::time::{Duration, SystemTime};

use http::request::Parts;
use test_support::handshake::read_head;
use test_support::settle;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tower::{Service, ServiceBuilder};
use tower_ws_auth::lease::Leases;
use tower_ws_auth::{
    AuthLayer, Authenticate, AuthenticateExt, BoxFuture, DisconnectReason, Grant, LeaseLayer,
    MemoryRevocations, Rejection, Revocations,
};

use super::inner::SERVICE_WAITS;
use super::slow::{Slow, WAITS};
use super::steps::{PAUSE_OF_A_SLOW_CLIENT, everywhere, interrupted, polled};
use super::wire::{CLOSE, Upgrading, Visit, Wire, is_over, is_switching};

fn ada() -> impl Authenticate<Identity = &'static str> {
    |_: &mut Parts| {
        let now = SystemTime::now();
        let grant = Grant::new("ada").issued_at(now).revocable_by("user:ada");
        std::future::ready(Ok::<_, Rejection>(
            grant.until(now + Duration::from_secs(3600)),
        ))
    }
}

fn slow(acts_after: usize) -> Revocations {
    let memory = MemoryRevocations::new(Duration::from_secs(3600), 100);
    Revocations::new(Slow::new(memory, acts_after))
}

/// Nothing is registered anywhere, as soon as everybody had a turn.
async fn nothing_is_left(leases: &Leases, revocations: &[&Revocations], inner: &Upgrading) {
    timeout(Duration::from_secs(10), leases.all_ended())
        .await
        .expect("a lease is left");
    settle().await;
    for revocations in revocations {
        assert!(revocations.is_empty(), "a connection is registered");
    }
    assert_eq!(inner.open(), 0, "a handler is left");
}

/// In how many places such a handshake was dropped.
async fn leaves_nothing<A>(strategy: A, own: &Revocations, others: &Revocations) -> usize
where
    A: Authenticate + Send + Sync + 'static,
{
    let layer = LeaseLayer::new(own.clone());
    let leases = layer.leases();
    let inner = Upgrading::default();
    let mut service = ServiceBuilder::new()
        .layer(AuthLayer::new(strategy))
        .layer(layer)
        .service(inner.service());
    everywhere(async |polls| {
        let wire = Wire::open(4096).await;
        let mut visit = wire.visit(|request| service.call(request), polls).await;
        let is_done = visit.status.is_some();
        if let Some(status) = visit.status {
            assert_eq!((status.as_u16(), leases.len()), (101, 1));
            settle().await;
            visit.client.write_all(CLOSE).await.unwrap();
            visit.client.shutdown().await.unwrap();
        }
        visit.ends().await;
        nothing_is_left(&leases, &[own, others], &inner).await;
        is_done
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn no_lease_and_no_registration_is_left_wherever_the_handshake_is_dropped() {
    for acts_after in [0, 1, WAITS] {
        let (own, others) = (slow(acts_after), slow(acts_after));
        // The strategy registers with the layer's own, with others, or not at all.
        let strategy = ada().revocable(own.clone());
        let places = leaves_nothing(strategy, &own, &others).await;
        assert_eq!(places, WAITS + SERVICE_WAITS);
        let strategy = ada().revocable(others.clone());
        let places = leaves_nothing(strategy, &own, &others).await;
        assert_eq!(places, 2 * WAITS + SERVICE_WAITS);
        let places = leaves_nothing(ada(), &own, &others).await;
        assert_eq!(places, WAITS + SERVICE_WAITS);
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_at_any_place_of_the_handshake_ends_the_connection_with_its_reason() {
    let (mut refused, mut told) = (0, 0);
    everywhere(async |polls| {
        let revocations = slow(1);
        let layer = LeaseLayer::new(revocations.clone());
        let leases = layer.leases();
        let inner = Upgrading::default();
        let mut service = ServiceBuilder::new()
            .layer(AuthLayer::new(ada()))
            .layer(layer)
            .service(inner.service());
        let Wire {
            request,
            respond,
            mut client,
            server,
        } = Wire::open(4096).await;
        let revoking = async {
            let revoked = revocations
                .revoke("user:ada", DisconnectReason::Revoked)
                .await;
            revoked.unwrap();
        };
        let (is_done, answer) = interrupted(service.call(request), polls, revoking).await;
        let answer = answer.unwrap();
        let status = answer.status().as_u16();
        respond.with(answer);
        if is_switching(&mut client).await {
            let mut frame = [0; 11];
            client.read_exact(&mut frame).await.unwrap();
            assert_eq!(&frame, b"\x88\x09\x11\x33revoked");
            client.write_all(CLOSE).await.unwrap();
            told += 1;
        } else {
            assert_eq!((status, inner.calls()), (401, 0));
            refused += 1;
        }
        client.shutdown().await.unwrap();
        is_over(server, &mut client).await;
        nothing_is_left(&leases, &[&revocations], &inner).await;
        is_done
    })
    .await;
    assert!(
        refused >= WAITS - 1 && told > SERVICE_WAITS,
        "{refused} {told}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_closing_handshake_of_a_lease_drops_its_connection_wherever_it_is_dropped() {
    for bytes in [3, 4096] {
        let (spawner, mut closing_handshakes) = mpsc::unbounded_channel::<BoxFuture<()>>();
        let layer = LeaseLayer::expiry_only()
            .spawn_with(move |closing_handshake| spawner.send(closing_handshake).ok().unwrap());
        let leases = layer.leases();
        let inner = Upgrading::default();
        let mut service = ServiceBuilder::new()
            .layer(AuthLayer::new(ada()))
            .layer(layer)
            .service(inner.service());
        let places = everywhere(async |polls| {
            let wire = Wire::open(bytes).await;
            let visit = wire.visit(|request| service.call(request), usize::MAX);
            let Visit { client, server, .. } = visit.await;
            let (mut from, mut to) = tokio::io::split(client);
            read_head(&mut from).await.unwrap();
            settle().await;
            // The head of a frame that never ends.
            to.write_all(b"\x82\xfe").await.unwrap();
            settle().await;
            assert_eq!(leases.end_all(&DisconnectReason::GoingAway).await, 1);
            let closing_handshake = closing_handshakes.recv().await.unwrap();
            let client = tokio::spawn(async move {
                let mut all = Vec::new();
                let mut bytes = [0; 16];
                while let Ok(read @ 1..) = from.read(&mut bytes).await {
                    all.extend_from_slice(&bytes[..read]);
                    if all == b"\x88\x0c\x03\xe9going_away" {
                        tokio::time::sleep(PAUSE_OF_A_SLOW_CLIENT).await;
                        let _ = to.write_all(CLOSE).await;
                    }
                }
                from.unsplit(to)
            });
            let done = polled(closing_handshake, polls).await;
            let mut client = client.await.unwrap();
            is_over(server, &mut client).await;
            nothing_is_left(&leases, &[], &inner).await;
            done.is_some()
        })
        .await;
        assert!(places >= 1, "{places} places with {bytes} bytes");
    }
}
