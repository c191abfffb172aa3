//! The socket after the decision, over real connections.
#![cfg(test)]
#![cfg(not(loom))]

mod close;
#[cfg(feature = "first-message")]
mod first_message;
mod lease;
#[cfg(feature = "polling")]
mod polling;
mod upgrade;
