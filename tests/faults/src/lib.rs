//! A server with every layer, what it has open, and the bytes of its clients.

mod client;
mod gauge;
mod server;

pub use self::client::{close_code, open, read_frame, read_head, request};
pub use self::gauge::{Gauge, Held};
pub use self::server::{Claims, LIFE, ORIGIN, Record, Server, Settings};
