//! What people's own clients rely on, over real sockets.

mod accounts;
mod jwt;
mod peer;
mod program;
