//! The layer around a service, with each of its policies.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod combinators;
#[cfg(feature = "tracing")]
mod events;
#[cfg(feature = "jwt")]
mod jwt;
mod namespaces;
mod patterns;
mod property;
#[cfg(feature = "pusher")]
mod pusher;
mod secrets;
mod service;
mod support;
#[cfg(feature = "ticket")]
mod ticket;
