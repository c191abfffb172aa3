//! Tells a refused browser why: [`CloseFrameLayer`] turns a rejection into an upgrade and a
//! close frame.
//!
//! A page cannot read the HTTP status of a refused handshake: it sees close code 1006, as after
//! any broken connection, and comes back for ever. With this layer it reads `event.code` 4401
//! and `event.reason` `token_expired`, and knows what to do.
//!
//! - Put it outside of the layers that refuse. It finds their
//!   [`Rejection`](tower_ws_auth_core::Rejection) in the response's extensions.
//! - It converts only requests with an `Origin` ([`is_from_a_browser`]), never a refused origin
//!   and never what is not a valid handshake. Everybody else keeps the plain HTTP answer.
//! - The closing handshake: write the close frame, read until the client's own, then end the stream.
//!   It has a deadline, a cap on bytes and a cap on closing handshakes at a time; beyond the last one the
//!   HTTP answer stays.
//! - The answer is held for a moment ([`reject_delay`](CloseFrameLayer::reject_delay)): clients that reset their
//!   back-off when a socket opens would otherwise come back at once, and for ever.
//! - A client that offers subprotocols gets one of them selected: one of yours, if you
//!   [name them](CloseFrameLayer::subprotocols), else its first that reads like a name and like no
//!   credential.
//! - The close frame is a packet of its own behind the answer. With `TCP_NODELAY` on the server's
//!   sockets (axum: `ListenerExt::tap_io`) it does not wait for an acknowledgement of the first.
//! - Layers further out see 101 or 200. The status it would have been is in the extensions
//!   ([`OriginalStatus`], and the rejection itself) and in the tracing event.
//!
//! The server must be built with upgrades (`axum::serve` is; with hyper-util use
//! `serve_connection_with_upgrades`), or the client gets 101 and then nothing. It runs on tokio,
//! with its timer enabled.
//!
//! ```
//! use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};
//! use tower_ws_auth_socket::close::CloseFrameLayer;
//! # use http::{Request, Response, request::Parts};
//! # use tower_ws_auth_core::{AuthLayer, Grant, Rejection, RejectionKind};
//! # use hyper_util::{rt::TokioIo, service::TowerToHyperService};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let auth = AuthLayer::new(|head: &mut Parts| {
//! #     let known = head.uri.query() == Some("who=ada");
//! #     async move {
//! #         let refused = Rejection::new(RejectionKind::TokenInvalid, "unknown");
//! #         if known { Ok(Grant::new("ada")) } else { Err(refused) }
//! #     }
//! # });
//! let service = tower::ServiceBuilder::new()
//!     .layer(CloseFrameLayer::new())
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
//! // A page whose credential is refused gets its socket, and then the reason.
//! let mut request = format!("ws://{address}/?who=eve").into_client_request()?;
//! request.headers_mut().insert("origin", "https://app.example".parse()?);
//! let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
//! # use futures_util::StreamExt;
//! let Some(Ok(Message::Close(Some(close)))) = socket.next().await else { panic!() };
//! assert_eq!((u16::from(close.code), close.reason.as_str()), (4401, "token_invalid"));
//!
//! // One that is accepted reaches your handler, which here answers 204.
//! let request = format!("ws://{address}/?who=ada").into_client_request()?;
//! let error = tokio_tungstenite::connect_async(request).await.unwrap_err();
//! assert_eq!(error.to_string(), "HTTP error: 204 No Content");
//! # Ok(())
//! # }
//! ```
//!
//! # Other clients
//!
//! A [`ClientProtocol`] speaks the language of a client library: Socket.IO, Phoenix, graphql-ws and
//! [others](crate::protocol). [`close_with`](CloseFrameLayer::close_with) takes a function.
//!
//! # Rejections of others
//!
//! A rate limiter's 429, a timeout's 408 and a handler's 403 carry no rejection of ours. They stay
//! HTTP responses, unless the layer is told to
//! [convert them too](CloseFrameLayer::convert_error_responses), or
//! [some of them](CloseFrameLayer::classify):
//!
//! ```
//! # use http::{Request, Response, StatusCode};
//! use tower_ws_auth_socket::close::CloseFrameLayer;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use hyper_util::{rt::TokioIo, service::TowerToHyperService};
//! # use futures_util::StreamExt;
//! # use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};
//! let service = tower::ServiceBuilder::new()
//!     .layer(CloseFrameLayer::new().convert_error_responses())
//!     .service_fn(busy);
//!
//! // Stands for a rate limiter, and for what is behind it.
//! async fn busy(request: Request<hyper::body::Incoming>) -> Result<Response<String>, std::convert::Infallible> {
//!     let mut response = Response::new(String::new());
//!     *response.status_mut() = match request.uri().path() {
//!         "/busy" => StatusCode::TOO_MANY_REQUESTS,
//!         _ => StatusCode::NOT_FOUND,
//!     };
//!     Ok(response)
//! }
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let address = listener.local_addr()?;
//! # tokio::spawn(async move {
//! #     while let Ok((stream, _)) = listener.accept().await {
//! #         let connection = hyper::server::conn::http1::Builder::new()
//! #             .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service.clone()));
//! #         tokio::spawn(connection.with_upgrades());
//! #     }
//! # });
//! # let page = |path: &str| {
//! #     let mut request = format!("ws://{address}/{path}").into_client_request().unwrap();
//! #     request.headers_mut().insert("origin", "https://app.example".parse().unwrap());
//! #     tokio_tungstenite::connect_async(request)
//! # };
//!
//! let (mut socket, _) = page("busy").await?;
//! let Some(Ok(Message::Close(Some(close)))) = socket.next().await else { panic!() };
//! assert_eq!((u16::from(close.code), close.reason.as_str()), (4429, "rate_limited"));
//!
//! // What is no rejection stays what it is.
//! let error = page("elsewhere").await.unwrap_err();
//! assert_eq!(error.to_string(), "HTTP error: 404 Not Found");
//! # Ok(())
//! # }
//! ```
//!
//! # HTTP/2
//!
//! With the feature `http2` a refused extended CONNECT (RFC 8441) is converted as well: the answer
//! is 200, the close frame comes in the stream's DATA, and the stream ends when the client has
//! closed; the connection's other streams go on. Without the feature such a request is no valid
//! handshake and its HTTP answer stays. The server must say `enable_connect_protocol()`, and the
//! route must take any method; `axum::serve` does the former.
//!
//! # Shutdown
//!
//! Over HTTP/1.1 a graceful shutdown of the server does not know the closing handshakes:
//! [`CloseFrameLayer::closing_handshakes`] waits for them, and
//! [`spawn_with`](CloseFrameLayer::spawn_with) hands them to a task tracker.

mod closing_handshakes;
mod config;
mod convert;
mod error_responses;
mod future;
mod layer;
mod places;
mod polled;
mod telling;
mod trace;

#[cfg(feature = "first-message")]
pub(crate) use self::config::REJECT_DELAY;
#[cfg(feature = "first-message")]
pub(crate) use self::places::Places;

pub use self::closing_handshakes::ClosingHandshakes;
pub use self::config::{ClosingHandshake, is_from_a_browser, json_message};
pub use self::convert::OriginalStatus;
pub use self::error_responses::by_status;
pub use self::future::ResponseFuture;
pub use self::layer::{CloseFrame, CloseFrameLayer};
pub use crate::frame::{Close, CloseCode, CloseCodeError};
pub use crate::protocol::ClientProtocol;
