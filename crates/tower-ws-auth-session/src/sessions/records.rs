//! The records of sessions: created, loaded, changed and moved.

use http::{HeaderMap, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Map;
use tower_ws_auth_core::RevocationKey;

use crate::record::{Changes, Record, fields_of};
use crate::shared::{ATTEMPTS, Live};
use crate::{Loaded, SessionError, SessionId, Sessions};

impl<R: Serialize + DeserializeOwned> Sessions<R> {
    /// Creates a session, at login. Its id is always new, so nobody can have known it before
    /// (session fixation). The record notes the time of login.
    ///
    /// Returns the id and the `Set-Cookie` for the response. To keep the data from before the
    /// login, use [`regenerate`](Self::regenerate).
    ///
    /// # Errors
    ///
    /// A store failed or is full, or the record cannot be serialized.
    pub async fn create(&self, record: &R) -> Result<(SessionId, HeaderValue), SessionError> {
        let mut made = Record::new(self.shared.attributes.record());
        let nothing = Map::new();
        made.apply(&Changes::between(&nothing, &fields_of(record)?)?);
        let user = self.user_of(record);
        if user.is_some() || self.user.is_none() {
            self.shared.log_in(&mut made, user).await?;
        }
        let id = self.shared.create(made).await?;
        let cookie = self.shared.set_cookie(&id);
        Ok((id, cookie))
    }

    /// The session that a request's cookie names, for ordinary handlers.
    ///
    /// Returns `None` without a cookie, and for a session that is forged, unknown, expired, revoked
    /// or does not fit `R`. It creates, touches and sets nothing. It does not check the page: a
    /// handler that changes something needs a defence against cross-site requests.
    ///
    /// # Errors
    ///
    /// A store failed.
    pub async fn load(&self, headers: &HeaderMap) -> Result<Option<Loaded<R>>, SessionError> {
        let Some(id) = self.signed_id(headers) else {
            return Ok(None);
        };
        let Some((live, value)) = self.find(&id).await? else {
            return Ok(None);
        };
        Ok(Some(Loaded {
            id,
            before: fields_of(&value)?,
            value,
            live,
        }))
    }

    /// Writes the fields that changed since the session was loaded. It does not prolong the
    /// session, unless neither its record nor the store tells when it ends. A store that counts
    /// whole seconds may add the rest of one.
    ///
    /// With [`revocable_by`](crate::SessionsBuilder::revocable_by), it counts as a login if the user
    /// changed.
    ///
    /// # Errors
    ///
    /// - [`Gone`](SessionError::Gone) if the session ended meanwhile. It is not brought back.
    /// - [`Contended`](SessionError::Contended) if other writers changed it on every attempt.
    /// - Otherwise, a store failed or the record cannot be serialized.
    pub async fn save(&self, loaded: &mut Loaded<R>) -> Result<(), SessionError> {
        let after = fields_of(&loaded.value)?;
        let changes = Changes::between(&loaded.before, &after)?;
        let mut live = loaded.live.clone();
        for attempt in 0..ATTEMPTS {
            // The store alone knows the end of a record without one, and others may have moved it.
            if attempt > 0 || self.shared.end_of(&live.record).is_none() {
                let found = self.shared.find(&loaded.id).await?;
                live = found.map_err(|_| SessionError::Gone)?;
            }
            self.change(&mut live.record, &changes).await?;
            if let Some(text) = self.shared.replace(&loaded.id, &live).await? {
                loaded.before = after;
                loaded.live = Live { text, ..live };
                return Ok(());
            }
        }
        Err(SessionError::Contended)
    }

    /// Moves a session to a new id: at login, or when its user gains permissions. The old id is
    /// invalid afterwards. Fields that others have written meanwhile are kept.
    ///
    /// It counts as a login if the user changed, by
    /// [`revocable_by`](crate::SessionsBuilder::revocable_by). Without that setting it always counts as
    /// one.
    ///
    /// Open connections follow the session: they stay open with the identity that they have, and
    /// [`destroy`](Self::destroy) of the new id ends them too. This needs
    /// [`revocations`](crate::SessionsBuilder::revocations). The record names the last 32 ids by
    /// their revocation keys. The connections of an older id end with
    /// [`GoingAway`](tower_ws_auth_core::DisconnectReason::GoingAway), after which clients come back
    /// under the new one.
    ///
    /// Returns the id and the `Set-Cookie` for the response.
    ///
    /// # Errors
    ///
    /// [`Gone`](SessionError::Gone) if the session ended meanwhile. It is not brought back.
    /// Otherwise, a store failed or the record cannot be serialized, and the session may have ended
    /// too.
    pub async fn regenerate(
        &self,
        loaded: Loaded<R>,
    ) -> Result<(SessionId, HeaderValue), SessionError> {
        let changes = Changes::between(&loaded.before, &fields_of(&loaded.value)?)?;
        self.shared.make_room(&loaded.live.record).await?;
        // In this order one session never has two ids.
        let record = self.shared.take(&loaded.id).await?;
        let mut record = record.ok_or(SessionError::Gone)?;
        if self.is_revoked(&loaded.id, &record).await? {
            return Err(SessionError::Gone);
        }
        self.change(&mut record, &changes).await?;
        if self.user.is_none() {
            self.shared.log_in(&mut record, None).await?;
        }
        self.shared.leave(&loaded.id, &mut record);
        let id = self.shared.create(record).await?;
        let cookie = self.shared.set_cookie(&id);
        Ok((id, cookie))
    }

    /// Prolongs a session to the full life of a new one, and returns the `Set-Cookie` for the
    /// browser. Changes that others have saved meanwhile stay. Unsaved changes are not written.
    ///
    /// # Errors
    ///
    /// [`Gone`](SessionError::Gone) if the session ended or was revoked meanwhile. It is not
    /// brought back. Otherwise, a store failed.
    pub async fn touch(&self, loaded: &mut Loaded<R>) -> Result<HeaderValue, SessionError> {
        let id = &loaded.id;
        let mut prolonged = None;
        for _ in 1..ATTEMPTS {
            let (live, _) = self.find(id).await?.ok_or(SessionError::Gone)?;
            prolonged = self.shared.prolong(id, &live).await?;
            if prolonged.is_some() {
                break;
            }
        }
        if prolonged.is_none() {
            let (live, _) = self.find(id).await?.ok_or(SessionError::Gone)?;
            self.shared.keep(id, &live).await?;
            prolonged = live.end;
        }
        loaded.live.end = prolonged;
        Ok(self.shared.set_cookie(id))
    }

    /// A session that is alive, fits `R` and is not revoked.
    async fn find(&self, id: &SessionId) -> Result<Option<(Live, R)>, SessionError> {
        let Ok(live) = self.shared.find(id).await? else {
            return Ok(None);
        };
        let Some(value) = live.record.get::<R>() else {
            return Ok(None);
        };
        let user = self.user_of(&value);
        if self.shared.is_revoked(id, &live.record, user).await? {
            return Ok(None);
        }
        Ok(Some((live, value)))
    }

    async fn is_revoked(&self, id: &SessionId, record: &Record) -> Result<bool, SessionError> {
        let user = record.get().and_then(|value| self.user_of(&value));
        self.shared.is_revoked(id, record, user).await
    }

    /// Applies the changes. They are a login if the record has another user by them. Otherwise the
    /// noted login stays: a later one would outlive a revocation.
    async fn change(&self, record: &mut Record, changes: &Changes) -> Result<(), SessionError> {
        let Some(user_of) = &self.user else {
            record.apply(changes);
            return Ok(());
        };
        let before = record.get::<R>();
        record.apply(changes);
        let Some(user) = record.get().and_then(|value| user_of(&value)) else {
            record.set_login(None);
            return Ok(());
        };
        // An unreadable record tells of no other user.
        let stays = before.is_none_or(|before| {
            user_of(&before).is_some_and(|before| before.name() == user.name())
        });
        if stays {
            return Ok(());
        }
        self.shared.log_in(record, Some(user)).await
    }

    fn user_of(&self, value: &R) -> Option<RevocationKey> {
        self.user.as_ref().and_then(|user| user(value))
    }
}
