//! What pages in real browsers read, in Chromium and in Firefox.
//!
//! Each scenario is written once and run by a test for each browser. A test starts its browser
//! once and shares it among its scenarios, because a start takes seconds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "browser")]

mod browser;
mod cards;
mod chat_page;
mod comfort;
mod elsewhere;
mod leases;
mod libraries;
mod live;
mod origins;
mod page;
mod refusals;
mod transport;
