//! Statements about all inputs.

mod flipped_bits;
mod gate;
mod once;
mod order;
mod round_trips;
mod strictness;

use proptest::test_runner::{Config, TestRunner};
use test_support::of_tier;

/// So many cases in the slow tier, a tenth of them in the fast one.
fn config(cases: u32) -> Config {
    Config {
        cases: of_tier(cases / 10, cases),
        failure_persistence: None,
        ..Config::default()
    }
}

/// For properties that count what they have seen.
fn runner(cases: u32) -> TestRunner {
    TestRunner::new(config(cases))
}
