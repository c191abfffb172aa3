//! Takes the credential from a client's first message: [`FirstMessageLayer`].
//!
//! Some clients cannot put a credential into the handshake, or should not: graphql-ws sends it in
//! `connection_init`, Home Assistant in `auth`, STOMP in `CONNECT`. The layer answers the handshake
//! itself, reads one bounded message, and then calls the strategy and the handler as if the
//! credential had been in the handshake. Neither knows of it.
//!
//! - Put it outside of one [`AuthLayer`](tower_ws_auth_core::AuthLayer), and inside of
//!   [`CloseFrameLayer`](crate::close::CloseFrameLayer) and
//!   [`OriginLayer`](tower_ws_auth_core::origin::OriginLayer). A foreign page is refused before its
//!   handshake is answered.
//! - The strategy reads the credential by its [`Carriers`](tower_ws_auth_core::credential::Carriers),
//!   as one more explicit one: `message`. A credential beside it in the handshake is malformed.
//! - [`when_missing`](FirstMessageLayer::when_missing) leaves handshakes that carry their credential
//!   on their usual way.
//! - A refused client reads the code and the reason of every other layer, in the language of its
//!   [`ClientProtocol`](crate::protocol::ClientProtocol), which the [format](MessageFormat) knows.
//! - Give a [`LeaseLayer`](crate::lease::LeaseLayer) further in the same client protocol: it tells the
//!   client of the end.
//! - The handler's own 101 is swallowed. It reads the first message if its protocol acknowledges it
//!   there, and all that came behind it, in its order.
//! - What the client has read is final: later headers are lost, such as `Set-Cookie`, and so are
//!   extensions. Name the [subprotocols](FirstMessageLayer::subprotocols) here.
//! - Layers further out see 101 for everybody. Those further in see the decision.
//!
//! ```
//! use futures_util::{SinkExt, StreamExt};
//! use tokio_tungstenite::tungstenite::Message;
//! use tower_ws_auth_socket::close::CloseFrameLayer;
//! use tower_ws_auth_socket::first_message::{FirstMessageLayer, MessageFormat};
//! # use axum::extract::ws::WebSocketUpgrade;
//! # use tower_ws_auth_core::credential::MessageCredential;
//! # use tower_ws_auth_core::{AuthLayer, Grant, Rejection, RejectionKind};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let auth = AuthLayer::new(|head: &mut http::request::Parts| {
//! #     let found = head.extensions.remove::<MessageCredential>();
//! #     let known = found.is_some_and(|found| found.as_str() == "ada");
//! #     async move {
//! #         let refused = Rejection::new(RejectionKind::TokenExpired, "old");
//! #         if known { Ok(Grant::new("ada")) } else { Err(refused) }
//! #     }
//! # });
//! let layers = tower::ServiceBuilder::new()
//!     .layer(CloseFrameLayer::new())
//!     .layer(FirstMessageLayer::new(MessageFormat::json("token").expecting("type", "auth")))
//!     .layer(auth);
//! # async fn your_handler(upgrade: WebSocketUpgrade) -> axum::response::Response {
//! #     upgrade.on_upgrade(|mut socket| async move {
//! #         while let Some(Ok(message)) = socket.recv().await { let _ = socket.send(message).await; }
//! #     })
//! # }
//! let app = axum::Router::new().route("/ws", axum::routing::any(your_handler).layer(layers));
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let url = format!("ws://{}/ws", listener.local_addr()?);
//! # tokio::spawn(async move { axum::serve(listener, app).await });
//!
//! let (mut socket, _) = tokio_tungstenite::connect_async(&url).await?;
//! socket.send(Message::text(r#"{"type":"auth","token":"ada"}"#)).await?;
//! socket.send(Message::text("hello")).await?;
//! assert_eq!(socket.next().await.unwrap()?.to_text()?, "hello");
//!
//! let (mut socket, _) = tokio_tungstenite::connect_async(&url).await?;
//! socket.send(Message::text(r#"{"type":"auth","token":"eve"}"#)).await?;
//! let Some(Ok(Message::Close(Some(close)))) = socket.next().await else { panic!() };
//! assert_eq!((u16::from(close.code), close.reason.as_str()), (4401, "token_expired"));
//! # Ok(())
//! # }
//! ```
//!
//! # Who waits
//!
//! | a client that | reads |
//! |---|---|
//! | says nothing in time | 4408 `message_timeout` |
//! | sends what is not of the format | 4400 `message_malformed` |
//! | sends a message without a credential | what the strategy says, as a rule 4401 `credentials_missing` |
//! | breaks RFC 6455; sends bytes; no UTF-8; too much | 1002, 1003, 1007, 1009 `message_malformed` |
//! | closes | its own code |
//! | has waited the longest of too many | 4503 `unavailable` |
//! | waits at a [shutdown](EarlyConnections::end_all) | 1001 `going_away` |
//! | has a service that does not answer in time | 4504 `unavailable` |
//! | has a handler that answers without an upgrade | 4000 + the status, or 1011 `internal_error` from 500 on |
//!
//! A waiting client has no place in a service with a limit. The places for those that wait are
//! limited in all and by address. A client that opens sockets faster than that evicts others, so put a rate
//! limit by address outside. Behind a proxy, say where the [address](FirstMessageLayer::address) is.
//!
//! Binary protocols do not fit, nor those whose server speaks first, unless it is one fixed
//! [prompt](MessageFormat::prompt). There open the connection by a
//! short grant, and renew it with [`Lease::renew`](crate::lease::Lease::renew).

mod client;
mod config;
mod detach;
mod early;
mod format;
mod layer;
mod own;
mod places;
mod reader;
mod refusal;
mod service;
mod socket_io;
mod stomp;
mod trace;

pub use self::format::MessageFormat;
pub use self::layer::{EarlyConnections, FirstMessageLayer};
pub use self::own::FirstMessage;
pub use self::service::{FirstMessageService, ResponseFuture};
