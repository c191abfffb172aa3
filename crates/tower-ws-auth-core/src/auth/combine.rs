use std::fmt;

use http::request::Parts;

use crate::auth::RefusedIdentity;
use crate::{Authenticate, BoxFuture, Grant, Rejection, RejectionKind};

/// A strategy with another identity. Made by [`AuthenticateExt::map`](crate::AuthenticateExt::map).
#[derive(Clone)]
pub struct Map<A, F> {
    inner: A,
    f: F,
}

impl<A, F> Map<A, F> {
    pub(crate) fn new(inner: A, f: F) -> Self {
        Self { inner, f }
    }
}

impl<A, F, J> Authenticate for Map<A, F>
where
    A: Authenticate,
    F: Fn(A::Identity) -> J,
    J: Clone + Send + Sync + 'static,
{
    type Credential = A::Credential;
    type Verified = A::Verified;
    type Identity = J;
    type Future = A::Future;

    const SINGLE_USE: bool = A::SINGLE_USE;
    const PASSES_ANONYMOUS: bool = A::PASSES_ANONYMOUS;

    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn take(&self, head: &mut Parts) -> Result<Option<A::Credential>, Rejection> {
        self.inner.take(head)
    }

    fn peek(
        &self,
        credential: &A::Credential,
        head: &Parts,
    ) -> Option<BoxFuture<Result<Grant<A::Verified>, Rejection>>> {
        self.inner.peek(credential, head)
    }

    fn is_conditional(&self, credential: &A::Credential) -> bool {
        self.inner.is_conditional(credential)
    }

    fn verify(&self, credential: A::Credential, head: &Parts) -> A::Future {
        self.inner.verify(credential, head)
    }

    fn admit(&self, verified: A::Verified, head: &Parts) -> Result<J, Rejection> {
        match self.inner.admit(verified, head) {
            Ok(identity) => Ok((self.f)(identity)),
            Err(rejection) => {
                RefusedIdentity::map(head, &self.f);
                Err(rejection)
            }
        }
    }
}

/// A strategy with a condition. Made by
/// [`AuthenticateExt::authorize`](crate::AuthenticateExt::authorize) and, with the feature `axum`,
/// by `authorize_path`.
#[derive(Clone)]
pub struct Authorize<A, F> {
    inner: A,
    permitted: F,
}

impl<A, F> Authorize<A, F> {
    pub(crate) fn new(inner: A, permitted: F) -> Self {
        Self { inner, permitted }
    }
}

/// The condition of an [`Authorize`].
pub trait Permit<I> {
    /// Refuses unless the identity may make the request with this head.
    ///
    /// # Errors
    ///
    /// [`Forbidden`](RejectionKind::Forbidden), or why it cannot be decided.
    fn permit(&self, identity: &I, head: &Parts) -> Result<(), Rejection>;
}

impl<I, F: Fn(&I, &Parts) -> bool> Permit<I> for F {
    fn permit(&self, identity: &I, head: &Parts) -> Result<(), Rejection> {
        permitted(self(identity, head))
    }
}

/// The answer of a predicate of `authorize`, `authorize_async` or `authorize_path`.
pub(super) fn permitted(yes: bool) -> Result<(), Rejection> {
    if yes {
        Ok(())
    } else {
        Err(Rejection::new(
            RejectionKind::Forbidden,
            "the predicate of `authorize` said no",
        ))
    }
}

impl<A, F> Authenticate for Authorize<A, F>
where
    A: Authenticate,
    F: Permit<A::Identity>,
{
    type Credential = A::Credential;
    type Verified = A::Verified;
    type Identity = A::Identity;
    type Future = A::Future;

    const SINGLE_USE: bool = A::SINGLE_USE;
    const PASSES_ANONYMOUS: bool = A::PASSES_ANONYMOUS;

    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn take(&self, head: &mut Parts) -> Result<Option<A::Credential>, Rejection> {
        self.inner.take(head)
    }

    fn peek(
        &self,
        credential: &A::Credential,
        head: &Parts,
    ) -> Option<BoxFuture<Result<Grant<A::Verified>, Rejection>>> {
        self.inner.peek(credential, head)
    }

    fn is_conditional(&self, _credential: &A::Credential) -> bool {
        true
    }

    fn verify(&self, credential: A::Credential, head: &Parts) -> A::Future {
        self.inner.verify(credential, head)
    }

    fn admit(&self, verified: A::Verified, head: &Parts) -> Result<A::Identity, Rejection> {
        let identity = self.inner.admit(verified, head)?;
        match self.permitted.permit(&identity, head) {
            Ok(()) => Ok(identity),
            Err(rejection) => {
                RefusedIdentity::keep(head, identity);
                Err(rejection)
            }
        }
    }
}

impl<A: fmt::Debug, F> fmt::Debug for Map<A, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<A: fmt::Debug, F> fmt::Debug for Authorize<A, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorize")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
