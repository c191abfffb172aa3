//! What a refused or ended WebSocket client is told; the only crate of
//! [tower-ws-auth](https://docs.rs/tower-ws-auth) that touches hyper and a runtime.
//!
//! - [`close`]: [`CloseFrameLayer`](close::CloseFrameLayer) turns a rejection into an upgrade and a
//!   close frame that a page can read.
//! - [`lease`]: [`LeaseLayer`](lease::LeaseLayer) ends an open connection with its credential.
//! - [`protocol`]: how each family of clients is told.
//! - `first_message` (feature `first-message`): `FirstMessageLayer` takes the credential from a
//!   client's first message.
//! - `polling` (feature `polling`): `PollingLayer` guards the polling transport of Socket.IO.
//!
//! # Features
//!
//! - `axum`: [`Lease`](lease::Lease) is an extractor.
//! - `first-message`: the module `first_message`.
//! - `polling`: the module `polling`.
//! - `http2`: connections by extended CONNECT (RFC 8441).
//! - `tracing` and `metrics`: see [`telemetry`](tower_ws_auth_core::telemetry).

#![cfg_attr(docsrs, feature(doc_cfg))]

mod frame;
mod json;
mod upgrade;

pub mod close;
#[cfg(feature = "first-message")]
pub mod first_message;
pub mod lease;
#[cfg(feature = "polling")]
pub mod polling;
pub mod protocol;

/// What the tests and benches of this workspace look into; no part of what is promised to anybody.
#[doc(hidden)]
pub mod private {
    pub use crate::frame::{Reason, write_text};
    pub use crate::upgrade::*;
}
