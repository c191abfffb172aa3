use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, cmd, pipe};
use tower_ws_auth_session::{
    Replaced, SessionId, SessionStore, StoreError, StoreFuture, StoredSession,
};

use crate::handle::Lookup;
use crate::script::REPLACE;
use crate::{Redis, RedisError, ttl};

/// Sessions in Redis, as connect-redis 9 keeps them: a record as JSON under `sess:<id>`, with a
/// time to live in whole seconds. An Express application over the same Redis shares them.
#[derive(Clone)]
pub struct RedisSessions {
    redis: Redis,
    prefix: Arc<str>,
}

impl RedisSessions {
    /// Uses the prefix `sess:` of connect-redis.
    pub fn new(redis: Redis) -> Self {
        Self {
            redis,
            prefix: "sess:".into(),
        }
    }

    /// Sets the prefix of all keys of this store: the `prefix` of connect-redis.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into().into();
        self
    }

    fn on(&self, command: &str, id: &SessionId) -> Cmd {
        let mut command = cmd(command);
        command.arg(self.key(id));
        command
    }

    fn key(&self, id: &SessionId) -> String {
        format!("{}{}", self.prefix, id.as_str())
    }

    /// Sends a command whose answer says whether it found its record.
    fn ask(&self, command: Cmd) -> StoreFuture<'_, bool> {
        Box::pin(async move { self.redis.ask(&command).await.map_err(StoreError::from) })
    }
}

impl SessionStore for RedisSessions {
    fn create<'a>(
        &'a self,
        id: &'a SessionId,
        record: &'a str,
        ttl: Duration,
    ) -> StoreFuture<'a, bool> {
        let mut create = self.on("SET", id);
        create
            .arg(record)
            .arg("EX")
            .arg(ttl::seconds(ttl))
            .arg("NX");
        self.ask(create)
    }

    fn load<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredSession>> {
        let key = self.key(id);
        let mut load = pipe();
        load.cmd("GET").arg(&key).cmd("PTTL").arg(&key);
        Box::pin(async move {
            let _place = self
                .redis
                .place_for(Lookup::Session)
                .map_err(StoreError::from)?;
            let (record, left): (Option<Vec<u8>>, i64) =
                self.redis.ask_all(&load).await.map_err(StoreError::from)?;
            // Bytes that are not UTF-8, such as msgpack, are an unreadable record, as an empty text is.
            let record = record.map(|record| String::from_utf8(record).unwrap_or_default());
            Ok(record.and_then(|record| {
                let ttl = match left {
                    // It never expires.
                    -1 => None,
                    // It expired between the two commands.
                    ..0 => return None,
                    left => Some(Duration::from_millis(left.unsigned_abs())),
                };
                Some(StoredSession { record, ttl })
            }))
        })
    }

    fn replace<'a>(
        &'a self,
        id: &'a SessionId,
        expected: &'a str,
        record: &'a str,
        ttl: Duration,
    ) -> StoreFuture<'a, Replaced> {
        Box::pin(async move {
            let key = self.key(id);
            let seconds = ttl::seconds(ttl).to_string();
            let arguments = [expected, record, &seconds].map(str::as_bytes);
            let answer = self.redis.run_script(&REPLACE, &key, &arguments).await;
            match answer.map_err(StoreError::from)? {
                0 => Ok(Replaced::Gone),
                1 => Ok(Replaced::Changed),
                2 => Ok(Replaced::Done),
                _ => Err(RedisError::Unexpected.into()),
            }
        })
    }

    fn touch<'a>(&'a self, id: &'a SessionId, ttl: Duration) -> StoreFuture<'a, bool> {
        let mut touch = self.on("EXPIRE", id);
        touch.arg(ttl::seconds(ttl));
        self.ask(touch)
    }

    fn take<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<String>> {
        let take = self.on("GETDEL", id);
        Box::pin(async move {
            let record: Option<Vec<u8>> = self.redis.ask(&take).await.map_err(StoreError::from)?;
            // Bytes that are not UTF-8 are no record.
            Ok(record.and_then(|record| String::from_utf8(record).ok()))
        })
    }
}

impl fmt::Debug for RedisSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSessions")
            .field("redis", &self.redis)
            .field("prefix", &self.prefix)
            .finish()
    }
}
