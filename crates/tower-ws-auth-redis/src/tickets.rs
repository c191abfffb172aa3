use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use redis::{Cmd, cmd, pipe};
use tower_ws_auth_ticket::{BoxFuture, PutError, ReplayStore, StoreError, TicketKey, TicketStore};

use crate::handle::Lookup;
use crate::{Redis, RedisError, ttl};

/// Tickets, and claims of single-use credentials, in Redis: every node knows all of them.
///
/// A ticket is issued by one `SET … PX … NX` and taken by one `GETDEL`. Redis runs commands one
/// after the other, so only one request on all nodes gets the ticket. Neither command is repeated.
/// A lost answer is an error, and the ticket may be lost with it. If something beside the ticket
/// may refuse its handshake, a `GET` comes first.
///
/// The bound on all tickets is Redis's own `maxmemory`: see the
/// [crate's documentation](crate#sizing).
#[derive(Clone)]
pub struct RedisTickets {
    redis: Redis,
    prefix: Arc<str>,
    per_subject: u32,
    /// The longest ttl seen, in milliseconds, so that a short-lived ticket does not end the count
    /// of the others.
    longest: Arc<AtomicU64>,
}

impl RedisTickets {
    /// Uses the prefix `wsauth:ticket:`, with at most 64 tickets for each subject.
    pub fn new(redis: Redis) -> Self {
        Self {
            redis,
            prefix: "wsauth:ticket:".into(),
            per_subject: 64,
            longest: Arc::default(),
        }
    }

    /// Sets the prefix of all keys of this store. Applications that share a Redis need different
    /// prefixes. The nodes of one application need the same.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into().into();
        self
    }

    /// Sets the maximum number of outstanding tickets for one subject; 64 by default. A taken
    /// ticket counts until it would have expired.
    ///
    /// Expiry is by the nodes' clocks: if they differ by a second, a ticket counts a second more or
    /// less.
    #[must_use]
    pub fn per_subject(mut self, tickets: u32) -> Self {
        self.per_subject = tickets;
        self
    }

    async fn put(
        &self,
        key: TicketKey,
        entry: Vec<u8>,
        subject: Option<TicketKey>,
        ttl: u64,
    ) -> Result<(), PutError> {
        if let Some(subject) = subject {
            self.count(subject, key, ttl).await?;
        }
        let put = set_once(&self.key("", key), &entry, ttl);
        let first: bool = self.redis.ask(&put).await.map_err(refusal)?;
        // Not chance: 128 bits of a digest of 256 random bits. The key is being used twice.
        let taken = || StoreError::new("there is a ticket under this key already");
        first.then_some(()).ok_or_else(|| taken().into())
    }

    /// Counts a subject's ticket, if there is room for it.
    ///
    /// The count is a set of the tickets by their expiry. Its key may be on another node of a
    /// cluster than the ticket's key, so no transaction holds both. A ticket that is counted but
    /// never stored expires from the count.
    async fn count(&self, subject: TicketKey, key: TicketKey, ttl: u64) -> Result<(), PutError> {
        let set = self.key("subject:", subject);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.map_or(0, ttl::millis);
        let longest = self.longest.fetch_max(ttl, Ordering::Relaxed).max(ttl);
        let mut count = pipe();
        count
            .atomic()
            .cmd("ZREMRANGEBYSCORE")
            .arg(&set)
            .arg("-inf")
            .arg(now)
            .ignore()
            .cmd("ZADD")
            .arg(&set)
            .arg(now + ttl)
            .arg(key.as_bytes())
            .ignore()
            .cmd("PEXPIRE")
            .arg(&set)
            .arg(longest)
            .ignore()
            .cmd("ZCARD")
            .arg(&set);
        let (outstanding,): (u64,) = self.redis.ask_all(&count).await.map_err(refusal)?;
        if outstanding <= u64::from(self.per_subject) {
            return Ok(());
        }
        let mut undo = cmd("ZREM");
        undo.arg(&set).arg(key.as_bytes());
        // If this fails, the refused ticket counts until it would have expired.
        let _: Result<u64, _> = self.redis.ask(&undo).await;
        Err(PutError::SubjectFull)
    }

    /// Digests of different kinds have prefixes of different lengths, so they cannot collide.
    ///
    /// As text, because Redis repeats keys in some of its errors. The client takes bytes that are
    /// not UTF-8 there for a broken connection.
    fn key(&self, kind: &str, key: TicketKey) -> String {
        const ENCODED: usize = 22;
        let mut text = String::with_capacity(self.prefix.len() + kind.len() + ENCODED);
        text.push_str(&self.prefix);
        text.push_str(kind);
        BASE64_URL_SAFE_NO_PAD.encode_string(key.as_bytes(), &mut text);
        text
    }
}

impl TicketStore for RedisTickets {
    fn issue(
        &self,
        key: TicketKey,
        entry: Vec<u8>,
        subject: Option<&str>,
        ttl: Duration,
    ) -> BoxFuture<Result<(), PutError>> {
        let store = self.clone();
        // A subject is a user's name, of any length.
        let subject = subject.map(|name| TicketKey::digest("redis-subject", &[name.as_bytes()]));
        let ttl = ttl::millis(ttl);
        Box::pin(async move {
            let put = store.put(key, entry, subject, ttl);
            store.redis.within(put, refusal).await
        })
    }

    fn take(&self, key: TicketKey) -> BoxFuture<Result<Option<Vec<u8>>, StoreError>> {
        let redis = self.redis.clone();
        let mut take = cmd("GETDEL");
        take.arg(self.key("", key));
        Box::pin(async move {
            let _place = redis.place_for(Lookup::Ticket).map_err(StoreError::from)?;
            redis.ask(&take).await.map_err(StoreError::from)
        })
    }

    fn peek(&self, key: TicketKey) -> Option<BoxFuture<Result<Option<Vec<u8>>, StoreError>>> {
        let redis = self.redis.clone();
        let mut look = cmd("GET");
        look.arg(self.key("", key));
        Some(Box::pin(async move {
            let _place = redis.place_for(Lookup::Ticket).map_err(StoreError::from)?;
            redis.ask(&look).await.map_err(StoreError::from)
        }))
    }
}

impl ReplayStore for RedisTickets {
    fn claim(&self, key: TicketKey, ttl: Duration) -> BoxFuture<Result<bool, StoreError>> {
        let redis = self.redis.clone();
        let claim = set_once(&self.key("once:", key), b"1", ttl::millis(ttl));
        Box::pin(async move { redis.ask(&claim).await.map_err(StoreError::from) })
    }

    fn is_claimed(&self, key: TicketKey) -> Option<BoxFuture<Result<bool, StoreError>>> {
        let redis = self.redis.clone();
        let mut look = cmd("GET");
        look.arg(self.key("once:", key));
        Some(Box::pin(async move {
            let found: Result<Option<Vec<u8>>, RedisError> = redis.ask(&look).await;
            found.map(|claim| claim.is_some()).map_err(StoreError::from)
        }))
    }
}

fn set_once(key: &str, value: &[u8], ttl: u64) -> Cmd {
    let mut set = cmd("SET");
    set.arg(key).arg(value).arg("PX").arg(ttl).arg("NX");
    set
}

fn refusal(error: RedisError) -> PutError {
    StoreError::from(error).into()
}

impl fmt::Debug for RedisTickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisTickets")
            .field("redis", &self.redis)
            .field("prefix", &self.prefix)
            .field("per_subject", &self.per_subject)
            .finish_non_exhaustive()
    }
}
