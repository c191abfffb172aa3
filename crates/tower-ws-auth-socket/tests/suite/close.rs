//! The layer from outside: what it costs, what it is set to, and how a server with it goes down.

#![cfg(test)]

mod allocations;
mod settings;
mod shutdown;
