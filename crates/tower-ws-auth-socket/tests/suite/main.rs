//! The socket after the decision, over real connections.
#![cfg(not(loom))]

mod close;
mod lease;
mod upgrade;
