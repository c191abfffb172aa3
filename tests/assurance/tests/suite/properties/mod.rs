//! Statements about all inputs.

mod flipped_bits;
mod gate;
mod once;
mod order;
mod round_trips;
mod strictness;

use proptest::test_runner::{Config, TestRunner};

fn config(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    }
}

/// For properties that count what they have seen.
fn runner(cases: u32) -> TestRunner {
    TestRunner::new(config(cases))
}
