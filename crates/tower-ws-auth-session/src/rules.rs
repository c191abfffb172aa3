use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use tower_ws_auth_core::{Grant, Rejection, RejectionKind};

use crate::shared::Shared;
use crate::{SessionError, SessionId};

/// What becomes of an id that came under a good signature from a page on the list.
pub(crate) struct Rules<R, I> {
    pub(crate) shared: Arc<Shared>,
    logged_in: Arc<LoggedIn<R, I>>,
    pub(crate) revocation_key: Option<Arc<RevocationKey<I>>>,
    pub(crate) rolling: bool,
}

/// What says whether a record is logged in, and as whom.
type LoggedIn<R, I> = dyn Fn(&R) -> Option<I> + Send + Sync;

type RevocationKey<I> = dyn Fn(&I) -> String + Send + Sync;

impl<R, I> Rules<R, I> {
    pub(crate) fn new(
        shared: Arc<Shared>,
        logged_in: impl Fn(&R) -> Option<I> + Send + Sync + 'static,
    ) -> Self {
        Self {
            shared,
            logged_in: Arc::new(logged_in),
            revocation_key: None,
            rolling: false,
        }
    }
}

impl<R: DeserializeOwned, I> Rules<R, I> {
    pub(crate) async fn decide(self, id: SessionId) -> Result<Grant<I>, Rejection> {
        // Before the store is asked: what is revoked meanwhile is younger than this.
        let asked_at = self.shared.clock.now();
        let found = self.shared.find(&id).await;
        let mut live = found
            .map_err(SessionError::into_rejection)?
            .map_err(invalid)?;
        let identity = (live.record.get())
            .and_then(|record| (self.logged_in)(&record))
            .ok_or_else(|| invalid("the session is not logged in"))?;
        let mut end = live.end;
        if self.rolling {
            let prolonged = self.shared.prolong(&id, &mut live.record).await;
            end = Some(prolonged.map_err(SessionError::into_rejection)?);
        }
        let more = self.revocation_key.map(|key| key(&identity));
        let mut grant = Grant::new(identity)
            .issued_at(asked_at)
            .refused_as(RejectionKind::SessionInvalid)
            .revocable_by(id.revocation_key());
        if let Some(key) = more {
            grant = grant.revocable_by(key);
        }
        if let Some(end) = end {
            grant = grant.until(end);
        }
        Ok(grant)
    }
}

/// One kind for everything that a cookie or its session can have wrong; the detail is for the
/// log alone.
pub(crate) fn invalid(detail: &'static str) -> Rejection {
    Rejection::new(RejectionKind::SessionInvalid, detail)
}

impl<R, I> Clone for Rules<R, I> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
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
