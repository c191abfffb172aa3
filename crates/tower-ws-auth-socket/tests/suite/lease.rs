//! Leases on real sockets.

mod limits;
mod renewals;
mod sockets;
