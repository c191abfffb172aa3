//! The gateway over real sockets, between a client that looks at everything and an upstream that
//! remembers everything.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[cfg(feature = "node")]
mod backends;
mod endings;
mod fields;
mod flags;
mod foreign_tokens;
mod hostile_clients;
mod hostile_upstreams;
mod http2;
mod later;
mod load;
#[cfg(feature = "node")]
mod node;
mod operations;
mod origins;
mod passing;
mod peer;
mod plain;
mod refusals;
#[cfg(feature = "redis")]
mod session;
#[cfg(all(feature = "node", feature = "redis"))]
mod socket_io;
mod stripping;
mod tickets;
mod upstream;
