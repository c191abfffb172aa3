//! Gives a lease another grant.

use std::sync::Arc;
use std::time::SystemTime;

use tower_ws_auth_core::private::{Watch, WatchFuture};
use tower_ws_auth_core::revocation::DisconnectReason;
use tower_ws_auth_core::{Rejection, RejectionKind, Validity};

use crate::lease::renewals::Holder;
use crate::lease::shared::{Shared, State};
use crate::lease::watches::Watches;

/// Why a lease was not renewed.
pub(crate) enum NotRenewed {
    /// It has ended.
    Over,
    /// The revocations of the new credential have to be asked about on this node.
    Unchecked,
    Refused(Rejection),
}

/// Who has accepted a new credential.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum AcceptedBy {
    /// The handler, which may go back to an older one.
    Handler,
    Strategy,
    /// The strategy on another node, which has asked about revocations.
    OtherNode,
}

impl From<Rejection> for NotRenewed {
    fn from(rejection: Rejection) -> Self {
        Self::Refused(rejection)
    }
}

impl From<NotRenewed> for Rejection {
    fn from(not: NotRenewed) -> Self {
        match not {
            NotRenewed::Over => {
                Self::new(RejectionKind::TokenExpired, "the lease has ended meanwhile")
            }
            NotRenewed::Unchecked => {
                let unchecked = "its revocations have to be asked about here";
                Self::new(RejectionKind::Unavailable, unchecked)
            }
            NotRenewed::Refused(rejection) => rejection,
        }
    }
}

impl State {
    /// By the time of issue, or else by the end.
    fn is_newer_than(&self, validity: &Validity) -> bool {
        match (self.issued_at, validity.credential_issued_at()) {
            (Some(own), Some(other)) => other < own,
            _ => match (self.until, validity.end()) {
                (Some(own), Some(other)) => other < own,
                (None, Some(_)) => true,
                (_, None) => false,
            },
        }
    }

    /// Whether its registration has missed no revocation of a credential that another node has
    /// checked. One with a margin has not ended it, so that it has to be asked about.
    fn covers(&self, watch: &Watch) -> bool {
        let own = self.watches.own.as_ref().filter(|_| !self.has_margin);
        own.is_some_and(|own| own.connection().covers(watch.connection().keys()))
    }

    fn may_have(&self, validity: &Validity) -> Result<(), Rejection> {
        if self.is_newer_than(validity) {
            let older = "it is older than the credential that the connection has";
            return Err(Rejection::new(validity.refused_as(), older));
        }
        Ok(())
    }
}

impl Shared {
    /// Registers another credential with the layer's revocations.
    pub(crate) fn watch(&self, validity: &Validity) -> WatchFuture {
        self.config.revocations.watch(validity)
    }

    /// Registers a credential that another node has checked with the layer's store. `None` if it was
    /// another store.
    pub(crate) fn watch_checked(&self, validity: &Validity, store: &str) -> Option<Watch> {
        self.config.revocations.watch_checked(validity, store)
    }

    /// Its client can name it from now on.
    pub(in crate::lease) fn name(self: &Arc<Self>) {
        let Some(holder) = &self.holder else { return };
        let named = self.config.leases.named();
        named.add(holder.name.clone(), self);
        // It may be over already.
        if self.lock().released {
            named.remove(holder.name.clone(), self);
        }
    }

    pub(crate) fn holder(&self) -> Option<&Holder> {
        self.holder.as_deref()
    }

    /// Whether a grant is older than the one that it has.
    pub(crate) fn is_newer_than(&self, validity: &Validity) -> bool {
        self.lock().is_newer_than(validity)
    }

    /// Refuses a grant that is older than the one that it has.
    pub(crate) fn may_have(&self, validity: &Validity) -> Result<(), Rejection> {
        self.lock().may_have(validity)
    }

    /// Its registration with the layer's revocations.
    pub(crate) fn own_watch(&self) -> Option<Watch> {
        self.lock().watches.own.clone()
    }

    /// Ends it at this moment, unless it is renewed or ends before. No grace counts.
    pub(in crate::lease) fn end_at(
        self: &Arc<Self>,
        deadline: SystemTime,
        reason: &DisconnectReason,
    ) {
        let mut state = self.lock();
        state.has_margin = true;
        // By the place, because a lease ends later than its credential, by the grace.
        let place = state.place.filter(|place| place.ends_after(deadline));
        let Some(place) = place.filter(|_| !state.released) else {
            return;
        };
        if let Some(moved) = self.config.leases.shift(place, Some(deadline), self) {
            state.place = Some(moved);
            state.until = Some(deadline);
            state.reason = reason.clone();
        }
    }

    /// Moves it to another grant, with its registration with the layer's revocations and with
    /// others. What `change` returns is dropped outside of the lock.
    pub(crate) fn renew<T>(
        self: &Arc<Self>,
        validity: &Validity,
        watch: &Watch,
        others: &[Watch],
        accepted_by: AcceptedBy,
        change: impl FnOnce() -> T,
    ) -> Result<(), NotRenewed> {
        let mut state = self.lock();
        if state.released || self.ended.get().is_some() {
            return Err(NotRenewed::Over);
        }
        if accepted_by != AcceptedBy::Handler {
            state.may_have(validity)?;
        }
        // Only what has heard of its keys until this moment stands for the store.
        if accepted_by == AcceptedBy::OtherNode && !state.covers(watch) {
            return Err(NotRenewed::Unchecked);
        }
        // It has to find room under the keys that are new to it.
        let evicted = if state.is_open {
            let old = state.watches.own.as_ref();
            Some(watch.open(&self.config.max_connections, old)?)
        } else {
            None
        };
        let end = self.deadline(validity.end());
        let shift = |place| self.config.leases.shift(place, end, self);
        let moved = state.place.and_then(shift);
        // It is being ended at this moment.
        state.place = Some(moved.ok_or(NotRenewed::Over)?);
        state.until = validity.end();
        state.issued_at = validity.credential_issued_at();
        state.reason = validity.disconnect_reason();
        state.has_margin = false;
        let watches = Watches {
            own: Some(watch.clone()),
            others: others.into(),
        };
        if state.is_open {
            watches.open_others();
        }
        let old = std::mem::replace(&mut state.watches, watches);
        let changed = change();
        drop(state);
        drop((old, changed));
        if let Some(evicted) = evicted {
            evicted.end();
        }
        for watch in [watch].into_iter().chain(others) {
            self.listen(watch);
        }
        Ok(())
    }
}
