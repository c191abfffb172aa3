use std::sync::Arc;
use std::time::SystemTime;

/// What a strategy grants: an identity, until when it holds, and under which keys it can be
/// revoked.
///
/// A grant without an end holds as long as its connection.
#[derive(Clone, Debug)]
#[must_use]
pub struct Grant<I> {
    identity: I,
    term: Term,
}

impl<I> Grant<I> {
    /// Grants `identity` without an end.
    pub fn new(identity: I) -> Self {
        let term = Term::default();
        Self { identity, term }
    }

    /// The moment from which the grant no longer holds.
    pub fn until(mut self, end: SystemTime) -> Self {
        self.term.until = Some(end);
        self
    }

    /// Adds a key under which the grant can be revoked, such as `user:42`. It is no
    /// secret: it may be logged.
    pub fn revocable_by(mut self, key: impl Into<Arc<str>>) -> Self {
        self.term.revocation_keys.push(key.into());
        self
    }

    /// Changes the identity and keeps the term.
    pub fn map<J>(self, f: impl FnOnce(I) -> J) -> Grant<J> {
        Grant {
            identity: f(self.identity),
            term: self.term,
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Term {
    until: Option<SystemTime>,
    revocation_keys: Vec<Arc<str>>,
}

impl Term {
    /// The moment from which the grant no longer holds; `None` if it has no end of its own.
    pub fn until(&self) -> Option<SystemTime> {
        self.until
    }

    /// The keys under which the grant can be revoked.
    pub fn revocation_keys(&self) -> &[Arc<str>] {
        &self.revocation_keys
    }
}
