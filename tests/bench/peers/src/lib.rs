//! The other crates, as cases of the bench suite.

mod jwt;
mod sessions;
mod tickets;

/// All cases: this package's, and those without other crates.
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
