//! Logins: who is logged in since when, and whether that was revoked.

use std::time::{Duration, SystemTime};

use tower_ws_auth_core::{Grant, RevocationKey, Revocations};

use super::Shared;
use crate::record::{Login, Record};
use crate::{SessionError, SessionId};

/// The greatest time by which a login may lie in the future, if no revocations define it.
const ALLOWED_SKEW: Duration = Duration::from_secs(60);

/// The logins that a record notes.
pub(crate) struct Noted {
    own: Option<Login>,
    /// That of another program.
    others: Option<SystemTime>,
}

impl Noted {
    /// Of this crate alone.
    pub(crate) fn own(own: Option<Login>) -> Self {
        Self { own, others: None }
    }
}

impl Shared {
    pub(crate) fn noted(&self, record: &Record) -> Noted {
        let field = self.login_field.as_deref();
        Noted {
            own: record.login(),
            others: field.and_then(|field| record.moment(field)),
        }
    }

    /// The login of this user, and the user's key with the revocation known then.
    pub(crate) fn login(
        &self,
        noted: Noted,
        user: Option<RevocationKey>,
    ) -> (Option<SystemTime>, Option<RevocationKey>) {
        let name = user.as_ref().map(RevocationKey::name);
        // A login without a key was noted before `revocable_by` was configured.
        let is_theirs = |login: &Login| match (&login.key, name) {
            (Some(of), Some(name)) => of.name() == name,
            (None, _) | (_, None) => true,
        };
        let own = noted.own.filter(is_theirs);
        // A login in the future is invalid: it would outlive every revocation.
        let skew = self.revocations.as_ref().map(Revocations::allowed_skew);
        let latest = self.after(skew.unwrap_or(ALLOWED_SKEW));
        let moments = own
            .as_ref()
            .map(|login| login.at)
            .into_iter()
            .chain(noted.others);
        let at = moments.filter(|at| *at <= latest).max();
        let key = user.map(|user| own.and_then(|login| login.key).unwrap_or(user));
        (at, key)
    }

    /// Notes that a user logs in now.
    pub(crate) async fn log_in(
        &self,
        record: &mut Record,
        user: Option<RevocationKey>,
    ) -> Result<(), SessionError> {
        let at = self.clock.now();
        let key = match (user, &self.revocations) {
            (Some(user), Some(revocations)) => {
                let key = self.in_time(revocations.key(user)).await?;
                Some(key.map_err(SessionError::Revocations)?)
            }
            (user, _) => user,
        };
        record.set_login(Some(&Login { at, key }));
        Ok(())
    }

    /// Whether a session was revoked, by its own key or by that of its user.
    pub(crate) async fn is_revoked(
        &self,
        id: &SessionId,
        record: &Record,
        user: Option<RevocationKey>,
    ) -> Result<bool, SessionError> {
        let Some(revocations) = &self.revocations else {
            return Ok(false);
        };
        let (at, user) = self.login(self.noted(record), user);
        let mut grant = Grant::new(()).revocable_by(id.revocation_key());
        if let Some(at) = at {
            grant = grant.issued_at(at);
        }
        if let Some(user) = user {
            grant = grant.revocable_by(user);
        }
        let revoked = self
            .in_time(revocations.is_revoked(grant.validity()))
            .await?;
        revoked.map_err(SessionError::Revocations)
    }
}
