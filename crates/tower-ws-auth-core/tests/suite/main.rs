//! The crate from outside: one layer around one service.

#![cfg(test)]

mod allocations;
mod and_then;
mod any_of;
mod carriers;
mod combinators;
mod connection;
#[cfg(feature = "tracing")]
mod events;
#[cfg(feature = "axum")]
mod extractor;
mod gate;
#[cfg(feature = "metrics")]
mod metrics;
mod minted;
mod origin;
mod property;
mod redact;
#[cfg(feature = "tracing")]
mod redacted_query;
mod refusals;
mod response_body;
mod revocation;
mod secrets;
mod shown;
mod support;
mod unspent;
mod wrappers;
