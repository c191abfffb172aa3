use std::time::SystemTime;

use crate::revocation::{DisconnectReason, RevocationKey, Revocations, Watch};
use crate::{RejectionKind, Validity};

/// What a strategy grants: an identity, until when it holds, and under which keys it can be
/// revoked.
///
/// A grant without an end holds as long as its connection.
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

    /// The moment from which the grant no longer holds.
    pub fn until(mut self, end: SystemTime) -> Self {
        self.term.until = Some(end);
        self
    }

    /// Adds a key under which the grant can be revoked, such as `user:42`. It is no
    /// secret: it may be logged. See [`RevocationKey`] for keys that are never used again.
    pub fn revocable_by(mut self, key: impl Into<RevocationKey>) -> Self {
        self.term.revocation_keys.push(key.into());
        self
    }

    /// When the credential was issued. A revocation refuses what was issued before it, and what
    /// does not say when.
    pub fn issued_at(mut self, moment: SystemTime) -> Self {
        self.term.issued_at = Some(moment);
        self
    }

    /// As what the credential is refused once it is revoked;
    /// [`TokenInvalid`](RejectionKind::TokenInvalid) by default.
    pub fn refused_as(mut self, kind: RejectionKind) -> Self {
        self.term.refused_as = kind;
        self
    }

    /// Hands on what the grant is made for: it ends no later, is no younger, and is revoked by the
    /// same keys too.
    pub fn inherit(mut self, validity: &Validity) -> Self {
        let term = &mut self.term;
        let keys = std::mem::take(&mut term.revocation_keys);
        // It says nothing about its age, or it does: in both cases that of its client counts.
        let issued_at = term.issued_at.or(validity.issued_at());
        let minted = Validity::new(term.until, issued_at, keys).inherit(validity);
        (term.until, term.issued_at, term.revocation_keys) = minted.into_parts();
        self
    }

    /// Says that the credential is used up by now. A layer that refuses the request all the same
    /// advises nobody to come back with it.
    pub fn spent(mut self) -> Self {
        self.term.is_spent = true;
        self
    }

    /// Whose registry says whether there is room for one connection more.
    pub(crate) fn limited_by(mut self, revocations: Revocations) -> Self {
        self.limited_by = Some(revocations);
        self
    }

    pub(crate) fn take_limits(&mut self) -> Option<Revocations> {
        self.limited_by.take()
    }

    /// Keeps the registration, and in the keys what its handshake knew of them: whatever is minted
    /// for this grant is as young as the decision about it.
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

    /// The identity.
    pub fn identity(&self) -> &I {
        &self.identity
    }

    /// For how long, and under which revocation keys, the grant holds.
    pub fn term(&self) -> &Term {
        &self.term
    }

    /// Takes the grant apart.
    pub fn into_parts(self) -> (I, Term) {
        (self.identity, self.term)
    }
}

/// How long a grant holds, apart from whom it is for.
///
/// [`AuthLayer`](crate::AuthLayer) leaves it in the request's extensions beside
/// [`Authenticated`](crate::Authenticated), for whatever ends a connection in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    until: Option<SystemTime>,
    revocation_keys: Vec<RevocationKey>,
    issued_at: Option<SystemTime>,
    /// When the decision about it began.
    decided_at: Option<SystemTime>,
    refused_as: RejectionKind,
    is_spent: bool,
    watch: Option<Watch>,
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
        }
    }
}

impl Term {
    /// The moment from which the grant no longer holds; `None` if it has no end of its own.
    pub fn until(&self) -> Option<SystemTime> {
        self.until
    }

    /// The keys under which the grant can be revoked.
    pub fn revocation_keys(&self) -> &[RevocationKey] {
        &self.revocation_keys
    }

    /// When the credential was issued, if that is known.
    pub fn issued_at(&self) -> Option<SystemTime> {
        self.issued_at
    }

    /// What is handed on to whatever is minted for this grant.
    ///
    /// It is as old as the credential, and no younger than the moment at which the
    /// [`AuthLayer`](crate::AuthLayer) began to decide. Where a grant with revocation keys does not
    /// say when its credential was issued, the age of what is minted is unknown too.
    pub fn validity(&self) -> Validity {
        let issued_at = match (self.issued_at, self.decided_at) {
            (Some(issued), Some(decided)) => Some(issued.min(decided)),
            // Without keys no revocation concerns the credential, whatever its age.
            (None, decided) if self.revocation_keys.is_empty() => decided,
            (issued, _) => issued,
        };
        Validity::new(self.until, issued_at, self.revocation_keys.clone())
    }

    pub(crate) fn decided_at(&mut self, moment: SystemTime) {
        self.decided_at = Some(moment);
    }

    /// Whether the credential is used up: it will not pass again.
    pub fn is_spent(&self) -> bool {
        self.is_spent
    }

    /// As what the credential is refused once it is revoked.
    pub fn refused_as(&self) -> RejectionKind {
        self.refused_as
    }

    /// What the client is told when [`until`](Self::until) has come.
    pub fn disconnect_reason(&self) -> DisconnectReason {
        match self.refused_as {
            RejectionKind::SessionInvalid => DisconnectReason::SessionEnded,
            _ => DisconnectReason::TokenExpired,
        }
    }

    /// Whether a registration with these revocations is left here.
    pub(crate) fn is_watched_by(&self, revocations: &Revocations) -> bool {
        let watch = self.watch.as_ref();
        watch.is_some_and(|watch| watch.is_of(revocations))
    }

    /// Takes over the registration that a [`revocable`](crate::AuthenticateExt::revocable)
    /// strategy left: whoever holds it hears when the grant is revoked.
    pub fn take_watch(&mut self) -> Option<Watch> {
        self.watch.take()
    }
}
