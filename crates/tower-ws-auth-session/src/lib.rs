//! A tower layer that admits a WebSocket by its signed session cookie, before the upgrade.
//!
//! [`Sessions`] is the application's handle: it creates a session at login and ends it at logout.
//! [`SessionLayer`] guards the WebSocket route. An accepted request carries
//! [`Authenticated`](tower_ws_auth_core::Authenticated) with the application's own identity.
//!
//! - The cookie is Express's, byte for byte, or that of the crate `cookie` (axum-extra's
//!   `SignedCookieJar`): an existing application keeps its cookies. See [`Secrets`].
//! - The checks run in this order: the page's `Origin`, the signature, the store, the record's own
//!   end, and whether the record is logged in. The first failure decides.
//! - A forged, unknown, expired or not logged-in session gets the same answer: 401
//!   `session_invalid`. A store that fails or is late is 503 `unavailable`, never a pass.
//! - Admitting a request creates, sets and prolongs nothing, unless [`rolling`](Session::rolling)
//!   is configured.
//! - The cookie is removed from the request as it is read; other cookies stay. An explicit
//!   credential of another strategy decides before it (see
//!   [`or`](tower_ws_auth_core::AuthenticateExt::or)).
//! - The grant ends when the session does. It can be revoked under [`session:<sha256 of the
//!   id>`](SessionId::revocation_key).
//! - With [`revocations`](SessionsBuilder::revocations) a logout is one call: [`Sessions::destroy`]
//!   also ends the session's open connections, on every node. A revocation of the [user's
//!   key](SessionsBuilder::revocable_by) refuses the sessions that were logged in before.
//!
//! A browser sends the cookie for any page, so the strategy has its own list of origins. It does
//! not replace an `OriginLayer` further out. That layer also refuses a foreign page without a
//! cookie, so the page cannot tell the two cases apart.
//!
//! ```
//! use http::{Request, Response, StatusCode};
//! use serde::{Deserialize, Serialize};
//! use tower::{Layer, Service, ServiceExt};
//! use tower_ws_auth_core::{Authenticated, Rejection};
//! use tower_ws_auth_core::origin::Origins;
//! use tower_ws_auth_session::{MemorySessions, Secrets, SessionLayer, Sessions};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Record {
//!     user: Option<String>,
//! }
//!
//! #[derive(Clone)]
//! struct User(String);
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let secrets = Secrets::express(["a random secret of some length"])?;
//! let sessions: Sessions<Record> =
//!     Sessions::builder(secrets, MemorySessions::new(100_000)).build()?;
//!
//! // POST /login, once the password is checked:
//! let record = Record { user: Some("ada".to_owned()) };
//! let (id, set_cookie) = sessions.create(&record).await?;
//!
//! // The WebSocket route:
//! let origins = Origins::new(["https://example.com"])?;
//! let strategy = sessions.strategy(origins, |record| record.user.clone().map(User));
//! let mut service = SessionLayer::new(strategy).layer(tower::service_fn(
//!     async |request: Request<()>| {
//!         let user: &Authenticated<User> = request.extensions().get().unwrap();
//!         Ok::<_, std::io::Error>(Response::new(format!("hello, {}", user.0)))
//!     },
//! ));
//! # let cookie = set_cookie.to_str()?.split(';').next().unwrap().to_owned();
//! # let handshake = |origin: &str| Request::get("/ws")
//! #     .header("host", "localhost").header("connection", "upgrade").header("upgrade", "websocket")
//! #     .header("sec-websocket-version", "13").header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
//! #     .header("origin", origin).header("cookie", &cookie)
//! #     .body(()).unwrap();
//!
//! let accepted = service.ready().await?.call(handshake("https://example.com")).await?;
//! assert_eq!(accepted.status(), StatusCode::OK);
//!
//! let refused = service.ready().await?.call(handshake("https://evil.net")).await?;
//! assert_eq!(refused.status(), StatusCode::FORBIDDEN);
//! assert_eq!(refused.extensions().get::<Rejection>().unwrap().reason(), "origin_denied");
//!
//! // POST /logout, with the cookie for the response:
//! let set_cookie = sessions.destroy(&id).await?;
//!
//! let refused = service.ready().await?.call(handshake("https://example.com")).await?;
//! assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
//! assert_eq!(refused.extensions().get::<Rejection>().unwrap().reason(), "session_invalid");
//! # Ok(())
//! # }
//! ```
//!
//! # In the handlers of an axum application
//!
//! With the feature `axum`, `CurrentSession` is an argument of a handler: it reads, saves and ends
//! the session of the request.
//!
//! # One login with an Express application
//!
//! Give both the same secret, cookie name and store. connect-redis keeps a record under
//! `sess:<id>`, as JSON with the fields of `req.session`. A [`SessionStore`] over the same keys
//! reads it. The differences are:
//!
//! - A [`save`](Sessions::save) here keeps `cookie`, fields that `R` does not have, and fields that
//!   Express wrote since the session was loaded. Express itself writes the record whole, and so
//!   undoes changes that happen during one of its requests.
//! - A login here writes a field `wsauth`, which Express keeps. A login there is dated by a field
//!   of yours: see [`login_field`](SessionsBuilder::login_field).
//! - express-session makes a session for a stranger, and for a cookie without a record. Here such a
//!   visitor is refused.
//! - The record's `cookie.expires` is checked, unless it is `null` or `false`, as in a session that
//!   ends with the browser. If a session is only read, connect-redis prolongs it without moving
//!   this date. If yours has a `maxAge`, see [`expiry_by_store`](SessionsBuilder::expiry_by_store).
//! - A text of JavaScript may have half of a surrogate pair, such as one that was cut inside an emoji.
//!   A field with such a text stays as it is, but no type in Rust can read it. If `R` has the field, the
//!   session is refused. `serde_json::Value` has every field.
//! - A value is at most 1 KiB of ASCII, as in all cookies that Express sets. An id is at most 256
//!   bytes without control characters.
//!
//! # Sessions of tower-sessions or axum-login
//!
//! They read their own cookie in a layer further out, and put a `Session` into the request's
//! extensions. Use a closure as the strategy. It must check
//! [`Origins`](tower_ws_auth_core::origin::Origins) itself, because this crate does not take the
//! cookie:
//!
//! ```
//! use http::request::Parts;
//! use tower_sessions::Session;
//! use tower_ws_auth_core::{AuthLayer, Grant, Rejection, RejectionKind};
//! use tower_ws_auth_core::origin::{Origins, OriginCheck};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let origins = Origins::new(["https://example.com"])?;
//! let layer = AuthLayer::new(move |head: &mut Parts| {
//!     let allowed = matches!(origins.allows(head), OriginCheck::Allowed(_));
//!     let session = head.extensions.get::<Session>().cloned();
//!     async move {
//!         if !allowed {
//!             return Err(Rejection::new(RejectionKind::OriginDenied, "not on the list"));
//!         }
//!         let Some(session) = session else {
//!             return Err(Rejection::new(RejectionKind::Unavailable, "no SessionManagerLayer"));
//!         };
//!         match session.get::<String>("user").await {
//!             Ok(Some(user)) => Ok(Grant::new(user)),
//!             Ok(None) => Err(Rejection::new(RejectionKind::SessionInvalid, "not logged in")),
//!             Err(error) => Err(Rejection::new(RejectionKind::Unavailable, "the session store")
//!                 .with_source(error)),
//!         }
//!     }
//! });
//! # let _ = tower::Layer::layer(&layer, tower::service_fn(async |_: http::Request<()>| Ok::<_, ()>(http::Response::new(()))));
//! # Ok(())
//! # }
//! ```
//!
//! With axum-login, take `axum_login::AuthSession<Backend>` from the extensions instead: its
//! `user` is the identity.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod attributes;
mod builder;
#[cfg(feature = "axum")]
mod current;
mod error;
mod id;
mod memory;
mod percent;
mod record;
mod rules;
mod secrets;
mod sessions;
mod shared;
mod store;
mod strategy;

pub use self::attributes::SameSite;
pub use self::builder::SessionsBuilder;
#[cfg(feature = "axum")]
pub use self::current::{CurrentSession, SetCookie};
pub use self::error::{ConfigError, SessionError};
pub use self::id::SessionId;
pub use self::memory::MemorySessions;
pub use self::secrets::{SecretError, Secrets};
pub use self::sessions::{Loaded, Sessions};
pub use self::store::{Replaced, SessionStore, StoreFuture, StoredSession};
pub use self::strategy::{Session, SessionCookie, SessionLayer, VerifyFuture};
pub use tower_ws_auth_core::StoreError;
