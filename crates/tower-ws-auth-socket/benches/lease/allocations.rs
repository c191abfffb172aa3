//! What a lease allocates and keeps: `cargo bench -p tower-ws-auth-socket --bench allocations`.
//!
//! Apart from the bench `lease`, whose times a counting allocator would spoil. With `--check` it
//! fails where more is allocated or kept than is allowed.
#![allow(clippy::unwrap_used, reason = "a program for developers")]

mod stack;

use std::process::ExitCode;

use test_support::memory::reading;

use crate::stack::Bench;

/// So many allocations may a handshake make for its lease, and so many bytes may it keep.
const MOST_ALLOCATIONS: u64 = 22;
const MOST_BYTES: i64 = 960;

fn main() -> ExitCode {
    let has = |flag: &str| std::env::args().any(|argument| argument == flag);
    // `cargo test --benches` passes it.
    let connections = if has("--test") { 1000 } else { 100_000 };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let (allocations, bytes) = (allocations(), bytes_kept(connections));
    if has("--check") && (allocations > MOST_ALLOCATIONS || bytes > MOST_BYTES) {
        eprintln!("allowed are {MOST_ALLOCATIONS} allocations and {MOST_BYTES} bytes");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// How many allocations a connection makes for its lease, as the median of some.
fn allocations() -> u64 {
    let bench = Bench::new();
    let [plain, leased] = [false, true].map(|leased| {
        let one = |_| allocation_counter::measure(|| drop(bench.open(leased))).count_total;
        let mut counts: Vec<_> = (0..101).map(one).collect();
        counts.sort_unstable();
        counts[counts.len() / 2]
    });
    let more = leased - plain;
    println!("allocations  without {plain}, with {leased}: + {more}");
    more
}

/// The bytes that an open connection keeps for its lease, once its handler has begun to read.
fn bytes_kept(connections: usize) -> i64 {
    let kept = |leased| {
        let bench = Bench::new();
        let mut kept = Vec::with_capacity(connections);
        let info = allocation_counter::measure(|| {
            for _ in 0..connections {
                kept.push(reading(bench.open(leased)));
            }
        });
        info.bytes_current / i64::try_from(connections).unwrap()
    };
    let [plain, leased] = [false, true].map(kept);
    let more = leased - plain;
    println!("bytes kept   without {plain}, with {leased}: + {more} ({connections} open)");
    more
}
