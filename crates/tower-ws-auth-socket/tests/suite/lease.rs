//! Leases on real sockets.

mod limits;
mod sockets;
