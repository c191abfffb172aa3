//! What a handshake costs, and a fleet.

fn main() {
    bench_suite::cost();
}
