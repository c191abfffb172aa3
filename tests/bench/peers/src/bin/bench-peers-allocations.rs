//! The allocations of the goals, with the peers.

fn main() {
    bench_suite::allocations(bench_peers::all(), |call| {
        let counted = allocation_counter::measure(call);
        bench_suite::Counted {
            allocations: counted.count_total,
            kept: counted.bytes_current,
        }
    });
}
