//! Futures that are dropped, clients that misbehave, and clocks that jump.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod clock;
mod drops;
mod faults;
