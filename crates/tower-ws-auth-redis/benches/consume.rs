//! Tickets taken per second against a bare `ConnectionManager` that sends the same command:
//! `cargo bench -p tower-ws-auth-redis --all-features --bench consume [-- --check]`.
//!
//! Both take existing tickets from one Redis on this machine, in turns; the median of the rounds'
//! ratios counts. What is exact is demanded always: one command for each ticket. `--check` demands
//! the ratio as well, less than the goal by what a machine does beside, in one of three tries.
#![expect(
    clippy::unwrap_used,
    reason = "a bench that cannot go on has nothing to report"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use redis::aio::ConnectionManager;
use test_servers::Server;
use tower_ws_auth_redis::{Redis, RedisTickets};
use tower_ws_auth_ticket::{TicketKey, TicketStore as _};

/// In flight, and tickets for a round of about as long.
const SIZES: [(usize, usize); 3] = [(1, 5_000), (16, 20_000), (64, 20_000)];
const ROUNDS: usize = 7;
const ENTRY: [u8; 100] = [b'x'; 100];
const GOAL: f64 = 0.9;
const FLOOR: f64 = 0.8;
const TRIES: usize = 3;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let server = Server::start();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let store = RedisTickets::new(redis);
    let client = redis::Client::open(server.url()).unwrap();
    let bare = ConnectionManager::new(client).await.unwrap();
    let check = std::env::args().any(|argument| argument == "--check");
    println!("consumes per second, median of {ROUNDS} rounds, and what they cost Redis");
    println!("in flight       bare       ours  ratio  commands");
    for (in_flight, tickets) in SIZES {
        let mut best = 0.0_f64;
        for _ in 0..if check { TRIES } else { 1 } {
            best = best.max(compare(&server, &bare, &store, in_flight, tickets).await);
            if best >= FLOOR {
                break;
            }
        }
        assert!(!check || best >= FLOOR, "below {FLOOR}, {TRIES} times");
    }
}

/// The ratio of the two rates.
async fn compare(
    server: &Server,
    bare: &ConnectionManager,
    store: &RedisTickets,
    in_flight: usize,
    tickets: usize,
) -> f64 {
    let (mut bares, mut ours) = (Vec::new(), Vec::new());
    let mut commands = 0;
    for _ in 0..ROUNDS {
        bares.push(bare_round(bare, in_flight, tickets).await);
        let (rate, sent) = our_round(server, store, in_flight, tickets).await;
        ours.push(rate);
        commands += sent;
    }
    let taken = tickets * ROUNDS;
    assert_eq!(commands, taken, "one command each");
    // Neighbours in time: what else the machine does weighs on both.
    let ratio = median(
        ours.iter()
            .zip(&bares)
            .map(|(our, bare)| our / bare)
            .collect(),
    );
    let (bare, ours) = (median(bares), median(ours));
    let verdict = if ratio >= GOAL { "met" } else { "MISSED" };
    println!(
        "{in_flight:9} {bare:10.0} {ours:10.0}  {ratio:.3}  {commands} for {taken} tickets; goal {GOAL} {verdict}"
    );
    ratio
}

async fn bare_round(manager: &ConnectionManager, in_flight: usize, tickets: usize) -> f64 {
    for first in (0..tickets).step_by(1000) {
        let mut fill = redis::pipe();
        for n in first..first + 1000 {
            fill.set_ex(name(n), &ENTRY[..], 60).ignore();
        }
        let () = fill.query_async(&mut manager.clone()).await.unwrap();
    }
    let manager = manager.clone();
    round(in_flight, tickets, move |n| {
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

/// The rate, and how many commands it took.
async fn our_round(
    server: &Server,
    store: &RedisTickets,
    in_flight: usize,
    tickets: usize,
) -> (f64, usize) {
    for first in (0..tickets).step_by(500) {
        let ttl = Duration::from_secs(60);
        let puts = (first..first + 500).map(|n| store.issue(key(n), ENTRY.to_vec(), None, ttl));
        for put in puts.map(tokio::spawn).collect::<Vec<_>>() {
            put.await.unwrap().unwrap();
        }
    }
    let () = server.ask("CONFIG RESETSTAT").await;
    let store = store.clone();
    let rate = round(in_flight, tickets, move |n| {
        let take = store.take(key(n));
        async move { take.await.unwrap().is_some() }
    })
    .await;
    (rate, commands(server).await)
}

/// Sent since the counts were reset, but for those of who resets and asks.
async fn commands(server: &Server) -> usize {
    let stats: String = server.ask("INFO commandstats").await;
    let sent = stats.lines().filter_map(|line| {
        let (command, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let asks = ["info", "client", "config", "hello"];
        if asks.iter().any(|own| command.starts_with(own)) {
            return None;
        }
        rest.split(',').next()?.parse::<usize>().ok()
    });
    sent.sum()
}

/// So many tasks share the tickets of a round.
async fn round<F>(
    in_flight: usize,
    tickets: usize,
    take: impl Fn(usize) -> F + Clone + Send + 'static,
) -> f64
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
                if n >= tickets {
                    return;
                }
                assert!(take(n).await);
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    f64::from(u32::try_from(tickets).unwrap()) / began.elapsed().as_secs_f64()
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
