//! Keys that an issuer publishes, from a real HTTP server on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]

mod discovery;
mod hostile;
mod issuers;
mod keys;
mod layer;
mod outage;
mod own;
mod rotation;
mod server;
mod start;
