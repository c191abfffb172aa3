use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderMap, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower_ws_auth_core::cookie;
use tower_ws_auth_origin::Origins;

use crate::record::Record;
use crate::rules::Rules;
use crate::shared::Shared;
use crate::{Secrets, Session, SessionError, SessionId, SessionStore, SessionsBuilder};

/// The application's handle on its sessions: to make them at login, to read and change them in
/// ordinary handlers, to end them at logout.
///
/// `R` is the application's part of the record, such as a struct with a field `user`. Fields that
/// it does not have belong to somebody else, for instance to an Express application, and survive.
/// `R` is the same for reading and writing: a field with an `alias` would be written twice.
///
/// Every method asks the store at most twice, and waits for each answer no longer than the
/// [`timeout`](SessionsBuilder::timeout). It wants a Tokio runtime with its timer on. A clone is
/// another handle on the same sessions.
///
/// See the [crate's documentation](crate) for an example.
pub struct Sessions<R> {
    shared: Arc<Shared>,
    record: PhantomData<fn() -> R>,
}

impl<R> Sessions<R> {
    /// Starts with the defaults: the cookie `connect.sid`, `HttpOnly`, `Secure`, `SameSite=Lax`.
    pub fn builder(secrets: Secrets, store: impl SessionStore + 'static) -> SessionsBuilder<R> {
        SessionsBuilder::new(secrets, Arc::new(store))
    }

    pub(crate) fn new(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
            record: PhantomData,
        }
    }

    /// The id in a request's cookie, if one of the secrets signed it. The store is not asked:
    /// whether there is such a session, or ever was, this does not say.
    pub fn signed_id(&self, headers: &HeaderMap) -> Option<SessionId> {
        let cookie = cookie::find(headers, &self.shared.attributes.name)?;
        self.shared.open(&cookie).ok()
    }

    /// Ends a session, at logout, and returns the `Set-Cookie` that removes the cookie. It is
    /// no error if it has ended already.
    ///
    /// What it opened goes on until its [revocation key](SessionId::revocation_key) is revoked.
    ///
    /// # Errors
    ///
    /// The store failed: the session may live on.
    pub async fn destroy(&self, id: &SessionId) -> Result<HeaderValue, SessionError> {
        self.shared.destroy(id).await?;
        Ok(self.removal_cookie())
    }

    /// From now on these secrets sign and verify, here and in every strategy and clone. Put a new
    /// one in front of the old ones first, and leave the old ones out when the last of their
    /// cookies has expired.
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

    /// The `Set-Cookie` that makes a browser forget its session cookie.
    pub fn removal_cookie(&self) -> HeaderValue {
        self.shared.attributes.removal()
    }
}

impl<R: DeserializeOwned + 'static> Sessions<R> {
    /// The strategy for WebSocket routes: it lets in who has a session that is logged in.
    ///
    /// What that means is said by `logged_in`, which returns the identity. A browser sends the
    /// cookie whichever page asks, so that only pages on `origins` are let in; a request without
    /// `Origin` is not.
    pub fn strategy<I>(
        &self,
        origins: Origins,
        logged_in: impl Fn(&R) -> Option<I> + Send + Sync + 'static,
    ) -> Session<R, I> {
        Session::new(
            Some(origins),
            Rules::new(Arc::clone(&self.shared), logged_in),
        )
    }

    /// Like [`strategy`](Self::strategy), for every page in the world.
    ///
    /// Any page that a user visits can then open an authenticated WebSocket in that user's name
    /// (cross-site WebSocket hijacking), unless something else keeps it from doing so.
    pub fn dangerous_strategy_for_any_origin<I>(
        &self,
        logged_in: impl Fn(&R) -> Option<I> + Send + Sync + 'static,
    ) -> Session<R, I> {
        Session::new(None, Rules::new(Arc::clone(&self.shared), logged_in))
    }
}

impl<R: Serialize + DeserializeOwned> Sessions<R> {
    /// Makes a session, at login. Its id is new, whatever cookie the request came with, so that
    /// nobody can have known it before (session fixation).
    ///
    /// Returns the id and the `Set-Cookie` for the response. To keep what a session held before
    /// login, see [`regenerate`](Self::regenerate).
    ///
    /// # Errors
    ///
    /// The store failed or is full, or the record cannot be written.
    pub async fn create(&self, record: &R) -> Result<(SessionId, HeaderValue), SessionError> {
        let empty = Record::new(self.shared.attributes.record());
        let id = self.shared.create(empty, record).await?;
        let cookie = self.shared.set_cookie(&id);
        Ok((id, cookie))
    }

    /// The session that a request's cookie names, for ordinary handlers.
    ///
    /// `None` without a cookie, and alike for one that is forged, unknown, expired or does not
    /// fit `R`. Nothing is made, touched or set. Nothing is said about the page that asks: a
    /// handler that changes something needs a defence against cross-site requests.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn load(&self, headers: &HeaderMap) -> Result<Option<Loaded<R>>, SessionError> {
        let Some(id) = self.signed_id(headers) else {
            return Ok(None);
        };
        let Ok(live) = self.shared.find(&id).await? else {
            return Ok(None);
        };
        let Some(value) = live.record.get::<R>() else {
            return Ok(None);
        };
        let mut record = live.record;
        record.forget(&value)?;
        Ok(Some(Loaded {
            id,
            value,
            record,
            end: live.end,
        }))
    }

    /// Writes a changed record. The session lives no longer for it.
    ///
    /// # Errors
    ///
    /// [`Gone`](SessionError::Gone) if the session ended meanwhile: it is not brought back.
    /// Otherwise, the store failed or the record cannot be written.
    pub async fn save(&self, loaded: &Loaded<R>) -> Result<(), SessionError> {
        self.shared
            .save(&loaded.id, &loaded.record, &loaded.value)
            .await
    }

    /// Moves a session to a new id: at login, or wherever its user may do more than before. The
    /// old id is worth nothing afterwards.
    ///
    /// Returns the id and the `Set-Cookie` for the response.
    ///
    /// # Errors
    ///
    /// [`Gone`](SessionError::Gone) if the session ended meanwhile: it is not brought back.
    /// Otherwise, the store failed or the record cannot be written, and the session may have
    /// ended with it.
    pub async fn regenerate(
        &self,
        loaded: Loaded<R>,
    ) -> Result<(SessionId, HeaderValue), SessionError> {
        // In this order there are never two ids for one session.
        if !self.shared.destroy(&loaded.id).await? {
            return Err(SessionError::Gone);
        }
        let id = self.shared.create(loaded.record, &loaded.value).await?;
        let cookie = self.shared.set_cookie(&id);
        Ok((id, cookie))
    }

    /// Lets a session live as long as a new one from now on, and returns the `Set-Cookie` that
    /// tells the browser. What others have saved meanwhile stays; changes that were not saved are
    /// not.
    ///
    /// # Errors
    ///
    /// [`Gone`](SessionError::Gone) if the session ended meanwhile: it is not brought back.
    /// Otherwise, the store failed.
    pub async fn touch(&self, loaded: &mut Loaded<R>) -> Result<HeaderValue, SessionError> {
        let Ok(mut live) = self.shared.find(&loaded.id).await? else {
            return Err(SessionError::Gone);
        };
        let end = self.shared.prolong(&loaded.id, &mut live.record).await?;
        loaded.record.end_like(live.record);
        loaded.end = Some(end);
        Ok(self.shared.set_cookie(&loaded.id))
    }
}

impl<R> Clone for Sessions<R> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            record: PhantomData,
        }
    }
}

impl<R> fmt::Debug for Sessions<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sessions").field(&self.shared).finish()
    }
}

/// A session that was [loaded](Sessions::load). It derefs to the application's record; changes
/// are written by [`Sessions::save`].
#[derive(Clone)]
pub struct Loaded<R> {
    id: SessionId,
    value: R,
    /// What is not the application's.
    record: Record,
    end: Option<SystemTime>,
}

impl<R> Loaded<R> {
    /// The session's id.
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// When the session ends if nobody prolongs it, as far as record and store say.
    pub fn ends_at(&self) -> Option<SystemTime> {
        self.end
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
            .field("ends_at", &self.end)
            .finish_non_exhaustive()
    }
}
