use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use crate::revocation::{DisconnectReason, RevocationKey, Revocations, Watch};
use crate::{RejectionKind, Validity};

/// The grant of a strategy: an identity, its end, and the keys that can revoke it.
///
/// A grant without an end is valid for as long as its connection.
#[derive(Clone, Debug)]
#[must_use]
pub struct Grant<I> {
    identity: I,
    term: Term,
    limited_by: Option<Revocations>,
}

impl<I> Grant<I> {
    /// Grants `identity` without an end.
    pub fn new(identity: I) -> Self {
        Self {
            identity,
            term: Term::default(),
            limited_by: None,
        }
    }

    /// Sets the moment from which the grant is no longer valid.
    pub fn until(mut self, end: SystemTime) -> Self {
        self.term.until = Some(end);
        self
    }

    /// Adds a key that can revoke the grant, such as `user:42`. It is no secret: it may be logged.
    /// See [`RevocationKey`] for keys that are never used again.
    pub fn revocable_by(mut self, key: impl Into<RevocationKey>) -> Self {
        self.term.revocation_keys.push(key.into());
        self
    }

    /// Sets the credential's time of issue. A revocation refuses a credential that was issued
    /// before it, or at an unknown time.
    pub fn issued_at(mut self, moment: SystemTime) -> Self {
        self.term.issued_at = Some(moment);
        self
    }

    /// Sets the kind of the rejection once the credential is revoked;
    /// [`TokenInvalid`](RejectionKind::TokenInvalid) by default.
    pub fn refused_as(mut self, kind: RejectionKind) -> Self {
        self.term.refused_as = kind;
        self
    }

    /// Inherits the validity of the client's own grant: it ends no later, is no younger, and the
    /// same keys revoke it too.
    pub fn inherit(mut self, validity: &Validity) -> Self {
        let term = &mut self.term;
        let keys = std::mem::take(&mut term.revocation_keys);
        // Without a time of issue it takes its client's; `inherit` keeps the earlier one.
        let issued_at = term.issued_at.or(validity.issued_at());
        let minted = Validity::new(term.until, issued_at, keys).inherit(validity);
        (term.until, term.issued_at, term.revocation_keys) = minted.into_parts();
        self
    }

    /// States that the credential is now used up. If the layer still refuses the request, it never
    /// advises to come back with this credential.
    pub fn spent(mut self) -> Self {
        self.term.is_spent = true;
        self
    }

    /// Sets the registry that knows whether one more connection has room.
    pub(crate) fn limited_by(mut self, revocations: Revocations) -> Self {
        self.limited_by = Some(revocations);
        self
    }

    pub(crate) fn take_limits(&mut self) -> Option<Revocations> {
        self.limited_by.take()
    }

    /// Keeps the registration. The keys learn the revocations that its handshake knew, so that a
    /// credential minted for this grant is as young as its decision.
    pub(crate) fn watched_by(mut self, watch: Watch) -> Self {
        watch.connection().inform(&mut self.term.revocation_keys);
        self.term.watch = Some(watch);
        self
    }

    /// Changes the identity and keeps the term.
    pub fn map<J>(self, f: impl FnOnce(I) -> J) -> Grant<J> {
        Grant {
            identity: f(self.identity),
            term: self.term,
            limited_by: self.limited_by,
        }
    }

    /// The identity, and the grant without it.
    pub(crate) fn split(self) -> (I, Grant<()>) {
        let grant = Grant {
            identity: (),
            term: self.term,
            limited_by: self.limited_by,
        };
        (self.identity, grant)
    }

    /// The identity.
    pub fn identity(&self) -> &I {
        &self.identity
    }

    /// The grant's end and revocation keys.
    pub fn term(&self) -> &Term {
        &self.term
    }

    /// Takes the grant apart.
    pub fn into_parts(self) -> (I, Term) {
        (self.identity, self.term)
    }
}

/// The end and the revocation keys of a grant, without its identity.
///
/// [`AuthLayer`](crate::AuthLayer) puts it into the request's extensions beside
/// [`Authenticated`](crate::Authenticated). A layer inside can then end the connection in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    until: Option<SystemTime>,
    revocation_keys: Vec<RevocationKey>,
    issued_at: Option<SystemTime>,
    /// When the decision about the grant began.
    decided_at: Option<SystemTime>,
    refused_as: RejectionKind,
    is_spent: bool,
    watch: Option<Watch>,
    label: Label,
}

/// How the accepted request is called in events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[doc(hidden)]
pub struct Label {
    /// Counts the accepted requests of the process.
    pub connection: Option<NonZeroU64>,
    /// Who it is, if the application wants that in its log.
    pub who: Option<Arc<str>>,
}

impl Label {
    pub(crate) fn new(who: Option<String>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            connection: NonZeroU64::new(NEXT.fetch_add(1, Ordering::Relaxed)),
            who: who.map(Arc::from),
        }
    }
}

impl Default for Term {
    fn default() -> Self {
        Self {
            until: None,
            revocation_keys: Vec::new(),
            issued_at: None,
            decided_at: None,
            refused_as: RejectionKind::TokenInvalid,
            is_spent: false,
            watch: None,
            label: Label::default(),
        }
    }
}

impl Term {
    /// The moment from which the grant is no longer valid; `None` if it has no end of its own.
    pub fn until(&self) -> Option<SystemTime> {
        self.until
    }

    /// The keys that can revoke the grant.
    pub fn revocation_keys(&self) -> &[RevocationKey] {
        &self.revocation_keys
    }

    /// The credential's time of issue, if it is known.
    pub fn issued_at(&self) -> Option<SystemTime> {
        self.issued_at
    }

    /// The validity that a credential minted for this grant inherits.
    ///
    /// It counts as issued when the credential was, and no later than the moment at which the
    /// [`AuthLayer`](crate::AuthLayer) began to decide. If a grant with revocation keys has no time
    /// of issue, the minted credential's is unknown too.
    pub fn validity(&self) -> Validity {
        let issued_at = match (self.issued_at, self.decided_at) {
            (Some(issued), Some(decided)) => Some(issued.min(decided)),
            // Without keys no revocation concerns the credential, whatever its age.
            (None, decided) if self.revocation_keys.is_empty() => decided,
            (issued, _) => issued,
        };
        Validity::new(self.until, issued_at, self.revocation_keys.clone())
    }

    /// The number of the accepted request in the events of these layers, such as `lease ended`; the
    /// first one of a process is 1. `None` before an [`AuthLayer`](crate::AuthLayer) has accepted it.
    pub fn connection(&self) -> Option<u64> {
        self.label.connection.map(NonZeroU64::get)
    }

    #[doc(hidden)]
    pub fn label(&self) -> &Label {
        &self.label
    }

    pub(crate) fn labelled(&mut self, label: Label) {
        self.label = label;
    }

    pub(crate) fn decided_at(&mut self, moment: SystemTime) {
        self.decided_at = Some(moment);
    }

    /// Whether the credential is used up. It will not pass again.
    pub fn is_spent(&self) -> bool {
        self.is_spent
    }

    /// The kind of the rejection once the credential is revoked.
    pub fn refused_as(&self) -> RejectionKind {
        self.refused_as
    }

    /// The disconnect reason of a connection that is ended at [`until`](Self::until).
    pub fn disconnect_reason(&self) -> DisconnectReason {
        match self.refused_as {
            RejectionKind::SessionInvalid => DisconnectReason::SessionEnded,
            _ => DisconnectReason::TokenExpired,
        }
    }

    /// Whether it holds a registration with these revocations.
    pub(crate) fn is_watched_by(&self, revocations: &Revocations) -> bool {
        let watch = self.watch.as_ref();
        watch.is_some_and(|watch| watch.is_of(revocations))
    }

    /// The shared name of the store that its strategy has asked about revocations, and a moment before
    /// that.
    #[doc(hidden)]
    pub fn checked_with(&self) -> Option<(&str, SystemTime)> {
        self.watch.as_ref()?.checked_with()
    }

    /// Takes the registration that a [`revocable`](crate::AuthenticateExt::revocable) strategy
    /// left. Its holder hears when the grant is revoked.
    #[doc(hidden)]
    pub fn take_watch(&mut self) -> Option<Watch> {
        self.watch.take()
    }
}
