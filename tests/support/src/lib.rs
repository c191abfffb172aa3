//! What the tests of several packages share.
//!
//! It depends on no crate of ours, so that it is built once and tests of every crate can use it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "only tests use it, and they fail by panicking"
)]

mod log;
mod stopwatch;

pub use self::log::Log;
pub use self::stopwatch::Stopwatch;
