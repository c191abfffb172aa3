use std::borrow::Borrow;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use serde::Serialize;
use tower_ws_auth_core::Clock;
use tower_ws_auth_core::cookie::Found;

use crate::attributes::Attributes;

use crate::record::Record;
use crate::{Secrets, SessionError, SessionId, SessionStore, StoreError, StoreFuture, percent};

/// What [`Sessions`](crate::Sessions) and its strategies have in common.
pub(crate) struct Shared {
    pub(crate) secrets: RwLock<Secrets>,
    pub(crate) store: Arc<dyn SessionStore>,
    pub(crate) attributes: Attributes,
    pub(crate) ttl: Duration,
    pub(crate) timeout: Duration,
    pub(crate) max_record: usize,
    pub(crate) clock: Clock,
    pub(crate) refuse_duplicates: bool,
    pub(crate) expiry_by_store: bool,
}

/// A session that lives.
pub(crate) struct Live {
    pub(crate) record: Record,
    /// When it ends, if nobody prolongs it.
    pub(crate) end: Option<SystemTime>,
}

impl Shared {
    /// The id in a cookie, or for the log why there is none. Nothing but a good id is allocated.
    pub(crate) fn open<V: Borrow<HeaderValue>>(
        &self,
        cookie: &Found<V>,
    ) -> Result<SessionId, &'static str> {
        if self.refuse_duplicates && cookie.is_repeated() {
            return Err("two cookies of the session's name");
        }
        let mut place = [0; percent::LONGEST];
        let value = percent::decode(cookie.value(), &mut place)
            .ok_or("the cookie is too long or not ASCII")?;
        let id = self
            .secrets()
            .verify(value)
            .ok_or("the cookie is malformed, or no secret signed it")?;
        SessionId::signed(id).ok_or("the signed id is empty, too long or not printable")
    }

    /// The session under this id, or for the log why there is none.
    pub(crate) async fn find(
        &self,
        id: &SessionId,
    ) -> Result<Result<Live, &'static str>, SessionError> {
        let Some(stored) = self.ask(|store| store.load(id)).await? else {
            return Ok(Err("no such session in the store"));
        };
        if stored.record.len() > self.max_record {
            return Ok(Err("the record is larger than `max_record`"));
        }
        let Some(record) = Record::parse(&stored.record) else {
            return Ok(Err("the record is not one that express-session writes"));
        };
        let now = self.clock.now();
        let ttl = stored.ttl.and_then(|ttl| now.checked_add(ttl));
        let expires = record.expires().filter(|_| !self.expiry_by_store);
        let end = expires.into_iter().chain(ttl).min();
        if end.is_some_and(|end| end <= now) {
            return Ok(Err("the session has expired"));
        }
        Ok(Ok(Live { record, end }))
    }

    /// Keeps a new record, under a fresh id.
    pub(crate) async fn create<R: Serialize>(
        &self,
        mut record: Record,
        value: &R,
    ) -> Result<SessionId, SessionError> {
        let ttl = match self.attributes.max_age {
            Some(max_age) => {
                record.expire_at(self.after(max_age), max_age);
                max_age
            }
            None => self.ttl_of(&record),
        };
        let record = self.fitting(record.with(value)?)?;
        let id = SessionId::random()?;
        if self.ask(|store| store.create(&id, &record, ttl)).await? {
            Ok(id)
        } else {
            Err(StoreError::failed("a fresh id of 192 random bits was taken").into())
        }
    }

    pub(crate) async fn save<R: Serialize>(
        &self,
        id: &SessionId,
        record: &Record,
        value: &R,
    ) -> Result<(), SessionError> {
        let json = self.fitting(record.with(value)?)?;
        let ttl = self.ttl_of(record);
        self.there(|store| store.save(id, &json, ttl)).await
    }

    /// Lets the session live as long as a new one. The record is the one just found.
    pub(crate) async fn prolong(
        &self,
        id: &SessionId,
        record: &mut Record,
    ) -> Result<SystemTime, SessionError> {
        let lifetime = record.max_age().or(self.attributes.max_age);
        let (Some(lifetime), Some(_), false) = (lifetime, record.expires(), self.expiry_by_store)
        else {
            let ttl = lifetime.unwrap_or(self.ttl);
            self.there(|store| store.touch(id, ttl)).await?;
            return Ok(self.after(ttl));
        };
        let end = self.after(lifetime);
        record.expire_at(end, lifetime);
        let json = self.fitting(record.clone().into_json())?;
        self.there(|store| store.save(id, &json, lifetime)).await?;
        Ok(end)
    }

    pub(crate) async fn destroy(&self, id: &SessionId) -> Result<bool, SessionError> {
        self.ask(|store| store.destroy(id)).await
    }

    pub(crate) fn set_cookie(&self, id: &SessionId) -> HeaderValue {
        self.attributes.set(&self.secrets().sign(id.as_str()))
    }

    pub(crate) fn replace_secrets(&self, secrets: Secrets) {
        // Nothing under the lock panics.
        let mut current = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        *current = secrets;
    }

    fn secrets(&self) -> RwLockReadGuard<'_, Secrets> {
        self.secrets.read().unwrap_or_else(PoisonError::into_inner)
    }

    async fn there<'a>(
        &'a self,
        call: impl FnOnce(&'a dyn SessionStore) -> StoreFuture<'a, bool>,
    ) -> Result<(), SessionError> {
        if self.ask(call).await? {
            Ok(())
        } else {
            Err(SessionError::Gone)
        }
    }

    async fn ask<'a, T>(
        &'a self,
        call: impl FnOnce(&'a dyn SessionStore) -> StoreFuture<'a, T>,
    ) -> Result<T, SessionError> {
        match tokio::time::timeout(self.timeout, call(&*self.store)).await {
            Ok(answer) => answer.map_err(SessionError::from),
            Err(_) => Err(SessionError::Timeout(self.timeout)),
        }
    }

    /// As connect-redis reckons it: up to the record's end, or else the default.
    fn ttl_of(&self, record: &Record) -> Duration {
        record
            .expires()
            .filter(|_| !self.expiry_by_store)
            .and_then(|end| end.duration_since(self.clock.now()).ok())
            .or(record.max_age())
            .unwrap_or(self.ttl)
    }

    fn fitting(&self, record: String) -> Result<String, SessionError> {
        if record.len() <= self.max_record {
            return Ok(record);
        }
        Err(SessionError::TooLarge {
            length: record.len(),
            most: self.max_record,
        })
    }

    fn after(&self, lifetime: Duration) -> SystemTime {
        let latest = Clock::at(u64::MAX);
        let end = self.clock.now().checked_add(lifetime);
        end.map_or(latest, |end| end.min(latest))
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("secrets", &self.secrets())
            .field("attributes", &self.attributes)
            .field("ttl", &self.ttl)
            .field("timeout", &self.timeout)
            .field("max_record", &self.max_record)
            .field("clock", &self.clock)
            .field("refuse_duplicates", &self.refuse_duplicates)
            .field("expiry_by_store", &self.expiry_by_store)
            .finish_non_exhaustive()
    }
}
