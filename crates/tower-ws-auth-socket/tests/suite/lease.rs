//! Leases on real sockets.

mod clock;
#[cfg(feature = "axum")]
mod extractor;
mod limits;
mod renewals;
mod sockets;
