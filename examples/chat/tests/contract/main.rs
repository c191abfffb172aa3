//! What people's own clients rely on, over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod accounts;
mod endings;
mod first;
mod foreign_tokens;
mod held;
mod jwks;
mod jwt;
mod logout;
mod metrics;
mod peer;
mod program;
mod renew;
mod tls;
