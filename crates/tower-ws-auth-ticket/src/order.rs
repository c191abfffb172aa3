use std::fmt;
use std::time::SystemTime;

use http::request::Parts;
use tower_ws_auth_core::{Rejection, RevocationKey, Term};

use crate::Use;
use crate::binding::Bindings;

/// What a ticket is to be: the payload, what for, and until when its grant holds.
#[derive(Clone)]
#[must_use]
pub struct Order<P> {
    pub(crate) payload: P,
    pub(crate) purpose: Use,
    pub(crate) subject: Option<String>,
    pub(crate) revocation_keys: Vec<RevocationKey>,
    until: Option<SystemTime>,
}

impl<P> Order<P> {
    /// A ticket with this payload, for this use.
    pub fn new(payload: P, purpose: Use) -> Self {
        Self {
            payload,
            purpose,
            subject: None,
            revocation_keys: Vec::new(),
            until: None,
        }
    }

    /// Whose ticket it is: the store bounds how many a subject has outstanding.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// The moment from which the grant no longer holds. The earliest one counts, if it is said
    /// more than once; [`live_for`](crate::TicketsBuilder::live_for) says it too.
    pub fn until(mut self, end: SystemTime) -> Self {
        self.until = self.end(Some(end));
        self
    }

    /// Adds a key under which the grant can be revoked, such as `user:42`.
    pub fn revocable_by(mut self, key: impl Into<RevocationKey>) -> Self {
        self.revocation_keys.push(key.into());
        self
    }

    /// Hands on what the request for the ticket is bound to: what it was granted ends no later
    /// by way of a ticket, and is revoked by the same keys.
    pub(crate) fn inherit(mut self, bindings: &Bindings, head: &Parts) -> Result<Self, Rejection> {
        self.purpose = bindings.complete(self.purpose, head)?;
        if let Some(term) = head.extensions.get::<Term>() {
            self.until = self.end(term.until());
            for key in term.revocation_keys() {
                // It knows more of the key than the order does; a final key stays final.
                let own = |own: &RevocationKey| own.name() != key.name() || own.is_final();
                self.revocation_keys.retain(own);
                if !self
                    .revocation_keys
                    .iter()
                    .any(|own| own.name() == key.name())
                {
                    self.revocation_keys.push(key.clone());
                }
            }
        }
        Ok(self)
    }

    /// The earlier of the two ends.
    pub(crate) fn end(&self, other: Option<SystemTime>) -> Option<SystemTime> {
        self.until.into_iter().chain(other).min()
    }
}

impl<P> fmt::Debug for Order<P> {
    // The payload is the application's own business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order")
            .field("purpose", &self.purpose)
            .field("subject", &self.subject)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}
