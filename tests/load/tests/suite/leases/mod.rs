//! Leases under load: handlers that know nothing of them, clients that check every byte.

mod bad_input;
mod frames;
mod handlers;
mod server;
mod storm;
