//! Authorizes the join of a channel on a WebSocket that is open: a tower layer around whatever
//! handles such a message.
//!
//! The handshake has said who it is. Which channel they want is said later, by a message, and
//! the handshake cannot decide about that. This crate can: the application makes a [`Join`] of
//! the message, a [`Policy`] decides, and the inner service sees only what was admitted. It knows
//! no message format and no WebSocket library, and it never sees the socket.
//!
//! - A denial is an [`JoinOutcome`] and neither an error nor a close. [`Denial::token`] is what the
//!   client may read.
//! - What no rule lets in is denied.
//! - Before a policy is asked, the channel's name must have 1 to 256 bytes
//!   ([`longest_channel`](ChannelAuthLayer::longest_channel)) and no control character, and the
//!   credential at most 8 KiB.
//! - The credential that came with the join is gone when the inner service sees it. What the
//!   policy learnt by it is there: [`Join::pass`].
//!
//! | policy | lets pass |
//! |---|---|
//! | a closure, [`policy_fn`] | what the application says |
//! | [`Patterns`] | channels by name: `lobby`, `room-*`, `private-{user}`, each with a policy of its own if need be |
//! | `TicketPolicy` (feature `ticket`) | a single-use ticket minted for the channel |
//! | `PusherPolicy` (feature `pusher`) | a signature for socket and channel, as Pusher has it |
//! | `JwtPolicy` (feature `jwt`) | a token whose claim `channel` names the channel |
//! | [`And`], [`Or`] | what two policies say together |
//!
//! ```
//! use tower::{Layer, Service, ServiceExt};
//! use tower_ws_auth_channel::{JoinOutcome, ChannelAuthLayer, Join, Patterns};
//!
//! #[derive(Clone)]
//! struct User { name: String }
//!
//! // Whatever your messages look like.
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
//! # Single use
//!
//! A ticket is taken after everything cheaper: the layer's own checks, the pattern, the policies
//! before it. What only the application knows it must check itself before it calls the service:
//! that the client is not in the channel already, and not in too many.
//!
//! # Caveats
//!
//! - A join is authorized when it is made. When the handshake's grant ends, the lease layer ends
//!   the connection and its joins with it; a grant in the [`Evidence`] that ends sooner is the
//!   application's to watch.
//! - A policy sees the identity as the handshake had it. What may change while the socket is open,
//!   such as a role, belongs into a policy that asks for it.
//! - One layer per path: the outer of two takes the credential away. Combine policies instead.
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

pub use self::builder::{PatternsBuilder, PatternsError};
pub use self::combine::{And, AndFuture, Or, OrFuture};
pub use self::evidence::Evidence;
pub use self::future::ResponseFuture;
pub use self::join::{Join, JoinParts};
#[cfg(feature = "jwt")]
pub use self::jwt::{JwtFuture, JwtPolicy, Subscription, SubscriptionClaims};
pub use self::layer::ChannelAuthLayer;
pub use self::outcome::{Denial, JoinOutcome};
pub use self::patterns::{Patterns, PatternsFuture};
pub use self::policy::{Decision, IntoDecision, Policy, PolicyFn, policy_fn};
#[cfg(feature = "pusher")]
pub use self::pusher::{Pusher, PusherAuth, PusherError, PusherPolicy, PusherSigned};
pub use self::service::ChannelAuth;
#[cfg(feature = "ticket")]
pub use self::ticket::{TicketFuture, TicketPolicy};
