//! Rows 8 to 10: tickets in memory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tower_ws_auth::Clock;
use tower_ws_auth::ticket::{MemoryTickets, TicketKey};

use crate::Case;

const DAY: Duration = Duration::from_secs(86_400);
const TTL: Duration = Duration::from_secs(30);
const MILLION: usize = 1_000_000;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::call("ticket/take-1k", || take(1_000)).untimed(),
        Case::call("ticket/take-100k", || take(100_000)).untimed(),
        Case::call("ticket/take-1m", || take(MILLION))
            .untimed()
            .slow(),
        Case::call("ticket/turn", || {
            let store = filled(MILLION);
            each_in_turn(move |n| {
                assert!(store.take_now(digest(n)).is_some());
                store.issue_now(digest(n), vec![7; 16], None, DAY).unwrap();
            })
        })
        .slow(),
        Case::call("plain/turn", || {
            let plain = Plain::new();
            (0..MILLION).for_each(|n| plain.issue(n));
            each_in_turn(move |n| {
                assert!(plain.take(n).is_some());
                plain.issue(n);
            })
        })
        .slow(),
        Case::kept("ticket/1m", 1e6, || || filled(MILLION)),
        Case::kept("ticket/10m", 1e7, || || filled(10 * MILLION)).slow(),
        Case::number("ticket/expiry", longest_call_of_expiry).slow(),
    ]
}

/// The 16 bytes of this ticket's key.
pub fn key(n: usize) -> [u8; 16] {
    *digest(n).as_bytes()
}

pub(super) fn digest(n: usize) -> TicketKey {
    TicketKey::digest("bench", &[&n.to_be_bytes()])
}

fn filled(tickets: usize) -> MemoryTickets {
    let store = MemoryTickets::builder().capacity(tickets).max_ttl(DAY);
    let store = store.build().unwrap();
    for n in 0..tickets {
        store.issue_now(digest(n), vec![7; 16], None, DAY).unwrap();
    }
    store
}

fn take(live: usize) -> impl FnMut() {
    let store = filled(live);
    let mut next = 0;
    move || {
        assert!(store.take_now(digest(next)).is_some());
        next += 1;
    }
}

/// In an order other than that of issuing: the step has no factor in common with a million.
pub fn each_in_turn(turn: impl Fn(usize)) -> impl FnMut() {
    let mut n = 0;
    move || {
        n = (n + 736_879) % MILLION;
        turn(n);
    }
}

/// Without expiry, bounds or subjects: 16-byte keys by digest, in 512 maps.
struct Plain(Vec<Mutex<HashMap<[u8; 16], Vec<u8>>>>);

impl Plain {
    fn new() -> Self {
        Self((0..512).map(|_| Mutex::default()).collect())
    }

    fn shard(&self, key: [u8; 16]) -> &Mutex<HashMap<[u8; 16], Vec<u8>>> {
        &self.0[usize::from(u16::from_be_bytes([key[14], key[15]])) & 511]
    }

    fn issue(&self, n: usize) {
        let key = key(n);
        self.shard(key).lock().unwrap().insert(key, vec![7; 16]);
    }

    fn take(&self, n: usize) -> Option<Vec<u8>> {
        let key = key(n);
        self.shard(key).lock().unwrap().remove(&key)
    }
}

/// The longest wait of a caller while a million entries expire. No lock is held longer. Each try
/// makes the same calls: the store's own work occurs in all of them, and interrupts do not.
fn longest_call_of_expiry() -> f64 {
    let mut least: Vec<Duration> = Vec::new();
    for _ in 0..5 {
        let seconds = Arc::new(AtomicU64::new(3000));
        let shown = Arc::clone(&seconds);
        let clock = Clock::from_fn(move || Clock::at(shown.load(Ordering::Relaxed)));
        let store = MemoryTickets::builder()
            .capacity(MILLION)
            .max_ttl(TTL)
            .clock(clock);
        let store = store.build().unwrap();
        let issue = |n| store.issue_now(digest(n), vec![7; 16], None, TTL).unwrap();
        (0..MILLION).for_each(issue);
        seconds.store(3060, Ordering::Relaxed);
        let mut n = 0;
        while store.outstanding() > n {
            let began = Instant::now();
            issue(MILLION + n);
            let took = began.elapsed();
            match least.get_mut(n) {
                Some(least) => *least = took.min(*least),
                None => least.push(took),
            }
            n += 1;
        }
    }
    let longest = least.into_iter().max().unwrap_or_default();
    longest.as_secs_f64() * 1e9
}
