//! Many refused clients at once, and many leases.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod clients;
mod lease_memory;
mod lease_revoke;
mod leases;
mod silent_clients;
mod silent_flood;

/// Descriptors and memory are those of the whole process: one test at a time.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
