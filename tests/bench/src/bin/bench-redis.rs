//! Tickets on one Redis, and on three.

fn main() {
    bench_suite::redis();
}
