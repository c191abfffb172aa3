//! The table of the goals, without the peers.

fn main() -> std::process::ExitCode {
    bench_suite::main(bench_suite::own)
}
