use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::cmd;
#[cfg(doc)]
use tower_ws_auth_core::DisconnectReason;
use tower_ws_auth_core::revocation::{LocalConnections, Recorded};
use tower_ws_auth_core::{BoxFuture, Revocation, RevocationKey, RevocationStore, StoreError};

use crate::listener::Listener;
use crate::script::REVOKE;
use crate::{Redis, RedisError, trace, ttl, wire_format};

/// Revocations in Redis: every node refuses the credentials revoked on any node, and hears of
/// revocations at once.
///
/// A revocation is kept under its key until the retention ends, and every handshake looks it up. It
/// is also published to the nodes, which end their connections under the key. A node that was cut
/// off looks up all keys of its open connections when it is back, and once a minute besides, so
/// that it misses nothing.
///
/// An unreadable value under a key revokes everything under that key, whatever its time of issue,
/// until the key is revoked again.
///
/// A failed write of a revocation is an error. Up to 10,000 such revocations are kept and written
/// when Redis is back, if this process lives so long. They never replace a later one of the same
/// key, whichever node wrote it. With one that [leaves some time][margin], Redis keeps the moment of
/// the last one that left none.
///
/// Another program revokes by the script of this store, [`RedisRevocations::SCRIPT`]. This example
/// revokes `user:ada` for a day, from the given microseconds since the Unix epoch:
///
/// ```text
/// redis-cli EVAL "$(cat revoke.lua)" 1 wsauth:revoked:user:ada \
///     1700000000000000 "1700000000000000 revoked" 86400000 \
///     wsauth:revoked '{"key":"user:ada","revocation":"1700000000000000 revoked"}'
/// ```
///
/// It answers with 1 if it was written, and otherwise with 0; then with the value that is kept.
///
/// [margin]: tower_ws_auth_core::Revocations::revoke_within
#[derive(Clone)]
pub struct RedisRevocations {
    shared: Arc<Shared>,
    silence: Option<Duration>,
}

pub(crate) struct Shared {
    pub(crate) redis: Redis,
    prefix: String,
    retention: u64,
    unwritten: Mutex<Vec<(Arc<str>, Revocation)>>,
}

/// More than an operator revokes while Redis is down.
const MAX_UNWRITTEN: usize = 10_000;

impl RedisRevocations {
    /// The Lua script that writes a revocation, for other programs that revoke.
    pub const SCRIPT: &str = REVOKE.body();

    /// Uses the prefix `wsauth:revoked`, and keeps each revocation for `retention`.
    ///
    /// Make the retention as long as the longest life of a credential. After it, a credential
    /// issued before the revocation passes again.
    pub fn new(redis: Redis, retention: Duration) -> Self {
        Self {
            shared: Arc::new(Shared {
                redis,
                prefix: "wsauth:revoked".to_owned(),
                retention: ttl::millis(retention),
                unwritten: Mutex::default(),
            }),
            silence: None,
        }
    }

    /// Sets the prefix. It is also the name of the channel on which nodes publish. Applications
    /// that share a Redis need different prefixes.
    #[must_use]
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        let old = &*self.shared;
        Self {
            shared: Arc::new(Shared {
                redis: old.redis.clone(),
                prefix: prefix.into(),
                retention: old.retention,
                unwritten: Mutex::default(),
            }),
            ..self
        }
    }

    /// Bounds how long this node keeps connections open without news of revocations, because Redis
    /// is unavailable. After that time, and at most three seconds more, all revocable connections
    /// end with [`DisconnectReason::GoingAway`]. Clients that come back are refused as unavailable
    /// until Redis answers.
    ///
    /// Without this setting they stay open until Redis answers again. With it an outage of Redis
    /// ends every connection. Without it a revocation waits for the end of the outage.
    #[must_use]
    pub fn end_connections_after_silence(mut self, limit: Duration) -> Self {
        self.silence = Some(limit);
        self
    }
}

impl Shared {
    /// The latest revocation of each key, in their order. An unreadable one counts for its key,
    /// because it was meant to revoke it.
    pub(crate) async fn find<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<Option<Revocation>>, RedisError> {
        let kept_at = |key| format!("{}:{key}", self.prefix);
        let keys: Vec<_> = keys.into_iter().map(kept_at).collect();
        let mut question = cmd("MGET");
        question.arg(&keys);
        let kept = match self.redis.ask(&question).await {
            Err(error) if error.is_about_a_slot() && keys.len() > 1 => self.each(&keys).await?,
            kept => kept?,
        };
        let mut unreadable = 0;
        let read = |kept: Option<Vec<u8>>| {
            let kept = kept?;
            Some(wire_format::read_bytes(&kept).unwrap_or_else(|| {
                unreadable += 1;
                wire_format::unreadable()
            }))
        };
        let found = kept.into_iter().map(read).collect();
        if unreadable > 0 {
            trace::unreadable(unreadable);
        }
        Ok(found)
    }

    /// Looks up one key after the other: a moving slot is in two places, and only a command with a
    /// single key follows the redirection.
    async fn each(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, RedisError> {
        let mut kept = Vec::with_capacity(keys.len());
        for key in keys {
            let mut question = cmd("MGET");
            let (one,): (Option<Vec<u8>>,) = self.redis.ask(question.arg(key)).await?;
            kept.push(one);
        }
        Ok(kept)
    }

    /// Writes a revocation and tells the nodes.
    async fn write(&self, key: &str, revocation: &Revocation) -> Result<Recorded, RedisError> {
        let kept_at = format!("{}:{key}", self.prefix);
        let arguments = [
            revocation.micros().to_string().into_bytes(),
            wire_format::write(revocation).into_bytes(),
            self.retention.to_string().into_bytes(),
            self.channel().as_bytes().to_vec(),
            wire_format::announce(key, revocation),
        ];
        let arguments = arguments.each_ref().map(Vec::as_slice);
        let (is_written, kept): (bool, Vec<u8>) = (self.redis)
            .run_script(&REVOKE, &kept_at, &arguments)
            .await?;
        self.settle(key, revocation);
        let kept = wire_format::read_bytes(&kept).unwrap_or_else(wire_format::unreadable);
        Ok(if is_written {
            Recorded::Written(kept)
        } else {
            Recorded::Kept(kept)
        })
    }

    pub(crate) fn channel(&self) -> &str {
        &self.prefix
    }

    /// Writes the revocations that failed before, up to the first that fails again. That one is the
    /// last one next time, because it may be the only one that fails. Later ones in Redis stay.
    pub(crate) async fn catch_up(&self) -> Result<(), RedisError> {
        let next = || self.unwritten().first().cloned();
        while let Some((key, revocation)) = next() {
            if let Err(error) = self.write(&key, &revocation).await {
                let mut unwritten = self.unwritten();
                if unwritten.first().is_some_and(|(first, _)| *first == key) {
                    unwritten.rotate_left(1);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Redis keeps this revocation or a later one, so older unwritten ones are done. One with a
    /// margin does not stand for them.
    fn settle(&self, key: &str, revocation: &Revocation) {
        let (at, has_margin) = (revocation.micros(), !revocation.margin().is_zero());
        let is_left = |(of, unwritten): &(Arc<str>, Revocation)| {
            let other = unwritten.micros();
            **of != *key || other > at || has_margin && other < at
        };
        self.unwritten().retain(is_left);
    }

    /// Keeps what could not be written: the latest of each key, with the effect of the others.
    fn keep(&self, key: Arc<str>, revocation: Revocation) {
        let mut unwritten = self.unwritten();
        let Some((_, kept)) = unwritten.iter_mut().find(|(of, _)| *of == key) else {
            if unwritten.len() < MAX_UNWRITTEN {
                unwritten.push((key, revocation));
            }
            return;
        };
        *kept = if kept.micros() >= revocation.micros() {
            kept.clone().with_earlier(&revocation)
        } else {
            revocation.with_earlier(kept)
        };
    }

    /// Nothing under the lock panics.
    fn unwritten(&self) -> MutexGuard<'_, Vec<(Arc<str>, Revocation)>> {
        self.unwritten
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl RevocationStore for RedisRevocations {
    fn find(
        &self,
        keys: Vec<RevocationKey>,
    ) -> BoxFuture<Result<Vec<Option<Revocation>>, StoreError>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let found = shared.find(keys.iter().map(RevocationKey::name)).await;
            found.map_err(StoreError::from)
        })
    }

    fn record(
        &self,
        key: Arc<str>,
        revocation: Revocation,
    ) -> BoxFuture<Result<Recorded, StoreError>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let write = shared.write(&key, &revocation);
            let written = shared.redis.within(write, |late| late).await;
            written.map_err(|error| {
                shared.keep(key, revocation);
                StoreError::from(error)
            })
        })
    }

    fn retention(&self) -> Option<Duration> {
        Some(Duration::from_millis(self.shared.retention))
    }

    fn shared_name(&self) -> Option<Arc<str>> {
        Some(self.shared.prefix.as_str().into())
    }

    fn attach(&self, here: LocalConnections) {
        let listener = Listener::new(Arc::clone(&self.shared), here, self.silence);
        self.shared.redis.runtime().spawn(listener.run());
    }
}

impl fmt::Debug for RedisRevocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisRevocations")
            .field("redis", &self.shared.redis)
            .field("prefix", &self.shared.prefix)
            .finish_non_exhaustive()
    }
}
