//! Tickets taken per second against a bare `ConnectionManager` that sends the same command:
//! `cargo bench -p tower-ws-auth-redis --all-features --bench consume`.
//!
//! Both take existing tickets from one Redis on this machine, in turns; the median of the rounds' ratios counts.
#![expect(
    clippy::unwrap_used,
    reason = "a bench that cannot go on has nothing to report"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use redis::aio::ConnectionManager;
use test_servers::Server;
use tower_ws_auth_redis::{Redis, RedisTicketStore};
use tower_ws_auth_ticket::{TicketKey, TicketStore as _};

const TICKETS: usize = 20_000;
const ROUNDS: usize = 9;
const ENTRY: [u8; 100] = [b'x'; 100];
const GOAL: f64 = 0.9;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let server = Server::start();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let store = RedisTicketStore::new(redis);
    let client = redis::Client::open(server.url()).unwrap();
    let bare = ConnectionManager::new(client).await.unwrap();
    println!("{TICKETS} tickets a round, median of {ROUNDS} rounds, consumes per second");
    println!("in flight       bare       ours  ratio");
    for in_flight in [1, 16, 64] {
        let (mut bares, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            bares.push(bare_round(&bare, in_flight).await);
            ours.push(our_round(&store, in_flight).await);
        }
        // Neighbours in time: what else the machine does weighs on both.
        let ratio = median(
            ours.iter()
                .zip(&bares)
                .map(|(our, bare)| our / bare)
                .collect(),
        );
        let (bare, ours) = (median(bares), median(ours));
        let verdict = match in_flight {
            1 => "",
            _ if ratio >= GOAL => "  goal 0.9 met",
            _ => "  goal 0.9 MISSED",
        };
        println!("{in_flight:9} {bare:10.0} {ours:10.0}  {ratio:.3}{verdict}");
    }
}

async fn bare_round(manager: &ConnectionManager, in_flight: usize) -> f64 {
    for first in (0..TICKETS).step_by(1000) {
        let mut fill = redis::pipe();
        for n in first..first + 1000 {
            fill.set_ex(name(n), &ENTRY[..], 60).ignore();
        }
        let () = fill.query_async(&mut manager.clone()).await.unwrap();
    }
    let manager = manager.clone();
    round(in_flight, move |n| {
        let mut manager = manager.clone();
        async move {
            let mut take = redis::cmd("GETDEL");
            take.arg(name(n));
            let taken: Option<Vec<u8>> = take.query_async(&mut manager).await.unwrap();
            taken.is_some()
        }
    })
    .await
}

async fn our_round(store: &RedisTicketStore, in_flight: usize) -> f64 {
    for first in (0..TICKETS).step_by(500) {
        let ttl = Duration::from_secs(60);
        let puts = (first..first + 500).map(|n| store.issue(key(n), ENTRY.to_vec(), None, ttl));
        for put in puts.map(tokio::spawn).collect::<Vec<_>>() {
            put.await.unwrap().unwrap();
        }
    }
    let store = store.clone();
    round(in_flight, move |n| {
        let take = store.take(key(n));
        async move { take.await.unwrap().is_some() }
    })
    .await
}

/// So many tasks share the tickets of a round.
async fn round<F>(in_flight: usize, take: impl Fn(usize) -> F + Clone + Send + 'static) -> f64
where
    F: Future<Output = bool> + Send,
{
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let tasks = (0..in_flight).map(|_| {
        let (next, take) = (Arc::clone(&next), take.clone());
        tokio::spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= TICKETS {
                    return;
                }
                assert!(take(n).await);
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    f64::from(u32::try_from(TICKETS).unwrap()) / began.elapsed().as_secs_f64()
}

/// As long as a key of ours.
fn name(n: usize) -> String {
    format!("wsauth:ticket:{n:022}")
}

fn key(n: usize) -> TicketKey {
    TicketKey::digest("bench", &[&n.to_be_bytes()])
}

fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}
