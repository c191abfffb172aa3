//! The cost of a handshake, and of a fleet.

fn main() {
    bench_suite::cost();
}
