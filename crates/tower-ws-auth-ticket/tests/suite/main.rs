//! Tickets from outside: their store in memory, the mint, and the strategy in its layer.

#![cfg(test)]
#![cfg(not(loom))]

mod endpoint;
mod memory;
mod ticket;
mod unspent;
