//! What the store has of a session, and whether that is alive.

use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;

use super::{Live, Noted, Shared};
use crate::record::{Record, Seen};
use crate::{SessionError, SessionId, StoredSession};

const UNREADABLE: &str =
    "the record is not a JSON object, or its `cookie` or `wsauth` cannot be read";
pub(crate) const MISFIT: &str =
    "the record does not fit its type, or a text in it is not valid Unicode";

impl Shared {
    /// What the store has under this id, or the detail for the log.
    pub(crate) async fn load(
        &self,
        id: &SessionId,
    ) -> Result<Result<StoredSession, &'static str>, SessionError> {
        let stored = self.ask(|store| store.load(id)).await?;
        Ok(match stored {
            None => Err("no such session in the store"),
            Some(stored) if stored.record.len() > self.max_record => {
                Err("the record is larger than `max_record`")
            }
            Some(stored) => Ok(stored),
        })
    }

    /// The session under this id, or the detail for the log.
    pub(crate) async fn find(
        &self,
        id: &SessionId,
    ) -> Result<Result<Live, &'static str>, SessionError> {
        let stored = self.load(id).await?;
        Ok(stored.and_then(|StoredSession { record: text, ttl }| {
            let record = Record::parse(&text).ok_or(UNREADABLE)?;
            let end = self.alive_until(record.expires(), ttl)?;
            Ok(Live { record, text, end })
        }))
    }

    /// The application's fields of a session that is alive, its login and its end; or the detail
    /// for the log.
    pub(crate) fn see<R: DeserializeOwned>(
        &self,
        stored: &StoredSession,
    ) -> Result<(R, Noted, Option<SystemTime>), &'static str> {
        let seen = match &self.login_field {
            None => Seen::read(&stored.record),
            // It is among the application's fields.
            Some(_) => None,
        };
        if let Some(seen) = seen {
            let end = self.alive_until(seen.expires, stored.ttl)?;
            return Ok((seen.fields, Noted::own(seen.login), end));
        }
        let record = Record::parse(&stored.record).ok_or(UNREADABLE)?;
        let end = self.alive_until(record.expires(), stored.ttl)?;
        let fields = record.get().ok_or(MISFIT)?;
        Ok((fields, self.noted(&record), end))
    }

    /// The end of a session, unless that has come.
    fn alive_until(
        &self,
        expires: Option<SystemTime>,
        ttl: Option<Duration>,
    ) -> Result<Option<SystemTime>, &'static str> {
        let now = self.clock.now();
        let ttl = ttl.and_then(|ttl| now.checked_add(ttl));
        let expires = expires.filter(|_| !self.expiry_by_store);
        let end = expires.into_iter().chain(ttl).min();
        if end.is_some_and(|end| end <= now) {
            return Err("the session has expired");
        }
        Ok(end)
    }
}
