//! The crates that one would use instead, as cases of the bench suite.

mod jwt;
mod sessions;
mod tickets;

/// All cases: this package's, and those that need no peers.
pub fn all() -> Vec<bench_suite::Case> {
    [
        bench_suite::own(),
        jwt::cases(),
        sessions::cases(),
        tickets::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
