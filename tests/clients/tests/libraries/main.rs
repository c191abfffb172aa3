//! Client libraries that people use, at pinned versions: each sees the reason through its own API,
//! and comes back as often as it should.
#![cfg(feature = "clients")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod brokers;
mod cable;
mod channels;
mod graphql;
mod library;
mod phoenix;
mod python;
mod signalr;
mod socket_io;
