//! Tower layers that authenticate a WebSocket handshake before the upgrade, and tell a refused
//! browser why.
//!
//! This crate re-exports the others by feature. Each of them can be used alone.
//!
//! | feature | layer | crate |
//! |---|---|---|
//! | | [`RedactLayer`]: keeps credentials out of the logs of other layers | [`tower-ws-auth-core`](tower_ws_auth_core) |
//! | | [`AuthLayer`]: admits the requests that a strategy accepts | [`tower-ws-auth-core`](tower_ws_auth_core) |
//! | | [`OriginLayer`]: admits the listed web pages | [`tower-ws-auth-core`](tower_ws_auth_core) |
//! | `close` | `CloseFrameLayer`: turns a rejection into a close frame | `tower-ws-auth-socket` |
//! | `lease` | `LeaseLayer`: ends an open connection with its credential | `tower-ws-auth-socket` |
//! | `jwt` | `JwtLayer`: a JWT in the query, a header, a subprotocol or a cookie | `tower-ws-auth-jwt` |
//! | `session` | `SessionLayer`: a signed session cookie, as Express writes it | `tower-ws-auth-session` |
//! | `ticket` | `TicketLayer`: a single-use ticket, minted for a logged-in client | `tower-ws-auth-ticket` |
//! | `channel` | `ChannelAuthLayer`: decides who may join a channel | `tower-ws-auth-channel` |
//! | `redis` | the stores of sessions, tickets and revocations, shared by many nodes | `tower-ws-auth-redis` |
//!
//! The order in a stack, outermost first: [`RedactLayer`], tracing, `CloseFrameLayer`, `OriginLayer`,
//! a rate limit, **one** strategy, `LeaseLayer`, the service. The README has the whole example, and
//! `docs/fitting.md` in the repository explains the order.
//!
//! # Several strategies
//!
//! One strategy decides on a route. [`or`](AuthenticateExt::or) combines several into one. A single
//! explicit credential decides, otherwise the cookie. A bad deciding credential is rejected.
//!
//! ```no_run
//! use tower_ws_auth::jwt::{Jwt, Key};
//! use tower_ws_auth::session::{MemorySessions, Secrets, Sessions};
//! use tower_ws_auth::ticket::{MemoryTickets, Tickets};
//! use tower_ws_auth::{AuthLayer, AuthenticateExt, Origins};
//!
//! #[derive(Clone, serde::Serialize, serde::Deserialize)]
//! struct User { user: String }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let jwt = Jwt::<User>::builder(Key::hs256(std::env::var("JWT_SECRET")?)?).build()?;
//! let tickets: Tickets<User> = Tickets::builder(MemoryTickets::new()).build()?;
//! let secrets = Secrets::express([std::env::var("SESSION_SECRET")?])?;
//! let sessions: Sessions<User> = Sessions::builder(secrets, MemorySessions::new(100_000)).build()?;
//! let origins = Origins::new(["https://app.example.com"])?;
//! let session = sessions.strategy(origins, |user| Some(user.clone()));
//! let layer = AuthLayer::new(jwt.or(tickets.strategy()).or(session));
//! # let _ = layer;
//! # Ok(())
//! # }
//! ```
//!
//! A strategy changes its identity by [`map`](AuthenticateExt::map) and refuses by
//! [`authorize`](AuthenticateExt::authorize). [`and_then`](AuthenticateExt::and_then) and
//! [`authorize_async`](AuthenticateExt::authorize_async) ask a database. With the feature `axum`,
//! `authorize_path` decides by the parameters of the route.
//!
//! `sessions.create` returns the `Set-Cookie` of a login, and `sessions.destroy` that of a logout.
//! `tickets.endpoint` makes the ticket endpoint, a service to mount at `POST /ticket`.
//!
//! # The end of a connection
//!
//! A handshake is decided once, but its connection lives on. `LeaseLayer` ends it with a close
//! frame between two whole frames. The handler reads the same close frame and the end of its
//! stream. Name the keys that can revoke a credential, and revoke them from anywhere:
//!
//! ```no_run
//! use std::time::Duration;
//! use tower::ServiceBuilder;
//! use tower_ws_auth::jwt::{Jwt, Key};
//! use tower_ws_auth::{
//!     AuthLayer, AuthenticateExt, DisconnectReason, LeaseLayer, MemoryRevocations, Revocations,
//! };
//!
//! #[derive(Clone, serde::Deserialize)]
//! struct Claims { sub: String }
//!
//! async fn ban(revocations: &Revocations, user: &str) -> Result<(), Box<dyn std::error::Error>> {
//!     // 4403 "revoked" for every open connection. A token issued before now is refused from now on.
//!     Ok(revocations.revoke(&format!("user:{user}"), DisconnectReason::Revoked).await?)
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let longest_token = Duration::from_secs(24 * 3600);
//! let revocations = Revocations::new(MemoryRevocations::new(longest_token, 100_000));
//! let jwt = Jwt::<Claims>::builder(Key::hs256(std::env::var("JWT_SECRET")?)?).build()?
//!     .revocable_by(|claims: &Claims| format!("user:{}", claims.sub));
//! let layers = ServiceBuilder::new()
//!     .layer(AuthLayer::new(jwt.revocable(revocations.clone())))
//!     .layer(LeaseLayer::new(revocations));
//! # let _ = layers;
//! # Ok(())
//! # }
//! ```
//!
//! Sessions take the revocations too, by `Sessions::builder(…).revocations(…).revocable_by(…)`.
//! Then a logout is one call, and a banned user's cookie is refused until the next login.
//! `SECURITY.md` states the delay until every node enforces a revocation, and the effect of
//! differing clocks.
//!
//! # Many nodes
//!
//! With the feature `redis`, change one line per store:
//!
//! ```diff
//! +let redis = Redis::connect("redis://127.0.0.1:6379").await?;
//! -Tickets::builder(MemoryTickets::new())
//! +Tickets::builder(RedisTickets::new(redis.clone()))
//! -Sessions::builder(secrets, MemorySessions::new(100_000))
//! +Sessions::builder(secrets, RedisSessions::new(redis.clone()))
//! -Revocations::new(MemoryRevocations::new(longest_token, 100_000))
//! +Revocations::new(RedisRevocations::new(redis, longest_token))
//! ```
//!
//! A ticket minted on one node opens one connection on another, and never a second. A revocation on
//! one node ends connections on all. The sessions are those of an Express app with connect-redis.
//! While Redis is unavailable, handshakes are 503 within a second, and open connections stay.
//!
//! # Features
//!
//! Third-party dependencies on Linux; `cargo xtask test` counts them.
//!
//! | feature | adds | crates |
//! |---|---|---|
//! | `none` | no feature: `AuthLayer`, `OriginLayer` and `RedactLayer`, for a strategy of your own | 16 |
//! | `default` | all layers, stores in memory, axum's extractors, tracing, aws-lc-rs for RSA, EC and `EdDSA` | 75 |
//! | `first-message` | the credential in the first message of a connection | +2 |
//! | `http2` | WebSockets over HTTP/2 | +8 |
//! | `polling` | `PollingLayer`, for the polling transport of Socket.IO | +0 |
//! | `metrics` | counters, a gauge and a histogram for a recorder of the `metrics` crate | +3 |
//! | `tower-http` | [`RedactedQuery`], a `MakeSpan` for `TraceLayer` | +2 |
//! | `rotation` | keys that change while the program runs | +2 |
//! | `jwks` | keys from a JWKS or by OIDC discovery, with your HTTP client | +2 |
//! | `jwks-reqwest` | the same with reqwest and rustls as the client | +48 |
//! | `backchannel-logout` | the endpoint at which an identity provider logs users out | +2 |
//! | `single-use` | a JWT that opens one connection, by its `jti` | +0 |
//! | `pusher` | joins by Pusher's signatures | +0 |
//! | `redis` | the stores on Redis | +44 |
//! | `redis-tls` | Redis by `rediss://` | +54 |
//! | `redis-cluster` | a Redis Cluster | +49 |
//! | `redis-sentinel` | Redis behind Sentinel | +48 |
//! | `rust-crypto` | RSA, EC and `EdDSA` in pure Rust: slower than the default `aws-lc-rs`, but needs no C compiler | +27 |
//!
//! [`telemetry`] lists the events of `tracing` and the metrics of `metrics`.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub use tower_ws_auth_core::origin::{MissingOrigin, OriginLayer, Origins};
#[doc(hidden)]
pub use tower_ws_auth_core::private;
pub use tower_ws_auth_core::{
    Advice, AllowedOrigin, AuthLayer, Authenticate, AuthenticateExt, Authenticated, BoxFuture,
    Clock, DisconnectReason, Grant, MemoryRevocations, Presented, RedactError, RedactLayer,
    RedactedQuery, Rejection, RejectionKind, ResponseBody, Revocation, RevocationKey,
    RevocationStore, Revocations, StoreError, Validity,
};
#[cfg(feature = "axum")]
pub use tower_ws_auth_core::{MissingAuthLayer, path_params};
pub use tower_ws_auth_core::{credential, handshake, origin, relay, revocation, telemetry};

#[cfg(feature = "channel")]
pub use tower_ws_auth_channel as channel;
#[cfg(feature = "channel")]
pub use tower_ws_auth_channel::ChannelAuthLayer;
#[cfg(feature = "jwt")]
pub use tower_ws_auth_jwt as jwt;
#[cfg(feature = "jwt")]
pub use tower_ws_auth_jwt::{Jwt, JwtLayer};
#[cfg(feature = "close")]
pub use tower_ws_auth_socket::close;
#[cfg(feature = "close")]
pub use tower_ws_auth_socket::close::CloseFrameLayer;
#[cfg(feature = "first-message")]
pub use tower_ws_auth_socket::first_message::{self, FirstMessageLayer, MessageFormat};
#[cfg(feature = "lease")]
pub use tower_ws_auth_socket::lease;
#[cfg(feature = "lease")]
pub use tower_ws_auth_socket::lease::{Lease, LeaseLayer};
#[cfg(feature = "polling")]
pub use tower_ws_auth_socket::polling::{self, PollingLayer};
#[cfg(any(
    feature = "close",
    feature = "first-message",
    feature = "lease",
    feature = "polling"
))]
pub use tower_ws_auth_socket::protocol::{self, ClientProtocol};

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
