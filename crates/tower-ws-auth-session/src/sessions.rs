use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use serde::de::DeserializeOwned;
use tower_ws_auth_core::DisconnectReason;
use tower_ws_auth_core::origin::Origins;
use tower_ws_auth_core::private::cookie;

use crate::rules::{Rules, UserKey};
use crate::shared::Shared;
use crate::{Secrets, Session, SessionError, SessionId, SessionStore, SessionsBuilder, StoreError};

mod loaded;
mod records;

pub use self::loaded::Loaded;

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
    /// Both hold for the ids that it had before a [`regenerate`](Self::regenerate), too. Without
    /// revocations, both go on until that key is revoked.
    ///
    /// The work continues if this future is dropped, as with the request of a client that leaves.
    ///
    /// # Errors
    ///
    /// A store failed: the session or its connections may live on. The connections of this node
    /// have ended. Repeat the call until it succeeds. The record names the ids from before a
    /// `regenerate`: if it was taken out of the store, a repeated call does not find them, and their
    /// connections may live on.
    pub async fn destroy(&self, id: &SessionId) -> Result<HeaderValue, SessionError> {
        let (shared, id) = (Arc::clone(&self.shared), id.clone());
        let work = tokio::spawn(async move { shared.destroy(&id).await });
        // The task is lost only with the runtime, or if a store panics.
        work.await.map_err(StoreError::new)??;
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
        let revoked = tokio::spawn(work).await.map_err(StoreError::new)?;
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
    /// so only pages on `origins` are admitted. A request without `Origin` is refused, unless an
    /// `OriginLayer` with `MissingOrigin::AllowSameOrigin` has vouched for it.
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
