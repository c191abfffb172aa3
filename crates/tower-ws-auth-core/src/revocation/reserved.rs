use std::time::SystemTime;

use http::request::Parts;

use super::watch::issued_before;
use super::{Revocations, Watch};
use crate::{Grant, Rejection};

/// A connection that was registered and checked before its credential is spent. It holds a place
/// under each limited key.
///
/// [`Auth`](crate::Auth) leaves it in the head while a [`Revocable`](super::Revocable) strategy
/// begins to verify.
#[derive(Clone)]
pub(crate) struct Reserved {
    watch: Watch,
    issued_at: Option<SystemTime>,
}

impl Reserved {
    /// `issued_at` is the credential's time of issue, by which it was checked.
    pub(crate) fn new(watch: Watch, issued_at: Option<SystemTime>) -> Self {
        Self { watch, issued_at }
    }

    /// The one that was registered with these revocations.
    pub(super) fn find(head: &Parts, revocations: &Revocations) -> Option<Self> {
        let place = head.extensions.get::<Self>();
        place
            .filter(|place| place.watch.is_of(revocations))
            .cloned()
    }

    /// Whether it was checked for a grant like this one.
    pub(super) fn fits<V>(&self, grant: &Grant<V>) -> bool {
        let validity = grant.validity();
        self.issued_at == validity.credential_issued_at()
            && self.watch.connection().keys() == validity.revocation_keys()
    }

    /// Puts its registration into the grant. A revocation since the check is found here: the
    /// registration has heard of it.
    pub(super) fn confirm<V>(self, grant: Grant<V>) -> Result<Grant<V>, Rejection> {
        let validity = grant.validity();
        if self.watch.connection().has_ended() {
            let revoked = issued_before(validity.refused_as());
            return Err(if validity.is_spent() {
                revoked.with_spent_credential()
            } else {
                revoked
            });
        }
        Ok(grant.watched_by(self.watch))
    }
}
