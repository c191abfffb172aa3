//! Revocation: ends open connections, and refuses the credentials behind them.
//!
//! A [`Grant`](crate::Grant) names the keys under which it can be revoked, such as `user:ada` or
//! `session:4f2a…`. [`Revocations::revoke`] takes one of them:
//!
//! - A [`revocable`](crate::AuthenticateExt::revocable) strategy refuses credentials issued before
//!   the revocation, at every later handshake: as `token_invalid`, `ticket_invalid` or
//!   `session_invalid`. A credential with an unknown time of issue counts as older. A credential
//!   issued later passes. [`RevocationKey`] defines "later" for clocks that differ.
//! - A connection that is open under the key hears of it through its [`Watch`]. A lease layer ends
//!   it with a close frame.
//!
//! A handshake first registers its connection and then asks the store, so a revocation always meets
//! one of the two. If the store fails, the request is refused as `unavailable`.
//!
//! ```
//! use std::time::Duration;
//! use http::{Request, Response, StatusCode, request::Parts};
//! use tower::{Layer, Service, ServiceExt};
//! use tower_ws_auth_core::{AuthLayer, AuthenticateExt, Clock, Grant, Rejection};
//! use tower_ws_auth_core::{DisconnectReason, MemoryRevocations, Revocations};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let day = Duration::from_secs(24 * 3600);
//! let revocations = Revocations::new(MemoryRevocations::new(day, 100_000));
//!
//! let issued_long_ago = |_: &mut Parts| async {
//!     Ok::<_, Rejection>(Grant::new("ada").issued_at(Clock::at(1)).revocable_by("user:ada"))
//! };
//! let layer = AuthLayer::new(issued_long_ago.revocable(revocations.clone())).any_request();
//! # let mut service = layer.layer(tower::service_fn(async |_: Request<()>| Ok::<_, std::io::Error>(Response::new(()))));
//! # let mut status = async || service.ready().await.unwrap().call(Request::new(())).await.unwrap().status();
//! assert_eq!(status().await, StatusCode::OK);
//!
//! revocations.revoke("user:ada", DisconnectReason::Revoked).await?;
//! assert_eq!(status().await, StatusCode::UNAUTHORIZED);
//! # Ok(())
//! # }
//! ```

mod builder;
mod checked;
pub(crate) mod connection;
mod disconnect_reason;
mod key;
pub(crate) mod limits;
mod local_connections;
mod margin;
mod memory;
mod registry;
mod reserved;
mod revocable;
mod revocations;
mod store;
pub(crate) mod watch;

pub use self::builder::RevocationsBuilder;
pub(crate) use self::connection::Connection;
pub use self::disconnect_reason::{ApplicationReason, DisconnectReason, DisconnectReasonError};
pub use self::key::RevocationKey;
pub(crate) use self::limits::ConnectionLimits;
pub use self::limits::OverLimit;
pub use self::local_connections::LocalConnections;
pub use self::memory::MemoryRevocations;
pub(crate) use self::reserved::Reserved;
pub use self::revocable::{Checking, Revocable, RevocableFuture};
pub use self::revocations::Revocations;
pub use self::store::{BoxFuture, Recorded, Revocation, RevocationStore};
pub(crate) use self::watch::{Watch, WatchFuture};
pub use crate::StoreError;
