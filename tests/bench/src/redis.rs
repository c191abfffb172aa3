//! Tickets on Redis at scale: how many a second, and how long a handshake waits for one meanwhile.
//!
//! On one Redis, and on a cluster of three masters. The commands of one connection are pipelined.
//! The CPU time of Redis for a command says what a master with a core of its own can do, even where
//! several processes share a core.

mod half;
mod news;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use test_servers::{Cluster, Server};
use tower_ws_auth::redis::{Redis, RedisTickets};
use tower_ws_auth::ticket::{TicketKey, TicketStore as _};

use self::half::{Half, at_half};
use crate::case::Crypto;
use crate::rows::socket::runtime;
use crate::table::{date, machine};

/// Commands in flight, the last for the half load.
const IN_FLIGHT: [u32; 3] = [16, 64, 256];
const ROUNDS: usize = 5;
/// Tickets for a round.
const TICKETS: u32 = 50_000;
/// Tickets are issued so many at a time.
const BATCH: u32 = 500;
const ENTRY: [u8; 100] = [b'x'; 100];
const TTL: Duration = Duration::from_secs(300);

/// The program that prints the table.
pub fn main() {
    Crypto::AwsLc.install();
    println!("{}, {}\n", machine(), date());
    println!(
        "| masters | in flight | takes a second | CPU of Redis for a take | a second, with a core for each master |"
    );
    println!("|---|---|---|---|---|");
    let runtime = runtime();
    let mut halves = Vec::new();
    let mut issued = Vec::new();
    for masters in [1, 3] {
        let nodes = runtime.block_on(Nodes::start(masters));
        let store = runtime.block_on(async { nodes.store() });
        let mut rate = 0.0;
        for in_flight in IN_FLIGHT {
            let taken = runtime.block_on(rates(&nodes, &store, in_flight));
            rate = taken.rate;
            let cores = f64::from(masters) / taken.cpu;
            println!(
                "| {masters} | {in_flight} | {rate:.0} | {:.2} µs | {cores:.0} |",
                taken.cpu * 1e6
            );
        }
        halves.push((masters, at_half(&runtime, &nodes, &store, rate / 2.0)));
        for subject in [None, Some("subject")] {
            let cpu = runtime.block_on(issues(&nodes, &store, subject));
            issued.push((masters, subject, cpu));
        }
    }
    println!("\n| masters | a ticket to issue | CPU of Redis |");
    println!("|---|---|---|");
    for (masters, subject, cpu) in issued {
        let which = subject.map_or("without a subject", |_| "with one");
        println!("| {masters} | {which} | {:.1} µs |", cpu * 1e6);
    }
    println!(
        "\n| masters | takes a second, about half of the most | p99 of a take | p99 of a handshake with a ticket | p99 of the same, alone |"
    );
    println!("|---|---|---|---|---|");
    for (masters, half) in halves {
        let Half {
            rate,
            take,
            beside,
            alone,
        } = half;
        println!(
            "| {masters} | {rate:.0} | {:.2} ms | {:.2} ms | {:.2} ms |",
            take * 1e3,
            beside * 1e3,
            alone * 1e3
        );
    }
    println!(
        "\n| nodes | CPU of Redis for a revocation | revocations a second, with a core for Redis |"
    );
    println!("|---|---|---|");
    for nodes in [1, 20, 50] {
        let cpu = runtime.block_on(news::cpu(nodes));
        println!("| {nodes} | {:.1} µs | {:.0} |", cpu * 1e6, 1.0 / cpu);
    }
}

enum Nodes {
    One(Server),
    Cluster(Cluster),
}

impl Nodes {
    async fn start(masters: u32) -> Self {
        match masters {
            1 => Self::One(Server::start()),
            more => Self::Cluster(Cluster::start(more as usize, 0).await),
        }
    }

    fn urls(&self) -> Vec<String> {
        match self {
            Self::One(server) => vec![server.url()],
            Self::Cluster(cluster) => cluster.urls(),
        }
    }

    fn store(&self) -> RedisTickets {
        store(&self.urls())
    }

    fn servers(&self) -> &[Server] {
        match self {
            Self::One(server) => std::slice::from_ref(server),
            Self::Cluster(cluster) => &cluster.nodes,
        }
    }

    /// The CPU time of all, in seconds.
    async fn cpu(&self) -> f64 {
        let mut cpu = 0.0;
        for server in self.servers() {
            let info: String = server.ask("INFO cpu").await;
            for name in ["used_cpu_sys:", "used_cpu_user:"] {
                let value = info.lines().find_map(|line| line.strip_prefix(name));
                cpu += value.unwrap().trim().parse::<f64>().unwrap();
            }
        }
        cpu
    }
}

/// In a runtime, on which its connections live.
fn store(urls: &[String]) -> RedisTickets {
    // More than the default, so that the bound is not what is measured.
    let builder = Redis::builder()
        .max_in_flight(100_000)
        .timeout(Duration::from_secs(10));
    let redis = match urls {
        [url] => builder.connect_lazy(url),
        urls => builder.cluster_lazy(urls.iter().map(String::as_str)),
    };
    RedisTickets::new(redis.unwrap()).per_subject(u32::MAX)
}

struct Rate {
    /// Takes a second.
    rate: f64,
    /// CPU seconds of Redis for each of them.
    cpu: f64,
}

/// The medians of the rounds.
async fn rates(nodes: &Nodes, store: &RedisTickets, in_flight: u32) -> Rate {
    let (mut rates, mut cpus) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut keys = issue(store, TICKETS, None).await;
        let before = nodes.cpu().await;
        let began = Instant::now();
        let shares = (0..in_flight).map(|n| {
            let share = TICKETS / in_flight + u32::from(n < TICKETS % in_flight);
            keys.drain(..share as usize).collect::<Vec<_>>()
        });
        let shares: Vec<_> = shares.collect();
        let taking = shares.into_iter().map(async |share| {
            for key in share {
                assert!(store.take(key).await.unwrap().is_some());
            }
        });
        join_all(taking).await;
        rates.push(f64::from(TICKETS) / began.elapsed().as_secs_f64());
        cpus.push((nodes.cpu().await - before) / f64::from(TICKETS));
    }
    Rate {
        rate: median(rates),
        cpu: median(cpus),
    }
}

/// CPU seconds of Redis for each ticket that is issued: the median of the rounds.
async fn issues(nodes: &Nodes, store: &RedisTickets, subject: Option<&str>) -> f64 {
    let mut cpus = Vec::new();
    for _ in 0..ROUNDS {
        let before = nodes.cpu().await;
        issue(store, TICKETS / 5, subject).await;
        cpus.push((nodes.cpu().await - before) / f64::from(TICKETS / 5));
    }
    median(cpus)
}

/// Puts tickets that nobody has used into the store, each for a subject of this name and a number.
async fn issue(store: &RedisTickets, count: u32, subject: Option<&str>) -> VecDeque<TicketKey> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut keys = VecDeque::new();
    while keys.len() < count as usize {
        let batch = (0..BATCH).map(|_| NEXT.fetch_add(1, Ordering::Relaxed));
        let batch: Vec<_> = batch
            .map(|n| {
                let key = TicketKey::digest("bench", &[&n.to_be_bytes()]);
                (key, subject.map(|name| format!("{name}{n}")))
            })
            .collect();
        let puts = batch
            .iter()
            .map(|(key, subject)| store.issue(*key, ENTRY.to_vec(), subject.as_deref(), TTL));
        for put in join_all(puts).await {
            put.unwrap();
        }
        keys.extend(batch.into_iter().map(|(key, _)| key));
    }
    keys
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
