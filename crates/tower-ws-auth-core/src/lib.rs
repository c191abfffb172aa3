//! The core of [tower-ws-auth](https://docs.rs/tower-ws-auth): one tower layer that decides about a
//! WebSocket handshake before the upgrade, for any strategy.
//!
//! - [`Authenticate`] is the seam: it authenticates a request or says why it is refused.
//! - [`AuthLayer`] puts a strategy around a service. An accepted request carries [`Authenticated`]
//!   in its extensions. A refused one is answered with the status and the public reason of a
//!   [`Rejection`], which stays in the response's extensions.
//! - [`handshake`] is the check of RFC 6455 §4.2.1 and RFC 8441 §5, stricter than the servers'.
//! - [`credential`] reads a credential from its carrier and removes it there.
//! - [`origin`] admits the listed web pages.
//! - [`Validity`] limits each credential that a handler mints for its client.
//! - [`revocation`] refuses a credential before it expires, and tells open connections.
//! - [`RedactLayer`] keeps credentials out of the logs of other layers. Use [`RedactedQuery`] for a
//!   log that stands outside of it.
//! - [`relay`] carries questions between the nodes of an application.
//! - [`telemetry`] lists the events and metrics.
//!
//! Strategies live in crates of their own. Most applications use `tower-ws-auth`, which re-exports
//! them.
//!
//! # A strategy of your own
//!
//! ```
//! use std::future::{Ready, ready};
//! use http::{Request, Response, StatusCode, request::Parts};
//! use tower::{Layer, Service, ServiceExt};
//! use tower_ws_auth_core::credential::{Carriers, Credential};
//! use tower_ws_auth_core::{AuthLayer, Authenticate, Authenticated, Grant, Rejection, RejectionKind};
//!
//! #[derive(Clone)]
//! struct Partner(&'static str);
//!
//! struct ApiKey(Carriers);
//!
//! impl Authenticate for ApiKey {
//!     type Credential = Credential;
//!     type Verified = Partner;
//!     type Identity = Partner;
//!     type Future = Ready<Result<Grant<Partner>, Rejection>>;
//!
//!     fn take(&self, head: &mut Parts) -> Result<Option<Credential>, Rejection> {
//!         self.0.take(head)
//!     }
//!     fn verify(&self, key: Credential, _head: &Parts) -> Self::Future {
//!         ready(match key.as_str() {
//!             "k-123" => Ok(Grant::new(Partner("acme"))),
//!             _ => Err(Rejection::new(RejectionKind::TokenInvalid, "no such API key")),
//!         })
//!     }
//!     fn admit(&self, partner: Partner, _head: &Parts) -> Result<Partner, Rejection> {
//!         Ok(partner)
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let layer = AuthLayer::new(ApiKey(Carriers::builder().query("key").build()?));
//! let mut service = layer.layer(tower::service_fn(async |request: Request<()>| {
//!     let partner: &Authenticated<Partner> = request.extensions().get().unwrap();
//!     Ok::<_, std::io::Error>(Response::new(partner.0.to_owned()))
//! }));
//! # let handshake = |uri: &str| Request::get(uri)
//! #     .header("host", "localhost").header("connection", "upgrade").header("upgrade", "websocket")
//! #     .header("sec-websocket-version", "13").header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
//! #     .body(()).unwrap();
//!
//! let accepted = service.ready().await?.call(handshake("/ws?key=k-123")).await?;
//! assert_eq!(accepted.status(), StatusCode::OK);
//!
//! let refused = service.ready().await?.call(handshake("/ws?key=guessed")).await?;
//! assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
//! assert_eq!(refused.extensions().get::<Rejection>().unwrap().reason(), "token_invalid");
//! # Ok(())
//! # }
//! ```
//!
//! Or shorter, with one closure that reads, removes and decides:
//!
//! ```
//! use http::request::Parts;
//! use tower_ws_auth_core::{AuthLayer, Grant, Rejection, RejectionKind};
//!
//! let layer = AuthLayer::new(|head: &mut Parts| {
//!     let key = head.headers.remove("x-api-key");
//!     async move {
//!         match key {
//!             Some(key) if key == "k-123" => Ok(Grant::new("acme")),
//!             Some(_) => Err(Rejection::new(RejectionKind::TokenInvalid, "no such API key")),
//!             None => Err(Rejection::new(RejectionKind::CredentialsMissing, "no X-Api-Key")),
//!         }
//!     }
//! });
//! # let _ = tower_layer::Layer::layer(&layer, tower::service_fn(async |_: http::Request<()>| Ok::<_, ()>(http::Response::new(()))));
//! ```
//!
//! The future must not borrow the head: an `async fn` would, and the compiler says "one type is more
//! general than the other" where the layer is used. A named function returns
//! `impl Future<Output = Result<Grant<_>, Rejection>> + use<>`.
//!
//! # Several strategies
//!
//! [`or`](AuthenticateExt::or) and [`optional`](AuthenticateExt::optional) combine strategies.
//! [`map`](AuthenticateExt::map), [`authorize`](AuthenticateExt::authorize),
//! [`authorize_async`](AuthenticateExt::authorize_async) and
//! [`and_then`](AuthenticateExt::and_then) change one.
//!
//! ```
//! # use http::{Request, Response, StatusCode, request::Parts};
//! # use tower::{Layer, Service, ServiceExt};
//! use tower_ws_auth_core::{AuthLayer, AuthenticateExt, Grant, Rejection, RejectionKind};
//! # use tower_ws_auth_core::{Authenticate, credential::{Carriers, Credential}};
//! # use std::future::{Ready, ready};
//! # struct Known { carriers: Carriers, secret: &'static str }
//! # fn strategy(key: &'static str, secret: &'static str) -> Known {
//! #     Known { carriers: Carriers::builder().query(key).build().unwrap(), secret }
//! # }
//! # impl Authenticate for Known {
//! #     type Credential = Credential;
//! #     type Verified = &'static str;
//! #     type Identity = &'static str;
//! #     type Future = Ready<Result<Grant<&'static str>, Rejection>>;
//! #     fn take(&self, head: &mut Parts) -> Result<Option<Credential>, Rejection> { self.carriers.take(head) }
//! #     fn verify(&self, c: Credential, _: &Parts) -> Self::Future {
//! #         ready(if c.as_str() == self.secret { Ok(Grant::new(self.secret)) } else { Err(Rejection::new(RejectionKind::TokenInvalid, "")) })
//! #     }
//! #     fn admit(&self, v: &'static str, _: &Parts) -> Result<&'static str, Rejection> { Ok(v) }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let api_key = strategy("key", "k-123");
//! let invitation = strategy("invite", "i-456");
//! let layer = AuthLayer::new(api_key.or(invitation)).any_request();
//! # let mut service = layer.layer(tower::service_fn(async |_: Request<()>| Ok::<_, std::io::Error>(Response::new(()))));
//! # let mut status = async |uri: &str| service.ready().await.unwrap().call(Request::get(uri).body(()).unwrap()).await.unwrap().status();
//! assert_eq!(status("/?key=k-123").await, StatusCode::OK);
//! assert_eq!(status("/?invite=i-456").await, StatusCode::OK);
//! assert_eq!(status("/?key=guessed").await, StatusCode::UNAUTHORIZED);
//! // One credential decides. Two of them are malformed, even if both are valid.
//! assert_eq!(status("/?key=k-123&invite=i-456").await, StatusCode::BAD_REQUEST);
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! - `axum`: [`Authenticated`] is an extractor, [`Rejection`] a response, and the credential leaves
//!   `OriginalUri` too. `authorize_path` and `path_params` read the parameters of a route.
//! - `http2`: the handshake by extended CONNECT.
//! - `tracing`: one event for each decision; see [`telemetry`].
//! - `metrics`: counters and a histogram of decisions; see [`telemetry`].
//! - `tower-http`: [`RedactedQuery`] makes the spans of a `TraceLayer`.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod accessors;
mod auth;
mod body;
mod clock;
mod redact;
mod store_error;
mod sync;
mod trace;

pub mod credential;
pub mod handshake;
pub mod origin;
pub mod rejection;
pub mod relay;
pub mod revocation;
pub mod telemetry;

pub use self::auth::{
    AndThen, AndThenFuture, AnyOf, Auth, AuthLayer, Authenticate, AuthenticateExt, Authenticated,
    Authorize, Called, Chosen, Either, EitherFuture, Grant, Map, Optional, OptionalFuture,
    Presented, ResponseFuture, Validity,
};
#[cfg(feature = "axum")]
pub use self::auth::{ByPath, MissingAuthLayer, path_params};
pub use self::clock::Clock;
pub use self::origin::AllowedOrigin;
pub use self::redact::{Redact, RedactError, RedactLayer, RedactedQuery};
pub use self::rejection::{Advice, Rejection, RejectionKind, ResponseBody};
pub use self::revocation::{
    BoxFuture, DisconnectReason, MemoryRevocations, Revocation, RevocationKey, RevocationStore,
    Revocations,
};
pub use self::store_error::StoreError;

/// Shared with the other crates of this workspace. It is not part of the public interface.
#[doc(hidden)]
pub mod private {
    pub use crate::auth::{Gate, Label, Permit, RefusedIdentity, Renewed, Renewing};
    pub use crate::body::{BodyError, read_body};
    pub use crate::credential::cookie_header as cookie;
    pub use crate::revocation::connection::{Connection, Listener};
    pub use crate::revocation::limits::{ConnectionLimits, Evicted};
    pub use crate::revocation::watch::{Watch, WatchFuture};
}
