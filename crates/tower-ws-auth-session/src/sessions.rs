use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderMap, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tower_ws_auth_core::origin::Origins;
use tower_ws_auth_core::private::cookie;
use tower_ws_auth_core::{DisconnectReason, RevocationKey};

use crate::record::{Changes, Record, fields_of};
use crate::rules::{Rules, UserKey};
use crate::shared::{ATTEMPTS, Live, Shared};
use crate::{Secrets, Session, SessionError, SessionId, SessionStore, SessionsBuilder, StoreError};

/// The application's handle on its sessions: creates them at login, reads and changes them in
/// ordinary handlers, and ends them at logout.
///
/// `R` is the application's part of the record, such as a struct with a field `user`. Fields that
/// it does not have belong to other programs, such as an Express application, and survive. `R` must
/// read and write the same names: a field with an `alias` would be written twice.
///
/// A write here never undoes another program's write. Only the changed fields are written, into the
/// record as it is at that time. If two writers change the same field, the later one wins.
///
/// Every method asks the store at most twice, and more often only if another writer changes the
/// same session meanwhile. It waits for each answer no longer than the
/// [`timeout`](SessionsBuilder::timeout). It needs a Tokio runtime with the timer enabled. A clone
/// is another handle on the same sessions.
///
/// See the [crate's documentation](crate) for an example.
pub struct Sessions<R> {
    shared: Arc<Shared>,
    /// Returns the key of the record's user.
    user: Option<Arc<UserKey<R>>>,
}

impl<R> Sessions<R> {
    /// Starts with the defaults: the cookie `connect.sid`, `HttpOnly`, `Secure`, `SameSite=Lax`.
    pub fn builder(secrets: Secrets, store: impl SessionStore + 'static) -> SessionsBuilder<R> {
        SessionsBuilder::new(secrets, Arc::new(store))
    }

    pub(crate) fn new(shared: Shared, user: Option<Arc<UserKey<R>>>) -> Self {
        let shared = Arc::new(shared);
        Self { shared, user }
    }

    /// The id in a request's cookie, if one of the secrets signed it. The store is not asked, so
    /// the session may not exist.
    pub fn signed_id(&self, headers: &HeaderMap) -> Option<SessionId> {
        let cookie = cookie::find(headers, &self.shared.attributes.name)?;
        self.shared.open(&cookie).ok()
    }

    /// Ends a session, at logout, and returns the `Set-Cookie` that removes the cookie. A session
    /// that has already ended is no error.
    ///
    /// With [`revocations`](SessionsBuilder::revocations) this is the complete logout. The
    /// session's open connections end on every node with [`DisconnectReason::SessionEnded`].
    /// Everything else granted under its [key](SessionId::revocation_key) is refused from then on.
    /// Without revocations, both go on until that key is revoked.
    ///
    /// The work continues if this future is dropped, as with the request of a client that leaves.
    ///
    /// # Errors
    ///
    /// A store failed: the session or its connections may live on. The connections of this node
    /// have ended. Repeat the call until it succeeds.
    pub async fn destroy(&self, id: &SessionId) -> Result<HeaderValue, SessionError> {
        let (shared, id) = (Arc::clone(&self.shared), id.clone());
        let work = tokio::spawn(async move { shared.destroy(&id).await });
        // The task is lost only with the runtime, or if a store panics.
        work.await.map_err(StoreError::failed)??;
        Ok(self.removal_cookie())
    }

    /// Ends everything under a user's key, such as `user:42`: a logout everywhere. Sessions that
    /// were logged in before are refused from now on. Open connections end with
    /// [`DisconnectReason::SessionEnded`], on every node. A new login is accepted at once.
    ///
    /// It calls [`Revocations::revoke`](tower_ws_auth_core::Revocations::revoke) for the key of
    /// [`revocable_by`](SessionsBuilder::revocable_by). Tokens and tickets under the same key end
    /// too. To keep them, give the sessions a key of their own.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tower_ws_auth_core::{MemoryRevocations, Revocations};
    /// # use tower_ws_auth_session::{MemorySessions, Secrets, Sessions};
    /// # use http::{HeaderMap, header::COOKIE};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Record { user: Option<u64> }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let secrets = Secrets::express(["a random secret of some length"])?;
    /// # let day = Duration::from_secs(24 * 3600);
    /// let revocations = Revocations::new(MemoryRevocations::new(day, 100_000));
    /// let sessions: Sessions<Record> = Sessions::builder(secrets, MemorySessions::new(100_000))
    ///     .revocations(revocations)
    ///     .revocable_by(|record: &Record| record.user.map(|user| format!("user:{user}")))
    ///     .build()?;
    /// # let login = async || {
    /// #     let (_, cookie) = sessions.create(&Record { user: Some(42) }).await.unwrap();
    /// #     let mut request = HeaderMap::new();
    /// #     request.insert(COOKIE, cookie.to_str().unwrap().split(';').next().unwrap().parse().unwrap());
    /// #     request
    /// # };
    ///
    /// let yesterday = login().await;
    /// sessions.end_all_of("user:42").await?;
    /// assert!(sessions.load(&yesterday).await?.is_none());
    /// assert!(sessions.load(&login().await).await?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// There are no [`revocations`](SessionsBuilder::revocations), or their store failed. If it
    /// failed, the connections of this node have ended. Repeat the call until it succeeds.
    pub async fn end_all_of(&self, key: &str) -> Result<(), SessionError> {
        let revocations = self.shared.revocations.clone();
        let revocations = revocations.ok_or(SessionError::NoRevocations)?;
        let key = key.to_owned();
        let work = async move {
            revocations
                .revoke(&key, DisconnectReason::SessionEnded)
                .await
        };
        let revoked = tokio::spawn(work).await.map_err(StoreError::failed)?;
        revoked.map_err(SessionError::Revocations)
    }

    /// Replaces the secrets that sign and verify, here and in every strategy and clone. First put a
    /// new one in front of the old ones. Remove the old ones when the last of their cookies has
    /// expired.
    ///
    /// ```
    /// # use tower_ws_auth_session::{MemorySessions, Secrets, Sessions};
    /// # use http::{HeaderMap, header::COOKIE};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (old, new) = ("the old secret of 2025", "the new secret of 2026");
    /// let store = MemorySessions::new(100_000);
    /// let sessions = Sessions::<serde_json::Value>::builder(Secrets::express([old])?, store).build()?;
    /// # let (_, cookie) = sessions.create(&serde_json::json!({})).await?;
    /// # let mut request = HeaderMap::new();
    /// # request.insert(COOKIE, cookie.to_str()?.split(';').next().unwrap().parse()?);
    ///
    /// sessions.replace_secrets(Secrets::express([new, old])?);
    /// assert!(sessions.signed_id(&request).is_some());
    /// sessions.replace_secrets(Secrets::express([new])?);
    /// assert!(sessions.signed_id(&request).is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn replace_secrets(&self, secrets: Secrets) {
        self.shared.replace_secrets(secrets);
    }

    /// The `Set-Cookie` that removes the session cookie from a browser.
    pub fn removal_cookie(&self) -> HeaderValue {
        self.shared.attributes.removal()
    }
}

impl<R: DeserializeOwned + 'static> Sessions<R> {
    /// The strategy for WebSocket routes: admits clients with a session that is logged in.
    ///
    /// `logged_in` decides that, and returns the identity. A browser sends the cookie for any page,
    /// so only pages on `origins` are admitted. A request without `Origin` is refused.
    pub fn strategy<I>(
        &self,
        origins: Origins,
        logged_in: impl Fn(&R) -> Option<I> + Send + Sync + 'static,
    ) -> Session<R, I> {
        Session::new(
            Some(origins),
            Rules::new(Arc::clone(&self.shared), self.user.clone(), logged_in),
        )
    }

    /// Like [`strategy`](Self::strategy), but for pages of any origin.
    ///
    /// Any page that a user visits can then open an authenticated WebSocket in that user's name
    /// (cross-site WebSocket hijacking), unless something else prevents it.
    pub fn dangerous_strategy_for_any_origin<I>(
        &self,
        logged_in: impl Fn(&R) -> Option<I> + Send + Sync + 'static,
    ) -> Session<R, I> {
        let rules = Rules::new(Arc::clone(&self.shared), self.user.clone(), logged_in);
        Session::new(None, rules)
    }
}

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
        made.apply(&Changes::between(&nothing, fields_of(record)?));
        self.note_login(&mut made, record, At::Login).await?;
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
    /// session.
    ///
    /// # Errors
    ///
    /// - [`Gone`](SessionError::Gone) if the session ended meanwhile. It is not brought back.
    /// - [`Contended`](SessionError::Contended) if other writers changed it on every attempt.
    /// - Otherwise, a store failed or the record cannot be serialized.
    pub async fn save(&self, loaded: &mut Loaded<R>) -> Result<(), SessionError> {
        let after = fields_of(&loaded.value)?;
        let changes = Changes::between(&loaded.before, after.clone());
        let (mut record, mut read) = (loaded.live.record.clone(), loaded.live.text.clone());
        for _ in 0..ATTEMPTS {
            record.apply(&changes);
            self.note_login(&mut record, &loaded.value, At::Change)
                .await?;
            let replaced = self.shared.replace(&loaded.id, &read, record.clone());
            if let Some(text) = replaced.await? {
                loaded.before = after;
                (loaded.live.record, loaded.live.text) = (record, text);
                return Ok(());
            }
            let Ok(live) = self.shared.find(&loaded.id).await? else {
                return Err(SessionError::Gone);
            };
            (record, read) = (live.record, live.text);
        }
        Err(SessionError::Contended)
    }

    /// Moves a session to a new id: at login, or when its user gains permissions. The old id is
    /// invalid afterwards. Fields that others have written meanwhile are kept.
    ///
    /// It counts as a login if the user changed, by
    /// [`revocable_by`](SessionsBuilder::revocable_by). Without that setting it always counts as
    /// one.
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
        let changes = Changes::between(&loaded.before, fields_of(&loaded.value)?);
        // In this order one session never has two ids.
        let record = self.shared.take(&loaded.id).await?;
        let mut record = record.ok_or(SessionError::Gone)?;
        if self.is_revoked(&loaded.id, &record).await? {
            return Err(SessionError::Gone);
        }
        record.apply(&changes);
        self.note_login(&mut record, &loaded.value, At::Regeneration)
            .await?;
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

    /// Notes the login of the record's user, unless it is noted already.
    async fn note_login(&self, record: &mut Record, value: &R, at: At) -> Result<(), SessionError> {
        let user = self.user_of(value);
        match (&self.user, user) {
            (None, user) if at != At::Change => self.shared.log_in(record, user).await,
            (None, _) => Ok(()),
            (Some(_), None) => {
                record.set_login(None);
                Ok(())
            }
            (Some(_), Some(user)) => {
                let noted = record.login().and_then(|login| login.key);
                if noted.is_some_and(|noted| noted.name() == user.name()) {
                    return Ok(());
                }
                self.shared.log_in(record, Some(user)).await
            }
        }
    }

    fn user_of(&self, value: &R) -> Option<RevocationKey> {
        self.user.as_ref().and_then(|user| user(value))
    }
}

/// The occasion of a write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Login,
    Regeneration,
    Change,
}

impl<R> Clone for Sessions<R> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            user: self.user.clone(),
        }
    }
}

impl<R> fmt::Debug for Sessions<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sessions").field(&self.shared).finish()
    }
}

/// A session that was [loaded](Sessions::load). It derefs to the application's record.
/// [`Sessions::save`] writes its changes.
#[derive(Clone)]
pub struct Loaded<R> {
    id: SessionId,
    value: R,
    /// The serialized fields when it was loaded or saved.
    before: Map<String, Value>,
    live: Live,
}

impl<R> Loaded<R> {
    /// The session's id.
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// When the session ends if it is not prolonged, if record or store know it.
    pub fn ends_at(&self) -> Option<SystemTime> {
        self.live.end
    }
}

impl<R> Deref for Loaded<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.value
    }
}

impl<R> DerefMut for Loaded<R> {
    fn deref_mut(&mut self) -> &mut R {
        &mut self.value
    }
}

impl<R> fmt::Debug for Loaded<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("id", &self.id)
            .field("ends_at", &self.live.end)
            .finish_non_exhaustive()
    }
}
