//! Leases: an open WebSocket ends when what opened it ends.
//!
//! A handshake is decided once; a token expires, a user logs out, an operator bans somebody, and
//! the socket lives on. With [`LeaseLayer`] between the strategy and the service it ends, and the
//! handler need not know of it:
//!
//! - when its grant's end has come: 4401 `token_expired` or `session_ended`, after a
//!   [`grace`](LeaseLayer::grace) if one is wanted;
//! - when one of its grant's keys is [revoked](tower_ws_auth_core::revocation), on whatever node:
//!   4403 `revoked`, or what [`Revocations::revoke`] was told to say;
//! - when its user opens [more than so many](LeaseLayer::max_connections): 4429 `too_many_connections`;
//! - when the server goes down: [`Leases::end_all`], 1001 `going_away`.
//!
//! The client reads a close frame between two whole frames, and has until the
//! [`deadline`](LeaseLayer::deadline) to answer it. The handler reads the same close frame, as if
//! the client had sent it, and then the end of the stream; what it still writes is refused. So a
//! handler ends that is asleep, or in the middle of a message, or writes for ever. A connection
//! that is no WebSocket just ends.
//!
//! With [`renewable_by`](LeaseLayer::renewable_by) a client shows a new credential without
//! reconnecting, over HTTP or on the open connection: see [`Renewals`].
//!
//! [`Lease`] is what a handler may know: when it ends, who its user [is now](Lease::identity), and
//! how to [renew](Lease::renew) it by a credential that the handler has checked itself. A handler that wants to say goodbye by itself takes
//! [`cooperative`](LeaseLayer::cooperative) and waits for [`Lease::ended`].
//!
//! - The layer stands inside of an [`AuthLayer`](tower_ws_auth_core::AuthLayer), which leaves it
//!   the grant's validity, and outside of nothing that answers the handshake. Without one every
//!   request is refused with 503.
//! - The wall clock counts. When it is set forward, connections end within a second; when it is set
//!   back, they live as much longer.
//! - `hyper::upgrade::Upgraded::downcast` fails behind it.
//! - A lease with an end and two keys keeps 860 bytes (measured with 100,000 open) and no task, and
//!   takes about 2 µs to set up. An echo pays about 2 % of the server's CPU for it, whatever its size.
//! - The leases of one key are ended in batches, between which everybody else has a turn: while
//!   10,000 sockets of a key were revoked, in 0.3 s by two threads, another task waited 10 ms or so
//!   for its turn.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! # use axum::{Router, extract::ws::{WebSocket, WebSocketUpgrade}, routing::any};
//! # use futures_util::StreamExt;
//! # use http::request::Parts;
//! # use tokio_tungstenite::{connect_async, tungstenite::Message};
//! use tower_ws_auth_core::{AuthLayer, AuthenticateExt, Grant, Rejection};
//! use tower_ws_auth_core::{DisconnectReason, MemoryRevocations, Revocations};
//! use tower_ws_auth_socket::lease::LeaseLayer;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let day = Duration::from_secs(24 * 3600);
//! let revocations = Revocations::new(MemoryRevocations::new(day, 100_000));
//!
//! # let strategy = |head: &mut Parts| {
//! #     let short = head.uri.query() == Some("short");
//! #     async move {
//! #         let now = SystemTime::now();
//! #         let grant = Grant::new("ada").issued_at(now).revocable_by("user:ada");
//! #         let end = now + Duration::from_millis(if short { 50 } else { 60_000 });
//! #         Ok::<_, Rejection>(grant.until(end))
//! #     }
//! # };
//! let stack = tower::ServiceBuilder::new()
//!     .layer(AuthLayer::new(strategy.revocable(revocations.clone())))
//!     .layer(LeaseLayer::new(revocations.clone()));
//! let app = Router::new().route("/ws", any(your_handler).layer(stack));
//!
//! async fn your_handler(upgrade: WebSocketUpgrade) -> axum::response::Response {
//!     upgrade.on_upgrade(async |mut socket: WebSocket| {
//!         while let Some(Ok(message)) = socket.recv().await {
//!             if socket.send(message).await.is_err() { break }
//!         }
//!     })
//! }
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let address = listener.local_addr()?;
//! # tokio::spawn(async move { axum::serve(listener, app).await });
//! # async fn reason(socket: &mut tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>) -> (u16, String) {
//! #     loop { if let Some(Ok(Message::Close(Some(close)))) = socket.next().await { return (close.code.into(), close.reason.as_str().to_owned()) } }
//! # }
//!
//! // A token that expires takes its socket with it.
//! let (mut socket, _) = connect_async(format!("ws://{address}/ws?short")).await?;
//! assert_eq!(reason(&mut socket).await, (4401, "token_expired".to_owned()));
//!
//! // And so does an operator.
//! let (mut socket, _) = connect_async(format!("ws://{address}/ws")).await?;
//! revocations.revoke("user:ada", DisconnectReason::Revoked).await?;
//! assert_eq!(reason(&mut socket).await, (4403, "revoked".to_owned()));
//! # Ok(())
//! # }
//! ```
//!
//! [`Revocations::revoke`]: tower_ws_auth_core::Revocations::revoke

mod expiry_queue;
#[cfg(feature = "axum")]
mod extract;
mod future;
mod handle;
mod layer;
mod leases;
mod release;
mod renewals;
mod service;
mod shared;
mod sync;
mod trace;
mod watches;

#[cfg(feature = "axum")]
pub use self::extract::MissingLeaseLayer;
pub use self::future::ResponseFuture;
pub use self::handle::Lease;
pub use self::layer::LeaseLayer;
pub use self::leases::Leases;
pub use self::renewals::{
    AnswerFuture, ConnectionId, RenewalFormat, RenewalFuture, RenewalMessages, Renewals,
    RenewalsError,
};
pub use self::service::Leased;
pub use crate::frame::{Close, CloseCode, CloseCodeError};
pub use tower_ws_auth_core::revocation::{DisconnectReason, OverLimit};
