//! How each family of clients is told why it was refused or ended: [`ClientProtocol`].
//!
//! A browser's `WebSocket` reads a close code. The libraries on top of it do as they please:
//! Socket.IO shows nothing for 20 s after a close frame before its open packet, phoenix.js comes
//! back 27 times in 10 s, graphql-ws takes 4401 "token expired" for final. A [`ClientProtocol`]
//! tells each in its own language.
//!
//! | library | protocol | mark |
//! |---|---|---|
//! | a browser's `WebSocket`, ws, partysocket, STOMP, `SockJS` | [`plain`](ClientProtocol::plain), the default | |
//! | clients that know the registered codes only | [`iana`](ClientProtocol::iana) | |
//! | socket.io-client 4, python-socketio | [`socket_io`](ClientProtocol::socket_io) | `EIO=4` |
//! | phoenix.js up to 1.8.15 | [`phoenix`](ClientProtocol::phoenix) | `vsn=2.0.0` |
//! | phoenix.js from 1.8.16 on | [`phoenix_held`](ClientProtocol::phoenix_held) | |
//! | graphql-ws 6, Apollo Client | [`graphql_ws`](ClientProtocol::graphql_ws) | `graphql-transport-ws` |
//! | subscriptions-transport-ws | [`subscriptions_transport_ws`](ClientProtocol::subscriptions_transport_ws) | `graphql-ws` |
//! | @rails/actioncable, @anycable/web | [`action_cable`](ClientProtocol::action_cable) | `actioncable-v1-json` |
//! | @microsoft/signalr | [`signalr`](ClientProtocol::signalr) | |
//! | centrifuge-js | [`centrifugo`](ClientProtocol::centrifugo) | |
//! | pusher-js, Laravel Echo | [`pusher`](ClientProtocol::pusher) | `protocol=7` |
//! | each of those with a mark | [`detect`](ClientProtocol::detect) | |
//! | your own | [`builder`](ClientProtocol::builder) | |
//!
//! - A refused client gets an upgrade, the protocol's messages and a close frame. Some protocols
//!   keep the HTTP answer where their clients back off only then.
//! - An ended client gets the protocol's messages between two messages of its handler, then the
//!   close frame. If the handler has sent a part of a message, it gets the close frame alone.
//! - A client with a mark is told with or without an `Origin`. Other clients without an `Origin`
//!   keep the HTTP answer, as under `plain`.
//! - A script that waits for a client is bounded in time, in bytes and in answers, and it counts as
//!   a closing handshake. Whatever the client does, the close frame or the end of the stream comes.
//! - What is repeated of a client's message is bounded and escaped. `plain` reads nothing.
//!
//! ```
//! use futures_util::{SinkExt, StreamExt};
//! use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};
//! use tower_ws_auth_socket::close::{ClientProtocol, CloseFrameLayer};
//! # use http::{Request, Response, request::Parts};
//! # use tower_ws_auth_core::{AuthLayer, Grant, Rejection, RejectionKind};
//! # use hyper_util::{rt::TokioIo, service::TowerToHyperService};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let auth = AuthLayer::new(|head: &mut Parts| {
//! #     let known = head.uri.query().is_some_and(|query| query.contains("who=ada"));
//! #     async move {
//! #         let refused = Rejection::new(RejectionKind::TokenExpired, "old");
//! #         if known { Ok(Grant::new("ada")) } else { Err(refused) }
//! #     }
//! # });
//! let service = tower::ServiceBuilder::new()
//!     .layer(CloseFrameLayer::new().client_protocol(ClientProtocol::detect()))
//!     .layer(auth)
//!     .service_fn(your_handler);
//! # async fn your_handler(_: Request<hyper::body::Incoming>) -> Result<Response<http_body_util::Empty<bytes::Bytes>>, std::convert::Infallible> {
//! #     Ok(Response::builder().status(204).body(http_body_util::Empty::new()).unwrap())
//! # }
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let address = listener.local_addr()?;
//! # tokio::spawn(async move {
//! #     while let Ok((stream, _)) = listener.accept().await {
//! #         let connection = hyper::server::conn::http1::Builder::new()
//! #             .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service.clone()));
//! #         tokio::spawn(connection.with_upgrades());
//! #     }
//! # });
//!
//! // Socket.IO's client is opened, asks for a namespace, and is refused there.
//! let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{address}/?EIO=4&who=eve")).await?;
//! let open = socket.next().await.unwrap()?.into_text()?;
//! assert!(open.starts_with("0{\"sid\":"));
//! socket.send(Message::text("40/admin,")).await?;
//! let refused = socket.next().await.unwrap()?.into_text()?;
//! assert_eq!(refused.as_str(), r#"44/admin,{"message":"token_expired","data":{"reason":"token_expired"}}"#);
//!
//! // One that is accepted reaches your handler, which here answers 204.
//! let accepted = format!("ws://{address}/?EIO=4&who=ada").into_client_request()?;
//! let error = tokio_tungstenite::connect_async(accepted).await.unwrap_err();
//! assert_eq!(error.to_string(), "HTTP error: 204 No Content");
//! # Ok(())
//! # }
//! ```

mod builder;
mod built_in;
mod cause;
mod client_protocol;
mod codes;
mod mark;
mod message;
mod pattern;
mod polling;
mod script;

pub use self::builder::{ClientProtocolBuilder, ClientProtocolError};
pub use self::cause::{Cause, NextStep};
pub use self::client_protocol::ClientProtocol;
pub use self::mark::Mark;
pub use self::message::Message;
pub use self::pattern::Pattern;
pub use self::script::{Refusal, Script};

pub(crate) use self::client_protocol::{Language, is_foreign};
pub(crate) use self::message::Values;
pub(crate) use self::polling::Polling;
pub(crate) use self::script::{Compiled, Ready};
