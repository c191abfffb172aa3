//! Thousands of leases: the memory of each, and that nothing of them remains.
//!
//! Without sockets: a request in memory goes through hyper and the layers to a handler that holds
//! its connection. Their kernel buffers are the same with and without a lease.

use std::future::{Ready, ready};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant, SystemTime};

use http::Request;
use http::request::Parts;
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use test_support::memory::{hand_over, reading, serve};
use test_support::{at_once, bounded, of_tier};
use tokio::io::AsyncReadExt;
use tokio::runtime::Builder;
use tower::ServiceBuilder;
use tower_ws_auth::lease::{DisconnectReason, LeaseLayer, Leases};
use tower_ws_auth::{AuthLayer, AuthenticateExt, Grant, MemoryRevocations, Rejection, Revocations};

use crate::ALONE;

/// Measured: 1017. It is the lease, its places in the order of ends and under two keys, and what
/// stands between the server's connection and its handler.
const MOST_BYTES: i64 = 1024;

const REQUEST: &[u8] = b"GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[test]
fn thousands_of_leases_cost_less_than_a_kilobyte_each_and_leave_nothing() {
    let count = of_tier(10_000, 100_000);
    let _alone = ALONE.blocking_lock();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let day = Duration::from_secs(24 * 3600);
    let revocations = Revocations::new(MemoryRevocations::new(day, count));
    let layer = LeaseLayer::new(revocations.clone());
    let leases = layer.leases();
    let mut open = Vec::with_capacity(count);
    let began = Instant::now();
    // In no task, whose budget all the handshakes would spend.
    let entered = runtime.enter();
    let kept = allocation_counter::measure(|| {
        for n in 0..count {
            open.push(connect(n, &revocations, &layer));
        }
    });
    let took = began.elapsed();
    assert_eq!(leases.len(), count);
    assert_eq!(revocations.count("tenant:red"), count / 2);
    let each = kept.bytes_current / i64::try_from(count).unwrap();
    println!("{count} leases: {each} bytes each, opened in {took:?}");
    assert!(each <= MOST_BYTES, "{each} bytes each");
    drop(entered);
    runtime.block_on(end(open, &revocations, &leases));
}

async fn end(open: Vec<Upgraded>, revocations: &Revocations, leases: &Leases) {
    let half = open.len() / 2;
    // One key, half of them; then the server goes down.
    let began = Instant::now();
    let revoked = revocations.revoke("tenant:red", DisconnectReason::Revoked);
    revoked.await.unwrap();
    println!("{} of them revoked in {:?}", half, began.elapsed());
    let began = Instant::now();
    assert_eq!(leases.end_all(&DisconnectReason::GoingAway).await, half);
    println!("the others ended in {:?}", began.elapsed());
    for (n, upgraded) in open.into_iter().enumerate() {
        let mut read = Vec::new();
        TokioIo::new(upgraded).read_to_end(&mut read).await.unwrap();
        // Masked with zeroes, as if the client had sent it.
        let close: &[u8] = if n.is_multiple_of(2) {
            b"\x88\x89\0\0\0\0\x11\x33revoked"
        } else {
            b"\x88\x8c\0\0\0\0\x03\xe9going_away"
        };
        assert_eq!(read, close);
    }
    bounded("the end of all leases", leases.all_ended()).await;
    assert!(revocations.is_empty());
}

/// One connection of a user with two keys and an end, from the bytes of its request to its handler,
/// which has begun to read.
fn connect(n: usize, revocations: &Revocations, layer: &LeaseLayer) -> Upgraded {
    let strategy = move |_: &mut Parts| -> Ready<Result<Grant<usize>, Rejection>> {
        let now = SystemTime::now();
        let tenant = if n.is_multiple_of(2) { "red" } else { "blue" };
        let grant = Grant::new(n)
            .issued_at(now)
            .revocable_by(format!("user:{n}"))
            .revocable_by(format!("tenant:{tenant}"));
        ready(Ok(grant.until(now + Duration::from_secs(3600))))
    };
    let (tell, told) = channel::<OnUpgrade>();
    let service = ServiceBuilder::new()
        .layer(AuthLayer::new(strategy.revocable(revocations.clone())))
        .layer(layer.clone())
        .service_fn(move |request: Request<Incoming>| {
            hand_over(request, |upgrade| tell.send(upgrade).unwrap())
        });
    serve(REQUEST, TowerToHyperService::new(service));
    reading(at_once(told.recv().unwrap()).unwrap())
}
