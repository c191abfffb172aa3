//! Rows 8 to 10: maps that could keep tickets.

use std::time::{Duration, Instant};

use bench_suite::{Case, each_in_turn};
use dashmap::DashMap;
use moka::sync::Cache;

const MILLION: usize = 1_000_000;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::call("dashmap/take-1k", || take(1_000)).untimed(),
        Case::call("dashmap/take-100k", || take(100_000)).untimed(),
        Case::call("dashmap/turn", || {
            let map = filled(MILLION);
            each_in_turn(move |n| {
                assert!(map.remove(&key(n)).is_some());
                map.insert(key(n), entry());
            })
        })
        .slow(),
        Case::call("moka/turn", || {
            let cache = cached();
            each_in_turn(move |n| {
                assert!(cache.remove(&key(n)).is_some());
                cache.insert(key(n), entry().0);
            })
        })
        .slow(),
        Case::kept("dashmap/1m", 1e6, || || filled(MILLION)),
        Case::kept("dashmap/10m", 1e7, || || filled(10 * MILLION)).slow(),
        Case::kept("moka/1m", 1e6, || cached).slow(),
        Case::number("dashmap/expiry", hold_of_retain).slow(),
    ]
}

/// With an expiry as coarse as ours, an application would write this entry.
type Entry = (Vec<u8>, u32);

fn entry() -> Entry {
    (vec![7; 16], 1)
}

fn key(n: usize) -> [u8; 16] {
    bench_suite::key(n)
}

fn filled(tickets: usize) -> DashMap<[u8; 16], Entry> {
    let map = DashMap::with_shard_amount(512);
    for n in 0..tickets {
        map.insert(key(n), entry());
    }
    map
}

fn take(live: usize) -> impl FnMut() {
    let map = filled(live);
    let mut next = 0;
    move || {
        assert!(map.remove(&key(next)).is_some());
        next += 1;
    }
}

fn cached() -> Cache<[u8; 16], Vec<u8>> {
    let cache = Cache::builder()
        .max_capacity(2 * MILLION as u64)
        .time_to_live(Duration::from_secs(86_400))
        .build();
    for n in 0..MILLION {
        cache.insert(key(n), vec![7; 16]);
    }
    cache.run_pending_tasks();
    cache
}

/// The sweep of expired entries locks one shard after the other. The minimum of three tries, as if
/// all shards were alike.
fn hold_of_retain() -> f64 {
    let once = |_| {
        let map = filled(MILLION);
        let began = Instant::now();
        map.retain(|_, entry| entry.1 > 1);
        assert!(map.is_empty());
        began.elapsed().as_secs_f64() * 1e9 / 512.0
    };
    (0..3).map(once).fold(f64::INFINITY, f64::min)
}
