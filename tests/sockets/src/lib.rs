//! The shared parts of the socket tests: the same layers behind two servers, and clients that check
//! the answers.

mod client;
mod http2;
mod provider;
mod server;
mod tokens;

pub use self::client::{Answer, Client, end_of, handshake, raw};
pub use self::http2::{Http2, Http2Client};
pub use self::provider::Provider;
pub use self::server::{Echo, Server, Stack, bare_echo, http2_servers, servers};
pub use self::tokens::{Claims, now, token, token_with};
pub use test_support::{PATIENCE, SECRET};
