//! Authorizes joins of channels on an open WebSocket: a tower layer around the service that handles
//! such messages.
//!
//! The handshake authenticates the client. The client names its channel later, in a message, so the
//! handshake cannot decide about it. This crate can: the application makes a [`Join`] from the
//! message, a [`Policy`] decides, and the inner service sees only admitted joins. The crate knows
//! no message format and no WebSocket library, and it never sees the socket.
//!
//! - A denial is a [`JoinOutcome`], not an error, and closes nothing. [`Denial::reason`] is the
//!   text that the client may read.
//! - A join that no rule admits is denied.
//! - The layer first checks the channel's name and the credential. The name must have 1 to 256
//!   bytes ([`longest_channel`](ChannelAuthLayer::longest_channel)) and no control character. The
//!   credential may have at most 8 KiB.
//! - The inner service never sees the credential of the join. It finds the policy's evidence in
//!   [`Join::pass`].
//!
//! | policy | admits |
//! |---|---|
//! | a closure, [`policy_fn`] | joins that the application's code accepts |
//! | [`Patterns`] | channels by name: `lobby`, `room-*`, `private-{user}`, each with its own policy if needed |
//! | `TicketPolicy` (feature `ticket`) | a single-use ticket minted for the channel |
//! | `PusherPolicy` (feature `pusher`) | a signature for socket and channel, as Pusher has it |
//! | `JwtPolicy` (feature `jwt`) | a token whose claim `channel` names the channel |
//! | [`And`], [`Or`] | joins that both policies admit, or one of them |
//!
//! ```
//! use tower::{Layer, Service, ServiceExt};
//! use tower_ws_auth_channel::{JoinOutcome, ChannelAuthLayer, Join, Patterns};
//!
//! #[derive(Clone)]
//! struct User { name: String }
//!
//! /// The form of your messages.
//! struct Subscribe { id: u64 }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let patterns = Patterns::<User, Subscribe>::builder()
//!     .placeholder("user", |user: &User| user.name.as_str().into())
//!     .allow("lobby")
//!     .allow("room-*")
//!     .allow("private-{user}")
//!     .build()?;
//! let mut service = ChannelAuthLayer::new(patterns).layer(tower::service_fn(
//!     async |join: Join<User, Subscribe>| {
//!         // Enter `join.channel()` here.
//!         Ok::<_, std::io::Error>(join.message().id)
//!     },
//! ));
//!
//! let ada = User { name: "ada".into() };
//! let mut reply = async |channel: &str| {
//!     let join = Join::new(ada.clone(), channel, Subscribe { id: 7 });
//!     Ok::<_, std::io::Error>(match service.ready().await?.call(join).await? {
//!         JoinOutcome::Admitted(id) => format!(r#"{{"type":"joined","id":{id}}}"#),
//!         JoinOutcome::Denied(denial) => format!(r#"{{"type":"denied","reason":"{denial}"}}"#),
//!     })
//! };
//!
//! assert_eq!(reply("private-ada").await?, r#"{"type":"joined","id":7}"#);
//! assert_eq!(reply("private-eve").await?, r#"{"type":"denied","reason":"forbidden"}"#);
//! # Ok(())
//! # }
//! ```
//!
//! # Socket.IO
//!
//! [`NamespaceAuth`] reads the packet by which a client of Socket.IO asks for a namespace, asks a
//! policy, and makes the packet that answers it.
//!
//! # Single use
//!
//! A ticket is taken after all cheaper checks: the layer's own checks, the pattern, and the
//! policies before it. The application must check its own facts before it calls the service: that
//! the client is not already in the channel, and not in too many channels.
//!
//! # Caveats
//!
//! - A join is authorized once. When the handshake's grant ends, the lease layer ends the
//!   connection with its joins. If a grant in the [`Evidence`] ends earlier, the application must
//!   end the join.
//! - A policy sees the identity of the handshake. If a fact such as a role may change while the
//!   socket is open, use a policy that looks it up.
//! - Use one layer per path: the outer of two removes the credential. Combine policies instead.
//!
//! # Features
//!
//! - `ticket`, `pusher`, `jwt`: the policies of these names.
//! - `tracing`: one event for each decision, target `tower_ws_auth`, with the fields `strategy`
//!   (`channel`), `outcome`, `kind`, `status`, `detail`, `source`, `channel` and `latency_us`.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
mod combine;
mod evidence;
mod future;
mod join;
#[cfg(feature = "jwt")]
mod jwt;
mod layer;
mod namespace;
mod outcome;
mod pattern;
mod patterns;
mod policy;
#[cfg(feature = "pusher")]
mod pusher;
mod service;
#[cfg(feature = "ticket")]
mod ticket;
mod trace;

pub use self::builder::{ConfigError, PatternsBuilder};
pub use self::combine::{And, AndFuture, Or, OrFuture};
pub use self::evidence::Evidence;
pub use self::future::ResponseFuture;
pub use self::join::{Join, JoinParts};
#[cfg(feature = "jwt")]
pub use self::jwt::{JwtFuture, JwtPolicy, Subscription, SubscriptionClaims};
pub use self::layer::ChannelAuthLayer;
pub use self::namespace::{ConnectPacket, NamespaceAnswer, NamespaceAuth};
pub use self::outcome::{Denial, JoinOutcome};
pub use self::patterns::{Patterns, PatternsFuture};
pub use self::policy::{Decision, IntoDecision, Policy, PolicyFn, policy_fn};
#[cfg(feature = "pusher")]
pub use self::pusher::{Pusher, PusherAuth, PusherError, PusherPolicy, PusherSigned};
pub use self::service::ChannelAuth;
#[cfg(feature = "ticket")]
pub use self::ticket::{TicketFuture, TicketPolicy};
