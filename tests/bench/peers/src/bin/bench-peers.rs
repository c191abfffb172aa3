//! The table of the goals.

fn main() -> std::process::ExitCode {
    bench_suite::main(bench_peers::all)
}
