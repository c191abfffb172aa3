//! What the memory store costs, against the goals for it.
//!
//! `cargo bench -p tower-ws-auth-ticket` fills stores with a million tickets; with
//! `-- --ten-million` also with ten, which takes a minute and 2 GB. With `--check` it fails where
//! a goal is not met that is counted in bytes or tickets; times are shown, and hang on the machine.
//! To count the instructions of a consume with 1,000 or a million live, run the binary under
//! `valgrind --tool=callgrind --toggle-collect='*take_now*'` with `--take 1000`, `--take 1000000`.
//!
//! Timings are ratios within one run, both sides in turns. How long locks are held is measured in
//! the store's own sources over locks that tell ([`memory`]). Calls in which the system took the
//! processor away are left out, as far as it tells: `nonvoluntary_ctxt_switches` knows neither
//! interrupts nor a hypervisor. Hence several tries, each the same calls in the same order: a call
//! counts with the least time that it held a lock in any of them, for what the store does, it
//! does every time.

#![cfg_attr(not(loom), allow(clippy::unwrap_used, reason = "a bench may stop"))]

#[cfg(not(loom))]
mod memory;
#[cfg(not(loom))]
mod plain;
#[cfg(not(loom))]
mod sync;
// As the store's sources know them.
#[cfg(not(loom))]
use tower_ws_auth_ticket as store;

#[cfg(loom)]
fn main() {}

#[cfg(not(loom))]
fn main() -> std::process::ExitCode {
    bench::main()
}

#[cfg(not(loom))]
mod bench {
    use std::hint::black_box;
    use std::ops::Range;
    use std::process::ExitCode;
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier};
    use std::time::{Duration, Instant};

    use tower_ws_auth_core::Clock;
    use tower_ws_auth_ticket::{MemoryTickets, PutError, TicketKey};

    use crate::memory::MemoryTickets as Timed;
    use crate::plain::Plain;
    use crate::sync::longest_hold;

    const TTL: Duration = Duration::from_secs(30);
    /// Where the clock is the system's, so that it may take long.
    const DAY: Duration = Duration::from_secs(86_400);
    const MILLION: usize = 1_000_000;
    const RACERS: usize = 16;
    const RACED: usize = 100_000;

    pub(super) fn main() -> ExitCode {
        let args: Vec<_> = std::env::args().collect();
        let has = |name| args.iter().any(|arg| arg == name);
        if let Some(at) = args.iter().position(|arg| arg == "--take") {
            let live = args.get(at + 1).and_then(|live| live.parse().ok());
            take_a_thousand(live.unwrap_or(MILLION));
            return ExitCode::SUCCESS;
        }
        let ten_million = has("--ten-million");
        let mut goals = Goals { missed: 0 };

        println!("a plain sharded Mutex<HashMap> beside it, 16-byte keys and entries");
        consume(1_000, &mut goals);
        consume(MILLION, &mut goals);
        if ten_million {
            consume(10 * MILLION, &mut goals);
        }
        let most = if ten_million { 10 * MILLION } else { MILLION };
        println!("the longest that a lock is held while {most} are issued, and when all expired");
        hold(most, 2, false);
        hold(MILLION, 3, true);
        println!("{RACED} tickets, {RACERS} racing threads each");
        goals.met("accepted exactly once", race() == RACED);

        if has("--check") && goals.missed > 0 {
            eprintln!("{} goals are not met", goals.missed);
            return ExitCode::FAILURE;
        }
        ExitCode::SUCCESS
    }

    struct Goals {
        missed: usize,
    }

    impl Goals {
        /// For what comes out the same on every machine.
        fn max_connections(&mut self, what: &str, measured: f64, unit: &str, goal: f64) {
            let what = format!("{what}: {measured:.2} {unit}, goal {goal}");
            self.met(&what, measured <= goal);
        }

        fn met(&mut self, what: &str, met: bool) {
            show(what, met);
            self.missed += usize::from(!met);
        }
    }

    /// For times.
    fn show_at_most(what: &str, measured: f64, unit: &str, goal: f64) {
        show(
            &format!("{what}: {measured:.2} {unit}, goal {goal}"),
            measured <= goal,
        );
    }

    fn show(what: &str, met: bool) {
        println!("   {what} ({})", if met { "met" } else { "NOT MET" });
    }

    fn take_a_thousand(live: usize) {
        let store = filled(live);
        let taken = (0..1000).filter(|n| store.take_now(key(*n)).is_some());
        assert_eq!(taken.count(), 1000);
    }

    fn key(n: usize) -> TicketKey {
        TicketKey::digest("bench", &[&n.to_be_bytes()])
    }

    fn filled(tickets: usize) -> MemoryTickets {
        let store = MemoryTickets::builder().capacity(tickets).max_ttl(DAY);
        let store = store.build().unwrap();
        for n in 0..tickets {
            store.issue_now(key(n), vec![7; 16], None, DAY).unwrap();
        }
        store
    }

    /// Fills it, measures that; takes from it and from a plain map in turns; takes the rest.
    #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
    fn consume(live: usize, goals: &mut Goals) {
        const SLICES: usize = 5;
        let slice = (live / SLICES).min(MILLION);
        let (mut bytes, mut all_taken) = (0, true);
        let mut pairs = Vec::new();
        for _ in 0..(MILLION / live).clamp(1, 200) {
            let mut kept = None;
            let allocated = allocation_counter::measure(|| kept = Some(filled(live)));
            bytes = allocated.bytes_current;
            let tickets = kept.take().unwrap();
            let one_more = tickets.issue_now(key(live), vec![7; 16], None, DAY);
            all_taken &= matches!(one_more, Err(PutError::Full));
            let map = Plain::filled(live);
            // In an order that is not that of issuing: the step has no factor in common with `live`.
            let order = |n: usize| n * 7_368_787 % live;
            for begin in (0..SLICES).map(|n| n * slice) {
                let these = || (begin..begin + slice).map(order);
                let ours = timed(these(), |n| black_box(tickets.take_now(key(n))).is_some());
                let plain = timed(these(), |n| black_box(map.take(n)).is_some());
                pairs.push((ours, plain));
            }
            let mut rest = (SLICES * slice..live).map(order);
            all_taken &= rest.all(|n| tickets.take_now(key(n)).is_some());
            all_taken &= tickets.outstanding() == 0;
        }
        let ratio = |(ours, plain): &(Duration, Duration)| ours.as_secs_f64() / plain.as_secs_f64();
        pairs.sort_by(|a, b| ratio(a).total_cmp(&ratio(b)));
        let median = pairs[pairs.len() / 2];
        let each = |time: Duration| time.as_nanos() / slice as u128;
        let (ours, plain) = (each(median.0), each(median.1));
        println!("  {live} live: {ours} ns to digest and take, plain {plain} ns");
        let at = |part: usize| ratio(&pairs[(pairs.len() - 1) * part / 4]);
        println!("   quartiles of the ratio: {:.2} and {:.2}", at(1), at(3));
        let bytes = bytes as f64 / live as f64;
        if live == 10 * MILLION {
            show_at_most("consume", ratio(&median), "times", 1.15);
            goals.max_connections("each takes", bytes, "bytes", 90.0);
        } else {
            // Where everything is in the cache, reading the clock shows.
            println!("   consume: {:.2} times", ratio(&median));
            if live == MILLION {
                goals.max_connections("each takes", bytes, "bytes", 90.0);
            }
        }
        goals.met("one more was refused, and all were taken", all_taken);
    }

    fn timed(numbers: impl Iterator<Item = usize>, take: impl Fn(usize) -> bool) -> Duration {
        let began = Instant::now();
        for n in numbers {
            assert!(take(n), "every ticket can be taken");
        }
        began.elapsed()
    }

    fn hold(tickets: usize, tries: usize, subjects: bool) {
        let (mut issuing, mut expiring) = (Holds::default(), Holds::default());
        for _ in 0..tries {
            hold_once(tickets, subjects, &mut issuing, &mut expiring);
        }
        let kind = if subjects {
            "entries of 48 bytes, each with a subject of its own"
        } else {
            "entries of 16 bytes"
        };
        println!("  {tickets} {kind}");
        for (when, holds) in [("issuing", issuing), ("expiring", expiring)] {
            let (longest, left_out) = (holds.longest, holds.left_out);
            println!("   {when}, longest of each try {longest:?} ns, {left_out} calls left out");
            let held = holds.least.into_iter().max().unwrap_or_default();
            show_at_most(when, f64::from(held) / 1e3, "µs", 50.0);
        }
    }

    /// So many are issued; then, two periods after the last of them, one after the other until
    /// every shard has noticed.
    fn hold_once(tickets: usize, subjects: bool, issuing: &mut Holds, expiring: &mut Holds) {
        let seconds = Arc::new(AtomicU64::new(3000));
        let shown = Arc::clone(&seconds);
        let clock = Clock::from_fn(move || Clock::at(shown.load(Ordering::Relaxed)));
        let store = Timed::builder().capacity(tickets).max_ttl(TTL);
        let store = store.clock(clock).build().unwrap();
        let issue = |n: usize| {
            let subject = subjects.then(|| n.to_string());
            let entry = vec![7; if subjects { 48 } else { 16 }];
            let issued = store.issue_now(key(n), entry, subject.as_deref(), TTL);
            issued.unwrap();
        };
        issuing.longest.push(0);
        // To ask about interruptions takes longer than to issue, so not after each.
        for begin in (0..tickets).step_by(100) {
            issuing.note(begin..begin + 100, issue);
        }
        seconds.store(3060, Ordering::Relaxed);
        expiring.longest.push(0);
        let mut n = 0;
        while store.outstanding() > n {
            expiring.note(n..n + 1, |n| issue(tickets + n));
            n += 1;
        }
    }

    /// How long locks were held, in nanoseconds.
    #[derive(Default)]
    struct Holds {
        /// By each call, in that of the tries where it was least; 0 if one of them is left out.
        least: Vec<u32>,
        /// By any call of each try.
        longest: Vec<u32>,
        left_out: usize,
    }

    impl Holds {
        fn note(&mut self, calls: Range<usize>, call: impl Fn(usize)) {
            let switches = context_switches();
            longest_hold();
            let held = |n| {
                call(n);
                u32::try_from(longest_hold().as_nanos()).unwrap_or(u32::MAX)
            };
            let held: Vec<_> = calls.clone().map(held).collect();
            let known = context_switches() == switches;
            self.left_out += if known { 0 } else { calls.len() };
            self.least.resize(self.least.len().max(calls.end), u32::MAX);
            for (least, held) in self.least[calls].iter_mut().zip(held) {
                let held = if known { held } else { 0 };
                *least = held.min(*least);
                let longest = self.longest.last_mut().unwrap();
                *longest = held.max(*longest);
            }
        }
    }

    /// How often the system took the processor away from this thread, where it tells.
    fn context_switches() -> Option<String> {
        let status = std::fs::read_to_string("/proc/thread-self/status").ok()?;
        let mut lines = status.lines();
        let line = lines.find(|line| line.starts_with("nonvoluntary_ctxt_switches"))?;
        Some(line.to_owned())
    }

    /// How many were accepted exactly once.
    fn race() -> usize {
        let store = filled(RACED);
        let accepted: Vec<_> = (0..RACED).map(|_| AtomicUsize::new(0)).collect();
        let start = Barrier::new(RACERS);
        std::thread::scope(|scope| {
            for _ in 0..RACERS {
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
