//! Leases under load: handlers that know nothing of them, clients that check every byte.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bad_input;
mod frames;
mod handlers;
mod server;
mod storm;
