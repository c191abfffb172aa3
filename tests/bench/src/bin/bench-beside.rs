//! This project's stack beside what one would use instead.

fn main() -> std::process::ExitCode {
    bench_suite::beside()
}
