//! The credential in the first message, on real sockets and before handlers that know nothing of it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod answers;
mod composition;
mod formats;
mod http2;
mod lab;
mod limits;
mod memory;
mod wire;
