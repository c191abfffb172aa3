//! Sessions from outside: the cookie, the strategy in its layer, and the application's handle.

#![cfg(test)]

mod allocations;
mod common;
mod cookies;
#[cfg(feature = "axum")]
mod current;
mod layer;
mod meanwhile;
mod revocations;
mod sessions;
