use std::borrow::Borrow;
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use tower_ws_auth_core::private::cookie::Found;
use tower_ws_auth_core::{Clock, Revocations};

use crate::attributes::Attributes;
use crate::record::Record;
use crate::{
    Replaced, Secrets, SessionError, SessionId, SessionStore, StoreError, StoreFuture, percent,
};

mod ends;
mod loads;
mod logins;

pub(crate) use self::loads::MISFIT;
pub(crate) use self::logins::Noted;

/// The state that [`Sessions`](crate::Sessions) and its strategies share.
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
    pub(crate) revocations: Option<Revocations>,
    /// A field of the record in which another program notes the time of login.
    pub(crate) login_field: Option<String>,
}

/// The number of attempts to write if others write at the same time.
pub(crate) const ATTEMPTS: usize = 5;

/// A session that is alive.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) record: Record,
    /// The record as the store has it.
    pub(crate) text: String,
    /// When it ends, if it is not prolonged.
    pub(crate) end: Option<SystemTime>,
}

impl Shared {
    /// The id in a cookie, or the detail for the log. Only a valid id is allocated.
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

    /// The end in the record, unless expiry is left to the store.
    pub(crate) fn end_of(&self, record: &Record) -> Option<SystemTime> {
        record.expires().filter(|_| !self.expiry_by_store)
    }

    /// Takes a session out of the store; `None` if none is alive.
    pub(crate) async fn take(&self, id: &SessionId) -> Result<Option<Record>, SessionError> {
        let taken = self.ask(|store| store.take(id)).await?;
        let record = taken.as_deref().and_then(Record::parse);
        let now = self.clock.now();
        Ok(record.filter(|record| self.end_of(record).is_none_or(|end| end > now)))
    }

    /// Stores a new record under a fresh id.
    pub(crate) async fn create(&self, mut record: Record) -> Result<SessionId, SessionError> {
        let ttl = match self.attributes.max_age {
            Some(max_age) => {
                record.expire_at(self.after(max_age), max_age);
                max_age
            }
            None => self.ttl_of(&record),
        };
        let record = self.fitting(record.into_json()?)?;
        let id = SessionId::random()?;
        if self.ask(|store| store.create(&id, &record, ttl)).await? {
            Ok(id)
        } else {
            Err(StoreError::new("a fresh id of 192 random bits was taken").into())
        }
    }

    /// Replaces the text that was read by the record. Returns the new one, or `None` if another
    /// writer changed it meanwhile.
    pub(crate) async fn replace(
        &self,
        id: &SessionId,
        live: &Live,
    ) -> Result<Option<String>, SessionError> {
        let end = self.end_of(&live.record).or(live.end);
        let ttl = match end.map(|end| end.duration_since(self.clock.now())) {
            Some(Ok(left)) => left,
            // It has ended, unless another writer prolonged it meanwhile.
            Some(Err(_)) => return Ok(None),
            // The store does not tell.
            None => self.ttl_of(&live.record),
        };
        let json = self.fitting(live.record.clone().into_json()?)?;
        let replaced = self
            .there(|store| store.replace(id, &live.text, &json, ttl))
            .await?;
        Ok(replaced.then_some(json))
    }

    /// Prolongs the session to the full life of a new one, and returns its end. `None` if another
    /// writer changed the record meanwhile.
    pub(crate) async fn prolong(
        &self,
        id: &SessionId,
        live: &Live,
    ) -> Result<Option<SystemTime>, SessionError> {
        let mut record = live.record.clone();
        let lifetime = record.max_age().or(self.attributes.max_age);
        let lifetime = match (lifetime, self.end_of(&record)) {
            (Some(lifetime), Some(_)) => lifetime,
            // The record says when it ends, and not how long it may live from now on.
            (None, Some(_)) => return Ok(live.end),
            (lifetime, None) => {
                let ttl = lifetime.unwrap_or(self.ttl);
                self.touch(id, ttl).await?;
                return Ok(Some(self.after(ttl)));
            }
        };
        let end = self.after(lifetime);
        record.expire_at(end, lifetime);
        let json = self.fitting(record.into_json()?)?;
        let replace = self.there(|store| store.replace(id, &live.text, &json, lifetime));
        Ok(replace.await?.then_some(end))
    }

    /// Prolongs a session in the store whose record others change on every attempt.
    pub(crate) async fn keep(&self, id: &SessionId, live: &Live) -> Result<(), SessionError> {
        let lifetime = live.record.max_age().or(self.attributes.max_age);
        self.touch(id, lifetime.unwrap_or(self.ttl)).await
    }

    async fn touch(&self, id: &SessionId, ttl: Duration) -> Result<(), SessionError> {
        if self.ask(|store| store.touch(id, ttl)).await? {
            Ok(())
        } else {
            Err(SessionError::Gone)
        }
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

    /// Whether the record was replaced, and not changed by another writer.
    async fn there<'a>(
        &'a self,
        call: impl FnOnce(&'a dyn SessionStore) -> StoreFuture<'a, Replaced>,
    ) -> Result<bool, SessionError> {
        match self.ask(call).await? {
            Replaced::Done => Ok(true),
            Replaced::Changed => Ok(false),
            Replaced::Gone => Err(SessionError::Gone),
        }
    }

    async fn ask<'a, T>(
        &'a self,
        call: impl FnOnce(&'a dyn SessionStore) -> StoreFuture<'a, T>,
    ) -> Result<T, SessionError> {
        let answer = self.in_time(call(&*self.store)).await?;
        answer.map_err(SessionError::from)
    }

    async fn in_time<T>(&self, answer: impl Future<Output = T>) -> Result<T, SessionError> {
        let (mut answer, mut timer) = (pin!(answer), pin!(None));
        poll_fn(|cx| {
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(Ok(answer));
            }
            // A store in memory answers at once, and needs no timer.
            if timer.is_none() {
                timer.set(Some(tokio::time::sleep(self.timeout)));
            }
            let timer = timer.as_mut().as_pin_mut();
            let over = timer.map_or(Poll::Pending, |timer| timer.poll(cx));
            over.map(|()| Err(SessionError::TimedOut(self.timeout)))
        })
        .await
    }

    /// As connect-redis computes it: up to the record's end, or else the default.
    fn ttl_of(&self, record: &Record) -> Duration {
        self.end_of(record)
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
            .field("login_field", &self.login_field)
            .finish_non_exhaustive()
    }
}
