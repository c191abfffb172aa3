//! Tickets, sessions and revocations on Redis or Valkey: many nodes then behave as one.
//!
//! Replace the stores in memory:
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::Duration;
//! use tower_ws_auth_core::Revocations;
//! use tower_ws_auth_redis::{Redis, RedisRevocations, RedisSessions, RedisTickets};
//! use tower_ws_auth_session::{Secrets, Sessions};
//! use tower_ws_auth_ticket::Tickets;
//!
//! # #[derive(Clone, serde::Serialize, serde::Deserialize)]
//! # struct User;
//! # async fn start(secrets: Secrets) -> Result<(), Box<dyn std::error::Error>> {
//! let redis = Redis::connect("redis://127.0.0.1:6379").await?;
//!
//! // was: Tickets::builder(Arc::new(MemoryTickets::new()))
//! let store = Arc::new(RedisTickets::new(redis.clone()));
//! let tickets: Tickets<User> = Tickets::builder(store).build()?;
//!
//! // was: Sessions::builder(secrets, MemorySessions::new(100_000))
//! let store = RedisSessions::new(redis.clone());
//! let sessions: Sessions<User> = Sessions::builder(secrets, store).build()?;
//!
//! // was: Revocations::new(MemoryRevocations::new(day, 100_000))
//! let day = Duration::from_secs(24 * 3600);
//! let revocations = Revocations::new(RedisRevocations::new(redis, day));
//! # Ok(())
//! # }
//! ```
//!
//! - One connection carries all commands of a process. A ticket is taken by one `GETDEL`.
//! - Every read before a write is a script, which Redis runs in one atomic step. A revocation keeps
//!   the later of two. A session's record is replaced only if it is still the one that was read.
//! - No lookup of a ticket or claim is repeated. A missing answer is an error, for which the layers
//!   answer 503 `unavailable`. A ticket may be lost with it, but is never valid for two clients.
//! - Every operation ends within the [`timeout`](RedisBuilder::timeout), 1 second by default,
//!   whatever Redis does. The number of [waiting](RedisBuilder::max_in_flight) commands is limited.
//!   Operations succeed again when Redis is back, without a restart. [`Redis::connect_lazy`] starts
//!   while Redis is down.
//! - A command that timed out may still be carried out, if Redis was only slow.
//! - No error and no log shows a key, a session's id, a value or a password.
//!
//! Redis 6.2 or later, or Valkey.
//!
//! # Sizing
//!
//! Measured with Redis 7.0 on 64 bits, all overhead included:
//!
//! | entry | bytes |
//! |---|---|
//! | a ticket with an entry of 16 bytes | 196 |
//! | a ticket with an entry of 100 bytes | 272 |
//! | a subject with one ticket outstanding, besides the ticket | 211 |
//! | each further ticket in the count of a subject | 32 |
//! | a claim of a JWT's `jti` | 144 |
//! | a session of 200 bytes of JSON | 312 |
//! | a revoked key, `user:` and a short name, until its retention ends | 184 |
//!
//! A ticket is removed when it is taken, or after its 30 seconds. Its place in the count of its
//! subject stays that long in any case. At 1,000 unused tickets a second for as many subjects, that
//! makes 15 MB.
//!
//! The bound on all of them is Redis's `maxmemory`, and `maxmemory-policy` **must be
//! `noeviction`**. Another policy may evict a claim, so that its token can be used again, or a live
//! session. At the bound the ticket endpoint answers 429 and a login fails. Existing tickets and
//! sessions go on working. Set an alarm well below it.
//!
//! # What a failover can replay
//!
//! Redis replicates after it has answered. When a master dies, its last answered writes, usually of
//! some milliseconds, are lost on the replica that takes its place. A restart also loses the writes
//! that are not yet on disk: up to a second with `appendfsync everysec`.
//!
//! - A ticket taken in that moment can be taken once more, until its ttl ends: at most 30 seconds
//!   after it was issued.
//! - A token whose claim is lost can be used once more, until it expires.
//! - A destroyed session lives again until it expires or its user logs out again. A new session is
//!   lost.
//! - A lost revocation ends no further connections, and its credentials pass again. Its caller was
//!   told that it succeeded.
//!
//! A Redis without disk and replica forgets everything when it restarts. Tickets and sessions are
//! refused, and every token with a forgotten claim can be used once more. `appendfsync always`
//! closes the window for restarts. `min-replicas-to-write` bounds how long a cut-off master goes
//! on. Nothing in Redis closes the window for a failover.
//!
//! # Access
//!
//! All commands of the stores, with the default prefixes:
//!
//! ```text
//! ACL SETUSER wsauth on >secret ~wsauth:ticket:* ~wsauth:revoked:* ~sess:* &wsauth:revoked \
//!     +set +getdel +get +pttl +expire \
//!     +multi +exec +zadd +zcard +zrem +zremrangebyscore +pexpire +ping \
//!     +mget +publish +subscribe +evalsha +eval
//! ```
//!
//! [`RedisRelay`] also needs `&wsauth:relay &wsauth:relay:*`.
//! A cluster also needs `+cluster|slots`, and a master behind Sentinel `+role`. Anyone who can
//! write there can log in as any user. Give the user a password, and Redis its own network or TLS.
//!
//! # Log
//!
//! With the feature `tracing` each change is one event, target `tower_ws_auth`, with the fields
//! `store` (`redis`), `state` and `error`. The state is `connected` or `lost`, and `listening` or
//! `deaf` for news of revocations. It reflects the results of commands: without commands, no loss
//! is noticed. Unreadable revocations are a further event, with the state `unreadable` and their
//! `count`.
//!
//! # Features
//!
//! - `tracing`: the events above.
//! - `redis-tls`: URLs with `rediss://`, checked against the platform's certificates. Such a URL
//!   installs `ring` for the whole process, unless the application has already installed a
//!   `CryptoProvider` of rustls.
//! - `redis-cluster`: `RedisBuilder::cluster_lazy`. Every ticket, count and session is on the node of its
//!   key. Slots may be moved under load. A node that answers MOVED or ASK has not carried the
//!   command out, so the command goes on to the named node. When a master dies, requests for its
//!   keys are refused as unavailable until a replica is promoted. After a timeout the connections to
//!   all nodes are replaced in the background. The old ones serve until every master answers on the
//!   new ones. The client carries 192 commands at a time, the others wait for their turn: over the
//!   loopback it bears no more, and with an answer after 10 ms these are 19,200 a second.
//! - `redis-sentinel`: `RedisBuilder::sentinel_lazy`. Sentinel is asked again when the connection breaks,
//!   times out or leads to a replica. Until it has promoted a replica, every request is refused.
//!   Only one attempt to connect runs at a time, without a pause between attempts.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod background;
mod builder;
mod connection;
mod error;
mod handle;
mod listener;
#[cfg(feature = "redis-cluster")]
mod masters;
#[cfg(feature = "redis-cluster")]
mod redirect;
mod relay;
mod revocations;
mod script;
mod sessions;
mod state;
mod tickets;
#[cfg(feature = "redis-tls")]
mod tls;
mod trace;
mod ttl;
#[cfg(feature = "redis-cluster")]
mod turns;
mod wire_format;

pub use self::builder::RedisBuilder;
pub use self::error::RedisError;
pub use self::handle::Redis;
pub use self::relay::RedisRelay;
pub use self::revocations::RedisRevocations;
pub use self::sessions::RedisSessions;
pub use self::tickets::RedisTickets;
