//! The layers among those of others: in every order, in every mounting, behind proxies, and as
//! `docs/fitting.md` shows them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod fitting;
mod matrix;
#[cfg(feature = "proxies")]
mod proxies;
