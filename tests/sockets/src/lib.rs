//! What the socket tests share: the same layers behind two servers, and clients that look at
//! what comes back.

mod client;
mod http2;
mod log;
mod server;
mod stopwatch;
mod tokens;

pub use self::client::{Answer, Client, PATIENCE, end_of, handshake, raw};
pub use self::http2::{Http2, Http2Client};
pub use self::log::Log;
pub use self::server::{Echo, Server, Stack, http2_servers, servers};
pub use self::stopwatch::Stopwatch;
pub use self::tokens::{Claims, SECRET, now, token, token_with};
