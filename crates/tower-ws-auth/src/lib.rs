//! Tower layers that authenticate a WebSocket before the upgrade, and tell a refused browser
//! why.
//!
//! This crate re-exports the others by feature; each is one layer and can be used alone.
//!
//! | feature | layer | crate |
//! |---|---|---|
//! | | [`LiftLayer`]: credentials stay out of the logs of other layers | [`tower-ws-auth-core`](tower_ws_auth_core) |
//! | | [`AuthLayer`]: around a strategy, also one of your own | [`tower-ws-auth-core`](tower_ws_auth_core) |
//! | `jwt` | `JwtLayer`: a JWT in the query, a header, a subprotocol or a cookie | `tower-ws-auth-jwt` |
//! | `session` | `SessionLayer`: a signed session cookie, as Express writes it | `tower-ws-auth-session` |
//! | `ticket` | `TicketLayer`: a single-use token, minted for a client that is logged in | `tower-ws-auth-ticket` |
//! | `redis` | the stores of sessions, tickets and revocations, shared by many nodes | `tower-ws-auth-redis` |
//! | | [`OriginLayer`]: which pages may connect | [`tower-ws-auth-core`](tower_ws_auth_core) |
//! | `close` | `CloseFrameLayer`: a rejection becomes a close frame | `tower-ws-auth-socket` |
//! | `lease` | `LeaseLayer`: an open connection ends with its credential | `tower-ws-auth-socket` |
//! | `channel` | `ChannelAuthLayer`: who may join a channel on it | `tower-ws-auth-channel` |
//!
//! Outermost first, a stack is: [`LiftLayer`], tracing, `CloseFrameLayer`, `OriginLayer`, a rate limit of your
//! choice, **one** strategy, `LeaseLayer`, the service. The README has the example and the reasons.
//!
//! Other features: `axum` (extractors), `http2` (the handshake over HTTP/2), `tracing` (events) and
//! `metrics`, both listed in [`telemetry`], `tower-http` ([`RedactedQuery`] in a `TraceLayer`),
//! `aws-lc-rs` or `rust-crypto` (who computes RSA, EC and `EdDSA` signatures).

pub use tower_ws_auth_core::*;

#[cfg(feature = "channel")]
pub use tower_ws_auth_channel as channel;
#[cfg(feature = "channel")]
pub use tower_ws_auth_channel::ChannelAuthLayer;
pub use tower_ws_auth_core::origin::{MissingOrigin, OriginLayer, Origins};
#[cfg(feature = "jwt")]
pub use tower_ws_auth_jwt as jwt;
#[cfg(feature = "jwt")]
pub use tower_ws_auth_jwt::{Jwt, JwtLayer};
#[cfg(feature = "close")]
pub use tower_ws_auth_socket::close;
#[cfg(feature = "close")]
pub use tower_ws_auth_socket::close::CloseFrameLayer;
#[cfg(feature = "lease")]
pub use tower_ws_auth_socket::lease;
#[cfg(feature = "lease")]
pub use tower_ws_auth_socket::lease::{Lease, LeaseLayer};

#[cfg(feature = "redis")]
pub use tower_ws_auth_redis as redis;
#[cfg(feature = "session")]
pub use tower_ws_auth_session as session;
#[cfg(feature = "session")]
pub use tower_ws_auth_session::{SessionLayer, Sessions};
#[cfg(feature = "ticket")]
pub use tower_ws_auth_ticket as ticket;
#[cfg(feature = "ticket")]
pub use tower_ws_auth_ticket::{TicketLayer, Tickets};

#[cfg(all(doctest, feature = "axum", feature = "jwt", feature = "close"))]
#[doc = include_str!("../README.md")]
struct Readme;
