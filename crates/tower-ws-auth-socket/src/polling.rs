//! Guards Socket.IO's polling transport: [`PollingLayer`].
//!
//! A Socket.IO client begins with HTTP requests, and its server knows a session by the `sid` in
//! their query alone. A user who learns somebody else's `sid` reads and writes in that session. With
//! this layer a `sid` is good for its own user.
//!
//! - Each answer that opens a session has the server's `sid` with an HMAC of it and of the
//!   identity. Each later request must present that, and the server reads its own `sid`. This holds
//!   for the upgrade to a WebSocket as well. Nothing is kept in memory.
//! - Another identity, or a `sid` that this layer has not seen, gets 400 `Session ID unknown`, as
//!   Engine.IO answers for a session that does not exist.
//! - A poll that waits for messages ends when its [`Lease`](crate::lease::Lease) ends: the client
//!   reads the event `auth_ended` and is disconnected. Each `GET` of a session counts as a poll,
//!   except the upgrade. Later polls are refused by the strategy.
//! - Put it inside of an [`AuthLayer`](tower_ws_auth_core::AuthLayer) for
//!   [any request](tower_ws_auth_core::AuthLayer::any_request), and inside of the
//!   [`LeaseLayer`](crate::lease::LeaseLayer). Without the former every request is refused with 503.
//!   Outside of both, a [`CloseFrameLayer`](crate::close::CloseFrameLayer) with
//!   [`socket_io`](crate::protocol::ClientProtocol::socket_io) tells refused clients why.
//! - The answer that opens a session is read whole, up to 64 KiB. It must not be compressed further
//!   in.
//! - Only Engine.IO 4 is understood. A session of version 3 is opened, and its `sid` is no good.
//!
//! ```
//! use http::{Request, Response, StatusCode};
//! use http_body_util::{BodyExt, Full};
//! use tower::{Layer, Service, ServiceExt};
//! # use bytes::Bytes;
//! # use http::request::Parts;
//! use tower_ws_auth_core::{AuthLayer, Grant, Rejection};
//! use tower_ws_auth_socket::polling::PollingLayer;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let strategy = |head: &mut Parts| {
//! #     let user = head.headers["authorization"].to_str().unwrap().to_owned();
//! #     async move { Ok::<_, Rejection>(Grant::new(user)) }
//! # };
//! let secret = b"0123456789abcdef0123456789abcdef";
//! let layers = tower::ServiceBuilder::new()
//!     .layer(AuthLayer::new(strategy).any_request())
//!     .layer(PollingLayer::new(secret, |user: &String| user.clone())?);
//! let mut service = layers.service_fn(async |request: Request<()>| {
//!     let is_open = request.uri().query().unwrap().contains("sid=SERVER");
//!     let packet = if is_open { "2" } else { r#"0{"sid":"SERVER","upgrades":[]}"# };
//!     Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::from(packet)))
//! });
//! let mut poll = async |user: &str, query: String| {
//!     let request = Request::get(format!("/socket.io/?EIO=4&transport=polling{query}"));
//!     let request = request.header("authorization", user).body(()).unwrap();
//!     let response = service.ready().await.unwrap().call(request).await.unwrap();
//!     let status = response.status();
//!     let body = response.into_body().collect().await.unwrap().to_bytes();
//!     (status, String::from_utf8(body.to_vec()).unwrap())
//! };
//!
//! let (_, opened) = poll("ada", String::new()).await;
//! let sid = opened.split('"').nth(3).unwrap();
//! assert!(sid.starts_with("SERVER."));
//!
//! assert_eq!(poll("ada", format!("&sid={sid}")).await, (StatusCode::OK, "2".to_owned()));
//! let (status, body) = poll("eve", format!("&sid={sid}")).await;
//! assert_eq!(status, StatusCode::BAD_REQUEST);
//! assert_eq!(body, r#"{"code":1,"message":"Session ID unknown"}"#);
//! # Ok(())
//! # }
//! ```

mod binding;
mod future;
mod layer;
mod opening;
mod service;
mod session;

pub use self::future::ResponseFuture;
pub use self::layer::{PollingError, PollingLayer};
pub use self::service::Polling;
