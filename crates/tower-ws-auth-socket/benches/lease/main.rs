//! What a lease costs in time: `cargo bench -p tower-ws-auth-socket --bench lease`.
//!
//! The same stack with and without it: an `AuthLayer` whose grants have two keys and an end, behind
//! hyper. With it the strategy is revocable, by a store in memory, and a `LeaseLayer` stands inside.
//! Both sides take turns in one run, and the median of what they differ in within the rounds
//! counts. Times are only shown; what can be demanded is in the bench `allocations`.
#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a program for developers"
)]

mod stack;
mod traffic;

use std::time::{Duration, Instant};

use test_support::bench::Pairs;

use crate::stack::Bench;

/// How many leases are open beside those that are measured: maps have their depth.
const OPEN: usize = 10_000;

fn main() {
    // `cargo test --benches` passes it.
    let quick = std::env::args().any(|argument| argument == "--test");
    let rounds = if quick { 1 } else { 41 };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let entered = runtime.enter();
    set_up(rounds);
    drop(entered);
    traffic::measure(rounds);
}

/// Opens connections beside many that are open, and lets them go.
fn set_up(rounds: usize) {
    // So few that as a rule nothing else has the processor in between.
    const EACH: u32 = 50;
    let bench = Bench::new();
    let others: Vec<_> = (0..OPEN).map(|_| bench.open(true)).collect();
    let (mut opening, mut ending) = (Pairs::default(), Pairs::default());
    for round in 0..rounds * 100 {
        let (mut opened, mut ended) = ([Duration::ZERO; 2], [Duration::ZERO; 2]);
        for turn in [round, round + 1] {
            let side = turn % 2;
            let mut open = Vec::with_capacity(EACH as usize);
            let began = Instant::now();
            open.extend((0..EACH).map(|_| bench.open(side == 1)));
            opened[side] = began.elapsed() / EACH;
            let began = Instant::now();
            drop(open);
            ended[side] = began.elapsed() / EACH;
        }
        opening.push(opened);
        ending.push(ended);
    }
    print("set-up", &opening, "goal: 2 µs");
    print("end", &ending, "no goal");
    drop(others);
}

/// What a lease costs more: by the medians, and by the best rounds.
fn print(name: &str, pairs: &Pairs, goal: &str) {
    for (which, [plain, leased]) in [("median", pairs.medians()), ("best", pairs.best())] {
        let more = leased.saturating_sub(plain);
        println!("{name}, {which}: without {plain:?}, with {leased:?}: + {more:?} ({goal})");
    }
}
