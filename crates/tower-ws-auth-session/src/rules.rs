use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use serde::de::DeserializeOwned;
use tower_ws_auth_core::{Grant, Rejection, RejectionKind, RevocationKey};

use crate::shared::{ATTEMPTS, Live, MISFIT, Noted, Shared};
use crate::{SessionError, SessionId, StoredSession};

/// Decides about a validly signed id from an allowed page.
pub(crate) struct Rules<R, I> {
    pub(crate) shared: Arc<Shared>,
    /// Returns the key of the record's user.
    user: Option<Arc<UserKey<R>>>,
    logged_in: Arc<LoggedIn<R, I>>,
    pub(crate) revocation_key: Option<Arc<IdentityKey<I>>>,
    pub(crate) rolling: bool,
}

/// Returns the key that revokes everything of a record's user.
pub(crate) type UserKey<R> = dyn Fn(&R) -> Option<RevocationKey> + Send + Sync;

/// Returns the identity of a record that is logged in.
type LoggedIn<R, I> = dyn Fn(&R) -> Option<I> + Send + Sync;

type IdentityKey<I> = dyn Fn(&I) -> RevocationKey + Send + Sync;

impl<R, I> Rules<R, I> {
    pub(crate) fn new(
        shared: Arc<Shared>,
        user: Option<Arc<UserKey<R>>>,
        logged_in: impl Fn(&R) -> Option<I> + Send + Sync + 'static,
    ) -> Self {
        Self {
            shared,
            user,
            logged_in: Arc::new(logged_in),
            revocation_key: None,
            rolling: false,
        }
    }
}

impl<R: DeserializeOwned, I> Rules<R, I> {
    pub(crate) async fn decide(self, id: SessionId) -> Result<Grant<I>, Rejection> {
        if !self.rolling {
            let stored = self.shared.load(&id).await;
            let stored = stored.map_err(SessionError::into_rejection)?;
            let granted = stored.map_err(invalid).and_then(|it| self.read(&id, &it));
            // Nothing of the record is kept while the revocations are asked for.
            let (grant, end) = granted?;
            return Ok(ending(self.checked(grant).await?, end));
        }
        for _ in 1..ATTEMPTS {
            let (grant, live) = self.granted(&id).await?;
            // The written record must be the one that decided the identity.
            let prolonged = self.shared.prolong(&id, &live).await;
            if let Some(end) = prolonged.map_err(SessionError::into_rejection)? {
                return Ok(ending(grant, Some(end)));
            }
        }
        let (grant, live) = self.granted(&id).await?;
        let kept = self.shared.keep(&id, &live).await;
        kept.map_err(SessionError::into_rejection)?;
        Ok(ending(grant, live.end))
    }

    /// The session's grant as it is now, without its end.
    async fn granted(&self, id: &SessionId) -> Result<(Grant<I>, Live), Rejection> {
        let found = self.shared.find(id).await;
        let live = found
            .map_err(SessionError::into_rejection)?
            .map_err(invalid)?;
        let grant = {
            let fields: Option<R> = live.record.get();
            let fields = fields.ok_or_else(|| invalid(MISFIT))?;
            self.grant(id, &fields, self.shared.noted(&live.record))?
        };
        Ok((self.checked(grant).await?, live))
    }

    /// The grant of what the store has, and its end.
    fn read(
        &self,
        id: &SessionId,
        stored: &StoredSession,
    ) -> Result<(Grant<I>, Option<SystemTime>), Rejection> {
        let (fields, noted, end) = self.shared.see(stored).map_err(invalid)?;
        Ok((self.grant(id, &fields, noted)?, end))
    }

    async fn checked(&self, grant: Grant<I>) -> Result<Grant<I>, Rejection> {
        match &self.shared.revocations {
            Some(revocations) => revocations.check(grant).await,
            None => Ok(grant),
        }
    }

    fn grant(&self, id: &SessionId, fields: &R, noted: Noted) -> Result<Grant<I>, Rejection> {
        let identity =
            (self.logged_in)(fields).ok_or_else(|| invalid("the session is not logged in"))?;
        let user = self.user.as_ref().and_then(|key| key(fields));
        let more = self.revocation_key.as_ref().map(|key| key(&identity));
        let (logged_in_at, user) = self.shared.login(noted, user.or(more.clone()));
        let mut grant = Grant::new(identity)
            .refused_as(RejectionKind::SessionInvalid)
            .revocable_by(id.revocation_key());
        if let Some(at) = logged_in_at {
            grant = grant.issued_at(at);
        }
        let more = more.filter(|more| user.as_ref().is_none_or(|user| user.name() != more.name()));
        for key in user.into_iter().chain(more) {
            grant = grant.revocable_by(key);
        }
        Ok(grant)
    }
}

fn ending<I>(grant: Grant<I>, end: Option<SystemTime>) -> Grant<I> {
    match end {
        Some(end) => grant.until(end),
        None => grant,
    }
}

/// The one kind for every fault of a cookie or its session. The detail is for the log alone.
pub(crate) fn invalid(detail: &'static str) -> Rejection {
    Rejection::new(RejectionKind::SessionInvalid, detail)
}

impl<R, I> Clone for Rules<R, I> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            user: self.user.clone(),
            logged_in: Arc::clone(&self.logged_in),
            revocation_key: self.revocation_key.clone(),
            rolling: self.rolling,
        }
    }
}

impl<R, I> fmt::Debug for Rules<R, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("shared", &self.shared)
            .field("rolling", &self.rolling)
            .finish_non_exhaustive()
    }
}
