//! A reverse proxy that puts the layers of tower-ws-auth in front of any WebSocket server. `cargo
//! run -p gateway -- --help` lists its options, and its README lists the forwarded header fields.
//!
//! [`Gateway::bind`] builds the stack, [`Gateway::serve`] runs it. Read `stack.rs` first: it is the
//! part to copy. It uses no framework, only hyper.

mod credentials;
mod failure;
mod forwarded;
mod gateway;
mod handshake;
mod headers;
mod identity;
mod options;
mod path;
mod proxy;
mod server;
mod stack;
mod tasks;
mod tokens;
mod tunnel;
mod upstream;

pub use self::gateway::{Gateway, Open};
pub use self::options::{Hmac, JwtOptions, Offer, Opaque, Options, Secret, Strategy};
pub use self::upstream::Upstream;
