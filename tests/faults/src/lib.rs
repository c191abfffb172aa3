//! A server with every layer, its gauges, and the bytes of its clients.

mod client;
mod counted;
mod server;

pub use self::client::{close_code, open, request};
pub use self::server::{Claims, LIFE, ORIGIN, Record, Server, Settings};
