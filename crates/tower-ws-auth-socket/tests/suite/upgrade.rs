//! Open connections that are ended from outside, over real sockets, with handlers that know nothing
//! of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod before;
mod cutting;
mod handlers;
mod http2;
mod lab;
mod messages;
mod minting;
mod opaque;
mod storm;
