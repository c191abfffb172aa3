//! The skeleton from outside: one layer around one service.

#![cfg(test)]

mod carriers;
mod combinators;
mod connection;
#[cfg(feature = "tracing")]
mod events;
#[cfg(feature = "axum")]
mod extractor;
mod gate;
mod minted;
mod property;
mod refusals;
mod response_body;
mod secrets;
mod shown;
mod support;
mod unspent;
mod wrappers;
