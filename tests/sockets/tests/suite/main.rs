//! The layers over real sockets, behind axum and behind bare hyper.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod accepted;
mod closing_handshake;
mod endings;
mod first_message;
mod handshake;
mod http2;
mod minted;
mod others;
mod protocols;
mod refused;
mod scripts;
mod telemetry;
mod unspent;
mod without_upgrades;

/// The origin of the application's page.
const APP: (&str, &str) = ("origin", "https://app.example");
