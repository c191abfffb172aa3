//! Leases on real sockets.

#[cfg(feature = "axum")]
mod extractor;
mod limits;
mod renewals;
mod sockets;
