//! The end of a session, and of what was granted to it under every id that it had.

use tokio::task::JoinSet;
use tower_ws_auth_core::{DisconnectReason, Revocations};

use super::Shared;
use crate::record::Record;
use crate::{SessionError, SessionId, StoreError};

/// The number of former ids whose connections stay open. Each takes 75 bytes of the record.
const FORMER_IDS: usize = 32;

impl Shared {
    /// Ends a session and, with revocations, its connections. They end even if the store fails,
    /// because the session may be gone.
    pub(crate) async fn destroy(&self, id: &SessionId) -> Result<(), SessionError> {
        let taking = self.ask(|store| store.take(id));
        let Some(revocations) = &self.revocations else {
            return taking.await.map(drop);
        };
        let key = id.revocation_key();
        let revoking = revocations.revoke(&key, DisconnectReason::SessionEnded);
        let (taken, revoked) = tokio::join!(taking, revoking);
        // The record alone names the ids of before, so they are revoked whatever has failed.
        let record = taken.as_ref().ok().and_then(Option::as_deref);
        let record = record.and_then(Record::parse);
        let former = record.iter().flat_map(Record::former);
        let former = former.map(ToOwned::to_owned).collect();
        let former = revoke(revocations, former, &DisconnectReason::SessionEnded).await;
        revoked.map_err(SessionError::Revocations)?;
        former?;
        taken.map(drop)
    }

    /// Ends what is open under the oldest ids, to have room for one more. Before the record is taken
    /// out of the store: a failure costs no session.
    pub(crate) async fn make_room(&self, record: &Record) -> Result<(), SessionError> {
        let Some(revocations) = &self.revocations else {
            return Ok(());
        };
        let mut oldest: Vec<String> = record.former().map(ToOwned::to_owned).collect();
        oldest.truncate((oldest.len() + 1).saturating_sub(FORMER_IDS));
        // Their clients come back under the id of today.
        revoke(revocations, oldest, &DisconnectReason::GoingAway).await
    }

    /// Notes that the session leaves this id, so that what is open under it ends with the session.
    pub(crate) fn leave(&self, id: &SessionId, record: &mut Record) {
        if self.revocations.is_none() {
            return;
        }
        let mut former: Vec<String> = record.former().map(ToOwned::to_owned).collect();
        former.push(id.revocation_key().name().to_owned());
        let kept = former.split_off(former.len().saturating_sub(FORMER_IDS));
        record.set_former(kept);
    }
}

/// Revokes all of them, and fails if one could not be revoked.
async fn revoke(
    revocations: &Revocations,
    keys: Vec<String>,
    reason: &DisconnectReason,
) -> Result<(), SessionError> {
    let mut revoking = JoinSet::new();
    for key in keys {
        let (revocations, reason) = (revocations.clone(), reason.clone());
        revoking.spawn(async move { revocations.revoke(&key, reason).await });
    }
    let mut outcome = Ok(());
    while let Some(revoked) = revoking.join_next().await {
        let revoked = revoked.unwrap_or_else(|lost| Err(StoreError::new(lost)));
        outcome = outcome.and(revoked.map_err(SessionError::Revocations));
    }
    outcome
}
