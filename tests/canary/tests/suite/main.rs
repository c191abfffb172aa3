//! A secret goes through every layer and is found nowhere. Events are logged and counted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod canary;
mod closing_handshakes;
mod leases;
mod needles;
mod printed;
mod server;
mod told;
