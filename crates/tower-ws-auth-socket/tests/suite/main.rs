//! The socket after the decision, over real connections.
#![cfg(test)]
#![cfg(not(loom))]

mod close;
mod lease;
mod upgrade;
