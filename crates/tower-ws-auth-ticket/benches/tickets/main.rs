//! What the memory store costs, against the goals for it.
//!
//! `cargo bench -p tower-ws-auth-ticket` takes about a minute; with `-- --full` it also fills
//! stores with 10 million tickets, which takes minutes and about 2 GB. To count the instructions
//! of a consume with 1,000 or a million live, run the binary under
//! `valgrind --tool=callgrind --toggle-collect='*take_now*'` with `--take 1000`, `--take 1000000`.
//!
//! Timings are ratios within one run: a busy machine makes them worse, never better. The time of
//! a call is an upper bound of how long it held its lock.

#![allow(clippy::unwrap_used, reason = "a bench may stop")]

#[cfg(loom)]
fn main() {}

#[cfg(not(loom))]
fn main() {
    bench::main();
}

#[cfg(not(loom))]
mod bench {
    use std::collections::HashMap;
    use std::hint::black_box;
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier, Mutex};
    use std::time::{Duration, Instant};

    use sha2::{Digest as _, Sha256};
    use tower_ws_auth_core::Clock;
    use tower_ws_auth_ticket::{MemoryTickets, TicketKey};

    const TTL: Duration = Duration::from_secs(30);
    const MILLION: usize = 1_000_000;

    pub(super) fn main() {
        let mut args = std::env::args();
        if args.any(|arg| arg == "--take") {
            let live = args.next().and_then(|live| live.parse().ok());
            return take_a_thousand(live.unwrap_or(MILLION));
        }
        let full = std::env::args().any(|arg| arg == "--full");
        let most = if full { 10 * MILLION } else { MILLION };

        println!("bytes per live ticket, 16-byte keys and entries");
        goal("  1 M", bytes_per_ticket(MILLION, false), 75.0, "bytes");
        if full {
            goal(" 10 M", bytes_per_ticket(most, false), 60.0, "bytes");
        }
        let with_subject = bytes_per_ticket(MILLION, true);
        println!("   1 M, each with a subject of its own: {with_subject:.1} bytes");

        println!("consume, and against a plain sharded Mutex<HashMap>");
        let sizes: &[usize] = if full {
            &[1_000, MILLION, 10 * MILLION]
        } else {
            &[1_000, MILLION]
        };
        for &live in sizes {
            consume(live);
        }

        println!("the longest call while {most} expire, with the freeing, which holds no lock");
        let tries: Vec<_> = (0..3).map(|_| longest_call(most)).collect();
        println!("   three tries, and the calls that were interrupted and left out: {tries:?}");
        let longest = tries.iter().map(|(longest, _)| *longest).min();
        let longest = longest.unwrap_or_default();
        // Where it is longer than the goal for the lock, it proves nothing either way.
        goal("     ", longest.as_secs_f64() * 1e6, 50.0, "µs");

        println!("100,000 tickets, 16 racing threads each");
        let accepted = race(100_000);
        println!(
            "   accepted exactly once: {accepted} {}",
            verdict(accepted == 100_000)
        );
    }

    fn take_a_thousand(live: usize) {
        let store = filled(live, Clock::fixed(1000));
        let taken = (0..1000).filter(|n| store.take_now(key(*n)).is_some());
        assert_eq!(taken.count(), 1000);
    }

    fn goal(what: &str, measured: f64, goal: f64, unit: &str) {
        let met = verdict(measured <= goal);
        println!("  {what}: {measured:.2} {unit}, goal {goal} {met}");
    }

    fn verdict(met: bool) -> &'static str {
        if met { "(met)" } else { "(NOT MET)" }
    }

    fn key(n: usize) -> TicketKey {
        TicketKey::digest("bench", &[&n.to_be_bytes()])
    }

    fn store(capacity: usize, clock: Clock) -> MemoryTickets {
        let builder = MemoryTickets::builder().capacity(capacity).max_ttl(TTL);
        builder.clock(clock).build().unwrap()
    }

    fn filled(tickets: usize, clock: Clock) -> MemoryTickets {
        let store = store(tickets, clock);
        for n in 0..tickets {
            store.issue_now(key(n), vec![7; 16], None, TTL).unwrap();
        }
        store
    }

    #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
    fn bytes_per_ticket(tickets: usize, subjects: bool) -> f64 {
        let mut kept = None;
        let allocated = allocation_counter::measure(|| {
            let store = store(tickets, Clock::fixed(1000));
            for n in 0..tickets {
                let subject = subjects.then(|| n.to_string());
                let issued = store.issue_now(key(n), vec![7; 16], subject.as_deref(), TTL);
                issued.unwrap();
            }
            kept = Some(store);
        });
        allocated.bytes_current as f64 / tickets as f64
    }

    /// Nanoseconds to digest what a client presents and take it, here and from a plain map.
    fn consume(live: usize) {
        let rounds = (MILLION / live).clamp(1, 200);
        let taken = live.min(MILLION);
        let (mut ours, mut plain) = (Duration::MAX, Duration::MAX);
        for _ in 0..3 {
            let (mut ours_now, mut plain_now) = (Duration::ZERO, Duration::ZERO);
            for _ in 0..rounds {
                let tickets = filled(live, Clock::system());
                ours_now += timed(live, taken, |n| {
                    black_box(tickets.take_now(key(n))).is_some()
                });
                drop(tickets);
                let map = Plain::filled(live);
                plain_now += timed(live, taken, |n| black_box(map.take(n)).is_some());
            }
            ours = ours.min(ours_now);
            plain = plain.min(plain_now);
        }
        let each = |time: Duration| time.as_nanos() / (taken * rounds) as u128;
        println!(
            "   {live} live: {} ns, plain {} ns",
            each(ours),
            each(plain)
        );
        let ratio = ours.as_secs_f64() / plain.as_secs_f64();
        if live == 10 * MILLION {
            goal("     ", ratio, 1.15, "times");
        } else {
            // Where everything is in the cache, reading the clock shows.
            println!("        {ratio:.2} times");
        }
    }

    fn timed(live: usize, taken: usize, take: impl Fn(usize) -> bool) -> Duration {
        // In an order that is not that of issuing: the step has no common factor with `live`.
        let step = 7_368_787 % live;
        let began = Instant::now();
        let mut n = 0;
        for _ in 0..taken {
            assert!(take(n));
            n = (n + step) % live;
        }
        began.elapsed()
    }

    /// The same without expiry, caps or subjects: keys of 16 bytes by digest, in 512 maps.
    struct Plain(Vec<Shard>);

    type Shard = Mutex<HashMap<[u8; 16], Vec<u8>>>;

    impl Plain {
        fn filled(tickets: usize) -> Self {
            let maps = (0..512).map(|_| Mutex::default()).collect();
            let plain = Self(maps);
            for n in 0..tickets {
                let (map, key) = plain.at(n);
                map.lock().unwrap().insert(key, vec![7; 16]);
            }
            plain
        }

        fn take(&self, n: usize) -> Option<Vec<u8>> {
            let (map, key) = self.at(n);
            map.lock().unwrap().remove(&key)
        }

        fn at(&self, n: usize) -> (&Shard, [u8; 16]) {
            // What `key` digests, in one piece.
            let mut input = [0; 29];
            input[7] = 5;
            input[8..13].copy_from_slice(b"bench");
            input[20] = 8;
            input[21..].copy_from_slice(&n.to_be_bytes());
            let digest = Sha256::digest(input);
            let mut key = [0; 16];
            key.copy_from_slice(&digest[..16]);
            let shard = usize::from(u16::from_be_bytes([key[14], key[15]]));
            (&self.0[shard & 511], key)
        }
    }

    /// Two periods after the last of them was issued, until every shard has noticed.
    fn longest_call(tickets: usize) -> (Duration, usize) {
        let seconds = Arc::new(AtomicU64::new(3000));
        let shown = Arc::clone(&seconds);
        let clock = Clock::from_fn(move || Clock::at(shown.load(Ordering::Relaxed)));
        let store = filled(tickets, clock);
        seconds.store(3060, Ordering::Relaxed);
        let (mut longest, mut interrupted) = (Duration::ZERO, 0);
        let mut n = tickets;
        while store.outstanding() > n - tickets {
            let key = key(n);
            let switches = context_switches();
            let began = Instant::now();
            let issued = store.issue_now(key, Vec::new(), None, TTL);
            let took = began.elapsed();
            if context_switches() == switches {
                longest = longest.max(took);
            } else {
                interrupted += 1;
            }
            issued.unwrap();
            n += 1;
        }
        (longest, interrupted)
    }

    /// How often the system took the processor away from this thread, where it tells.
    fn context_switches() -> Vec<String> {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        let switches = status.lines().filter(|line| line.contains("ctxt_switches"));
        switches.map(str::to_owned).collect()
    }

    fn race(tickets: usize) -> usize {
        let store = filled(tickets, Clock::system());
        let accepted: Vec<_> = (0..tickets).map(|_| AtomicUsize::new(0)).collect();
        let start = Barrier::new(16);
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    start.wait();
                    for (n, accepted) in accepted.iter().enumerate() {
                        let taken = store.take_now(key(n)).is_some();
                        accepted.fetch_add(usize::from(taken), Ordering::Relaxed);
                    }
                });
            }
        });
        let once = |accepted: &&AtomicUsize| accepted.load(Ordering::Relaxed) == 1;
        accepted.iter().filter(once).count()
    }
}
