//! A reverse proxy that puts the layers of tower-ws-auth in front of any WebSocket server. `cargo
//! run -p gateway -- --help` lists its options, and its README lists the forwarded header fields.
//!
//! [`Gateway::bind`] builds the stack, [`Gateway::serve`] runs it. Read `stack.rs` first: it is the
//! part to copy. It uses no framework, only hyper.

mod access;
mod admin;
mod body;
mod cases;
mod close_watch;
mod credentials;
mod engine_io;
mod failure;
mod first;
mod forwarded;
mod gateway;
mod handshake;
mod headers;
mod identity;
mod options;
mod parts;
mod path;
mod plain;
mod policy;
mod proxy;
mod recheck;
mod router;
mod server;
mod socket;
mod stack;
mod strip;
mod tasks;
mod tokens;
mod tunnel;
mod upstream;
mod visits;

pub use self::gateway::{Gateway, Open, Reload};
pub use self::options::{
    ClaimHeader, Format, Hmac, HttpOptions, JwtOptions, MessageOptions, Offer, Opaque, Options,
    PathPolicy, Policy, Protocol, Secret, SessionOptions, Strategy, TicketFor, TicketOptions,
    Trust,
};
pub use self::upstream::Upstream;
