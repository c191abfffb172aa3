use std::time::SystemTime;

use crate::revocation::{RevocationKey, Revocations, Watch};
use crate::{RejectionKind, Validity};

/// The grant of a strategy: an identity and its [`Validity`].
///
/// A grant without an end is valid for as long as its connection.
#[derive(Clone, Debug)]
#[must_use]
pub struct Grant<I> {
    identity: I,
    validity: Validity,
    limited_by: Option<Revocations>,
}

impl<I> Grant<I> {
    /// Grants `identity` without an end.
    pub fn new(identity: I) -> Self {
        Self {
            identity,
            validity: Validity::of_unknown_age(),
            limited_by: None,
        }
    }

    /// Sets the moment from which the grant is no longer valid.
    pub fn until(mut self, end: SystemTime) -> Self {
        self.validity.until = Some(end);
        self
    }

    /// Adds a key that can revoke the grant, such as `user:42`. It is no secret: it may be logged.
    /// See [`RevocationKey`] for keys that are never used again.
    pub fn revocable_by(mut self, key: impl Into<RevocationKey>) -> Self {
        self.validity.revocation_keys.push(key.into());
        self
    }

    /// Sets the credential's time of issue. A revocation refuses a credential that was issued
    /// before it, or at an unknown time.
    pub fn issued_at(mut self, moment: SystemTime) -> Self {
        self.validity.issued_at = Some(moment);
        self
    }

    /// Sets the kind of the rejection once the credential is revoked;
    /// [`TokenInvalid`](RejectionKind::TokenInvalid) by default.
    pub fn refused_as(mut self, kind: RejectionKind) -> Self {
        self.validity.refused_as = kind;
        self
    }

    /// Inherits the validity of the client's own grant: it ends no later, is no younger, and the
    /// same keys revoke it too.
    pub fn inherit(mut self, validity: &Validity) -> Self {
        // Without a time of issue it takes its client's; `inherit` keeps the earlier one.
        let issued_at = self.validity.issued_at.or(validity.issued_at());
        self.validity.issued_at = issued_at;
        self.validity = self.validity.inherit(validity);
        self
    }

    /// States that the credential is now used up. If the layer still refuses the request, it never
    /// advises to come back with this credential.
    pub fn spent(mut self) -> Self {
        self.validity.is_spent = true;
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
        let keys = &mut self.validity.revocation_keys;
        watch.connection().inform(keys);
        self.validity.add_watch(watch);
        self
    }

    /// Changes the identity and keeps the validity.
    pub fn map<J>(self, f: impl FnOnce(I) -> J) -> Grant<J> {
        Grant {
            identity: f(self.identity),
            validity: self.validity,
            limited_by: self.limited_by,
        }
    }

    /// The identity, and the grant without it.
    pub(crate) fn split(self) -> (I, Grant<()>) {
        let grant = Grant {
            identity: (),
            validity: self.validity,
            limited_by: self.limited_by,
        };
        (self.identity, grant)
    }

    /// The identity.
    pub fn identity(&self) -> &I {
        &self.identity
    }

    /// The grant's end, age and revocation keys.
    pub fn validity(&self) -> &Validity {
        &self.validity
    }

    /// Takes the grant apart.
    pub fn into_parts(self) -> (I, Validity) {
        (self.identity, self.validity)
    }
}
