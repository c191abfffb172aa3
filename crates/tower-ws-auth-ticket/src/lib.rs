//! Admits a WebSocket by a ticket: a secret that opens one connection, once, within seconds.
//!
//! A browser cannot set headers on a WebSocket, and proxies log URLs. So a client with a real
//! credential trades it for a ticket over HTTP, and puts the ticket into the URL. A ticket that is
//! read from a log later is already used.
//!
//! - A ticket is 256 bits from the operating system. The store keeps a SHA-256 digest of it.
//! - It is valid for 30 seconds ([`ttl`](TicketsBuilder::ttl)) and for one [`Purpose`]. The purpose
//!   is part of the digest, as are the path, origin and client address if tickets are bound to
//!   them. Elsewhere a ticket is unknown, and it stays valid for its own purpose.
//! - The checks run in this order: the handshake, then binding and length, then everything else
//!   that may refuse the request, such as `authorize` and a connection limit. Only then is the
//!   ticket taken from the [`TicketStore`], in one atomic step. A handshake that is refused for
//!   another reason spends no ticket.
//! - A used, unknown or expired ticket, or one for another purpose, gets the same refusal:
//!   `ticket_invalid`.
//! - The ttl bounds when a connection must start. Another deadline bounds the connection's life:
//!   [`live_for`](TicketsBuilder::live_for) and [`TicketRequest::until`].
//! - Outstanding tickets are bounded, in total and for each subject. Past a bound the ticket
//!   endpoint answers 429, and no ticket is dropped.
//!
//! A store that fails or does not answer in time refuses with 503. The lookup is not repeated,
//! because the first attempt may have taken the ticket.
//!
//! # Admitting
//!
//! ```
//! use std::sync::Arc;
//! use http::{Request, Response, StatusCode};
//! use serde::{Deserialize, Serialize};
//! use tower::{Layer, Service, ServiceExt};
//! use tower_ws_auth_core::{Authenticated, Rejection};
//! use tower_ws_auth_ticket::{MemoryTickets, TicketRequest, TicketLayer, Tickets, Purpose};
//!
//! #[derive(Clone, Serialize, Deserialize)]
//! struct User { name: String }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let tickets: Tickets<User> = Tickets::builder(Arc::new(MemoryTickets::new())).build()?;
//!
//! let mut service = TicketLayer::new(tickets.strategy()).layer(tower::service_fn(
//!     async |request: Request<()>| {
//!         let user: &Authenticated<User> = request.extensions().get().unwrap();
//!         assert_eq!(user.name, "ada");
//!         Ok::<_, std::io::Error>(Response::new(()))
//!     },
//! ));
//! # let handshake = |uri: &str| Request::get(uri)
//! #     .header("host", "localhost").header("connection", "upgrade").header("upgrade", "websocket")
//! #     .header("sec-websocket-version", "13").header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
//! #     .body(()).unwrap();
//!
//! let ada = User { name: "ada".into() };
//! let issued = tickets.issue(TicketRequest::new(ada, Purpose::handshake()).subject("ada")).await?;
//! let uri = format!("/ws?ticket={}", issued.ticket());
//!
//! let accepted = service.ready().await?.call(handshake(&uri)).await?;
//! assert_eq!(accepted.status(), StatusCode::OK);
//!
//! let replayed = service.ready().await?.call(handshake(&uri)).await?;
//! assert_eq!(replayed.status(), StatusCode::UNAUTHORIZED);
//! assert_eq!(replayed.extensions().get::<Rejection>().unwrap().reason(), "ticket_invalid");
//! # Ok(())
//! # }
//! ```
//!
//! # Minting
//!
//! [`Tickets::endpoint`] makes a service that answers `POST`. Mount it behind a strategy that
//! authenticates the client. The client's grant there limits the ticket's: it ends no later, is
//! revoked by the same keys, and is as old as the decision about the client. In a handler of your
//! own call [`TicketRequest::inherit`].
//!
//! ```
//! # use std::sync::Arc;
//! # use http::{Request, StatusCode, request::Parts};
//! # use http_body_util::{BodyExt as _, Empty};
//! # use tower::{Layer, ServiceExt};
//! use tower_ws_auth_core::{AuthLayer, Authenticated, Grant, Rejection, RejectionKind};
//! use tower_ws_auth_ticket::{MemoryTickets, TicketRequest, Tickets};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let tickets: Tickets<String> = Tickets::builder(Arc::new(MemoryTickets::new())).build()?;
//! let endpoint = tickets.endpoint(|head, mint_request| {
//!     let user: &Authenticated<String> = head.extensions.get().ok_or_else(|| {
//!         Rejection::new(RejectionKind::CredentialsMissing, "the ticket endpoint has no AuthLayer")
//!     })?;
//!     Ok(TicketRequest::new(user.to_string(), mint_request.into_purpose()).subject(user.as_str()))
//! });
//!
//! // Any strategy that is not single-use: a session, a JWT, or this closure.
//! let service = AuthLayer::new(|head: &mut Parts| {
//!     let key = head.headers.remove("x-api-key");
//!     async move {
//!         match key {
//!             Some(key) if key == "k-123" => Ok(Grant::new("ada".to_owned())),
//!             Some(_) => Err(Rejection::new(RejectionKind::TokenInvalid, "no such API key")),
//!             None => Err(Rejection::new(RejectionKind::CredentialsMissing, "no X-Api-Key")),
//!         }
//!     }
//! })
//! .any_request()
//! .layer(endpoint);
//! # let post = |key: &str| Request::post("/ticket").header("x-api-key", key).body(Empty::<bytes::Bytes>::new()).unwrap();
//!
//! let minted = service.clone().oneshot(post("k-123")).await?;
//! assert_eq!(minted.status(), StatusCode::OK);
//! assert_eq!(minted.headers()["cache-control"], "no-store");
//! let json = minted.into_body().collect().await?.to_bytes();
//! assert!(json.starts_with(br#"{"ticket":""#));
//!
//! let refused = service.oneshot(post("guessed")).await?;
//! assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
//! # Ok(())
//! # }
//! ```
//!
//! A ticket is no credential for the ticket endpoint, or its holder could mint for other purposes.
//! The compiler refuses it:
//!
//! ```compile_fail,E0080
//! # use std::sync::Arc;
//! # use tower_ws_auth_ticket::{MemoryTickets, TicketLayer, Tickets};
//! let tickets: Tickets<String> = Tickets::builder(Arc::new(MemoryTickets::new())).build().unwrap();
//! let unguarded = TicketLayer::new(tickets.strategy()).any_request();
//! ```
//!
//! # Channels
//!
//! A ticket for [`Purpose::channel`] opens no socket. A join on an open socket takes it:
//!
//! ```
//! # use std::sync::Arc;
//! # use tower_ws_auth_ticket::{MemoryTickets, TicketRequest, Tickets, Purpose};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let tickets: Tickets<String> = Tickets::builder(Arc::new(MemoryTickets::new())).build()?;
//! let issued = tickets.issue(TicketRequest::new("ada".to_owned(), Purpose::channel("lobby"))).await?;
//!
//! assert!(tickets.take_for_channel(issued.ticket(), "staff").await.is_err());
//! let grant = tickets.take_for_channel(issued.ticket(), "lobby").await?;
//! assert_eq!(grant.identity(), "ada");
//! assert!(tickets.take_for_channel(issued.ticket(), "lobby").await.is_err());
//! # Ok(())
//! # }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
mod endpoint;
mod entry;
mod error;
mod memory;
mod purpose;
mod replay;
mod secret;
mod store;
mod strategy;
mod sync;
mod ticket_request;
mod tickets;
mod timeout;
mod trace;

pub use self::builder::{ConfigError, TicketsBuilder};
pub use self::endpoint::{MintFuture, MintRequest, TicketEndpoint};
pub use self::entry::MAX_ENTRY;
pub use self::error::IssueError;
pub use self::memory::{MemoryTickets, MemoryTicketsBuilder, MemoryTicketsError};
pub use self::purpose::Purpose;
pub use self::replay::{ClaimFuture, claim, is_claimed};
pub use self::store::{BoxFuture, PutError, ReplayStore, StoreError, TicketKey, TicketStore};
pub use self::strategy::{TakeFuture, Ticket, TicketLayer};
pub use self::ticket_request::TicketRequest;
pub use self::tickets::{Issued, Tickets};
