//! The allocations of the goals, without the peers.

fn main() {
    bench_suite::allocations(bench_suite::own(), |call| {
        let counted = allocation_counter::measure(call);
        bench_suite::Counted {
            allocations: counted.count_total,
            kept: counted.bytes_current,
        }
    });
}
