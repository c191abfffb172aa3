//! A key with 10,000 sockets is revoked, and other tasks have their turns meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::routing::any;
use http::request::Parts;
use test_support::{Stopwatch, of_tier, until};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tower::ServiceBuilder;
use tower_ws_auth::lease::{DisconnectReason, LeaseLayer};
use tower_ws_auth::{AuthLayer, AuthenticateExt, Grant, MemoryRevocations, Rejection, Revocations};

use crate::ALONE;
use crate::clients::{Clients, allow_descriptors, answered, back_to, idle, resident_bytes};

/// So many sockets, and the longest gap in which no other task of the thread runs.
///
/// Of ten thousand about 10 ms are measured, in a debug build as in a release build, and up to 150 on
/// a machine that has too much to do. In one go it would be half a second and more: as long as the
/// whole takes, of which a slow machine may have the half.
const LONG: (usize, Duration) = (10_000, Duration::from_millis(400));
const SHORT: (usize, Duration) = (5_000, Duration::from_millis(200));
/// Longer than any machine needs to revoke them all.
const DEADLINE: Duration = Duration::from_secs(12);

#[test]
fn thousands_of_sockets_of_a_key_end_without_a_stall_of_one_thread() {
    let _alone = ALONE.blocking_lock();
    Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async { tokio::spawn(revoke_all("one thread")).await.unwrap() });
}

#[test]
fn thousands_of_sockets_of_a_key_end_without_a_stall_of_two_threads() {
    let _alone = ALONE.blocking_lock();
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        // On a worker: in `block_on` it would have a thread of its own.
        .block_on(async { tokio::spawn(revoke_all("two threads")).await.unwrap() });
}

/// How long the probe ticks before anything happens.
const QUIET: Duration = Duration::from_millis(300);

async fn revoke_all(name: &str) {
    allow_descriptors(12_000);
    let hour = Duration::from_secs(3600);
    let revocations = Revocations::new(MemoryRevocations::new(hour, 10));
    let layer = LeaseLayer::new(revocations.clone()).deadline(DEADLINE);
    let stack = ServiceBuilder::new()
        .layer(AuthLayer::new(ada.revocable(revocations.clone())))
        .layer(layer.clone());
    let handler = any(async |upgrade: WebSocketUpgrade| {
        upgrade.on_upgrade(
            async |mut socket: WebSocket| while let Some(Ok(_)) = socket.recv().await {},
        )
    });
    let router = Router::new().route("/ws", handler.layer(stack));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let (idle_tasks, idle_descriptors) = idle().await;
    let idle_bytes = resident_bytes();

    let (count, longest_gap) = of_tier(SHORT, LONG);
    let (clients, output) = Clients::start(address, count);
    let upgraded = format!("upgraded {count} plain 0");
    assert_eq!(answered(output).await, upgraded);
    assert_eq!(revocations.count("user:ada"), count);
    let each = (resident_bytes() - idle_bytes) / count;

    let probe = Probe::start();
    tokio::time::sleep(QUIET).await;
    let quiet = probe.longest();
    let began = Instant::now();
    let revoked = revocations.revoke("user:ada", DisconnectReason::Revoked);
    revoked.await.unwrap();
    let (took, during) = (began.elapsed(), probe.longest());
    assert_eq!(layer.leases().len(), count, "nobody has answered");
    // Until every handler has read the close frame and every closing handshake has begun.
    tokio::time::sleep_until((began + took + DEADLINE / 2).into()).await;
    let told = probe.longest();
    tokio::time::sleep_until((began + took + DEADLINE).into()).await;
    let late = Stopwatch::start();
    let leases = layer.leases();
    let left = || format!("{leases:?}");
    until(left, || leases.is_empty() && revocations.is_empty()).await;
    let late = late.elapsed();
    assert!(late < Duration::from_secs(1), "{late:?}");
    let (all_gone, gone) = (began.elapsed(), probe.longest());
    println!(
        "{name}: {count} sockets of {each} bytes revoked in {took:?}; a task that ticks every ms \
         waited {quiet:?} at most before, {during:?} meanwhile, {told:?} while they were told, \
         {gone:?} when all were dropped at the deadline, {all_gone:?} after the beginning"
    );
    drop((probe, clients));
    back_to(idle_tasks, idle_descriptors).await;
    let longest = longest_gap.max(took / 2);
    assert!(
        during < longest && told < longest,
        "the runtime stood still"
    );
}

fn ada(_: &mut Parts) -> std::future::Ready<Result<Grant<()>, Rejection>> {
    let grant = Grant::new(()).issued_at(SystemTime::now());
    let grant = grant
        .revocable_by("user:ada")
        .until(SystemTime::now() + Duration::from_secs(600));
    std::future::ready(Ok(grant))
}

const TICK: Duration = Duration::from_millis(1);

/// A task that ticks every millisecond, and how long it waited for its turn.
struct Probe(Arc<Shared>);

#[derive(Default)]
struct Shared {
    longest: AtomicU64,
    over: AtomicBool,
}

impl Probe {
    fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let ticking = Arc::clone(&shared);
        tokio::spawn(async move {
            while !ticking.over.load(Ordering::Relaxed) {
                // Not what the machine stood still: no other thread got on then.
                let last = Stopwatch::start();
                tokio::time::sleep(TICK).await;
                let gap = u64::try_from(last.elapsed().as_micros()).unwrap();
                ticking.longest.fetch_max(gap, Ordering::Relaxed);
            }
        });
        Self(shared)
    }

    /// Since the last call.
    fn longest(&self) -> Duration {
        Duration::from_micros(self.0.longest.swap(0, Ordering::Relaxed))
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}
