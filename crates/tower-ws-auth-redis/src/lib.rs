//! Tickets, sessions and revocations on Redis or Valkey: with them many nodes behave as one.
//!
//! Instead of the stores in memory:
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
//! - One connection carries everything that a process asks. A ticket is taken by one `GETDEL`.
//! - What reads before it writes is a script, which Redis runs in one atomic step: a revocation
//!   keeps the later of two, and a session's record is replaced only if it is still the one that
//!   was read.
//! - No ticket and no claim is asked for twice. One that got no answer is an error, for which the layers answer
//!   503 `unavailable`: a ticket may be gone with it, and is never good for two.
//! - Every operation ends within the [`timeout`](RedisBuilder::timeout), a second, whatever Redis
//!   does, and no more than so many [wait](RedisBuilder::max_in_flight). It works again when Redis
//!   does, without a restart. [`Redis::connect_lazy`] starts while Redis is down.
//! - A command that ran into the timeout may still be carried out, if Redis was only slow.
//! - No error and no log shows a key, a session's id, a value or a password.
//!
//! Redis 6.2 or later, or Valkey.
//!
//! # Sizing
//!
//! Measured with Redis 7.0 on 64 bits, all overhead included:
//!
//! | what | bytes |
//! |---|---|
//! | a ticket with an entry of 16 bytes | 196 |
//! | a ticket with an entry of 100 bytes | 272 |
//! | a subject with one ticket outstanding, besides the ticket | 211 |
//! | each further ticket in the count of a subject | 32 |
//! | a claim of a JWT's `jti` | 144 |
//! | a session of 200 bytes of JSON | 312 |
//! | a revoked key, `user:` and a short name, until its retention ends | 184 |
//!
//! A ticket is gone when it is taken, or after its 30 seconds; its place in the count of its subject
//! stays that long in any case. At 1,000 tickets a second for as many subjects, none of them used,
//! that makes 15 MB.
//!
//! The bound on all of them is Redis's `maxmemory`, and `maxmemory-policy` **must be
//! `noeviction`**: a policy that evicts gives up a claim, with which a token can be used again, or
//! a session whose user did nothing wrong. At the bound the mint answers 429 and a login fails;
//! tickets and sessions that exist go on working. Set an alarm well below it.
//!
//! # What a failover can replay
//!
//! Redis replicates after it has answered. When a master dies, what it had answered and not yet
//! passed on, usually some milliseconds, is undone on the replica that takes its place. So it is
//! with what a restart does not find on disk: up to a second with `appendfsync everysec`.
//!
//! - A ticket that was taken in that moment can be taken once more, until its ttl ends: 30
//!   seconds after it was issued, at most.
//! - A claim that is undone lets its token be used once more, until the token expires.
//! - A session that was destroyed lives again until its time is over or its user logs out again.
//!   One that was created is gone.
//!
//! - A revocation that is undone ends no connection that it has not ended yet, and its credentials
//!   pass again. Whoever revoked it was told that it succeeded.
//!
//! A Redis without disk and replica forgets everything when it restarts: tickets and sessions are
//! refused, and every token whose claim it forgot can be used once more. `appendfsync always`
//! closes the window for restarts, and `min-replicas-to-write` bounds how long a master that was
//! cut off goes on; nothing in Redis closes it for a failover.
//!
//! # Access
//!
//! All that the stores send, with the default prefixes:
//!
//! ```text
//! ACL SETUSER wsauth on >secret ~wsauth:ticket:* ~wsauth:revoked:* ~sess:* &wsauth:revoked \
//!     +set +getdel +get +pttl +expire \
//!     +multi +exec +zadd +zcard +zrem +zremrangebyscore +pexpire +ping \
//!     +mget +publish +subscribe +evalsha +eval
//! ```
//!
//! A cluster wants `+cluster|slots` besides, and a master behind Sentinel `+role`. Whoever can
//! write there can log in as anybody: give the user a password, and Redis a network of its own or
//! TLS.
//!
//! # Log
//!
//! With the feature `tracing` each change is one event, target `tower_ws_auth`, with the fields
//! `store` (`redis`), `state` (`connected`, `lost`; for news of revocations `listening`, `deaf`)
//! and `error`. It is what the commands have seen:
//! while nobody asks, nothing is lost.
//! Revocations that cannot be read are one more, with the state `unreadable` and their `count`.
//!
//! # Features
//!
//! - `tracing`: the events above.
//! - `tls-rustls`: URLs with `rediss://`, checked against the platform's certificates. Unless the
//!   application has installed a `CryptoProvider` of rustls before, such a URL installs `ring` for
//!   the whole process.
//! - `cluster`: `RedisBuilder::cluster_lazy`. Every ticket, count and session lies on the node of
//!   its key. Slots may be moved under load: a node that answers MOVED or ASK has not carried the
//!   command out, and it goes on to the node that is named. When a master dies, its keys are
//!   refused as unavailable until a replica is promoted.
//! - `sentinel`: `RedisBuilder::sentinel_lazy`. When the connection breaks, times out or leads
//!   to a replica, Sentinel is asked anew. Until it has promoted a replica everything is refused.
//!   There is no pause between two attempts, and one at a time.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
mod connection;
mod error;
mod handle;
mod listener;
#[cfg(feature = "cluster")]
mod redirect;
mod revocations;
mod script;
mod sessions;
mod state;
mod tickets;
#[cfg(feature = "tls-rustls")]
mod tls;
mod trace;
mod ttl;
mod wire_format;

pub use self::builder::RedisBuilder;
pub use self::error::RedisError;
pub use self::handle::Redis;
pub use self::revocations::RedisRevocations;
pub use self::sessions::RedisSessions;
pub use self::tickets::RedisTickets;
