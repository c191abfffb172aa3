//! A real Redis or Valkey for each test, and a proxy that breaks the connection to it.
//!
//! The program is `redis-server`, or the one in the environment variable `TEST_REDIS_SERVER`:
//! `TEST_REDIS_SERVER=valkey-server cargo test …` uses Valkey. Everything stays on 127.0.0.1.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "only tests use it, and they fail by panicking"
)]

mod cluster;
mod proxy;
mod server;

pub use self::cluster::Cluster;
pub use self::proxy::Proxy;
pub use self::server::Server;
