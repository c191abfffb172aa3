use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::request::Parts;
use pin_project_lite::pin_project;

use crate::auth::RefusedIdentity;
use crate::{Authenticate, BoxFuture, Grant, Rejection};

/// A strategy that lets a request without a credential pass. Made by
/// [`AuthenticateExt::optional`](crate::AuthenticateExt::optional).
#[derive(Clone, Debug)]
pub struct Optional<A> {
    inner: A,
}

impl<A> Optional<A> {
    pub(crate) fn new(inner: A) -> Self {
        Self { inner }
    }
}

impl<A: Authenticate> Authenticate for Optional<A> {
    type Credential = Option<A::Credential>;
    type Verified = Option<A::Verified>;
    type Identity = Option<A::Identity>;
    type Future = OptionalFuture<A::Future>;

    const SINGLE_USE: bool = A::SINGLE_USE;
    const PASSES_ANONYMOUS: bool = true;

    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn take(&self, head: &mut Parts) -> Result<Option<Self::Credential>, Rejection> {
        self.inner.take(head).map(Some)
    }

    fn peek(
        &self,
        credential: &Self::Credential,
        head: &Parts,
    ) -> Option<BoxFuture<Result<Grant<Self::Verified>, Rejection>>> {
        let peeking = self.inner.peek(credential.as_ref()?, head)?;
        Some(Box::pin(async { Ok(peeking.await?.map(Some)) }))
    }

    fn is_conditional(&self, credential: &Self::Credential) -> bool {
        credential
            .as_ref()
            .is_some_and(|credential| self.inner.is_conditional(credential))
    }

    fn verify(&self, credential: Self::Credential, head: &Parts) -> Self::Future {
        let inner = credential.map(|credential| self.inner.verify(credential, head));
        OptionalFuture { inner }
    }

    fn admit(&self, verified: Self::Verified, head: &Parts) -> Result<Self::Identity, Rejection> {
        let admitted = verified.map(|verified| self.inner.admit(verified, head));
        if let Some(Err(_)) = admitted {
            RefusedIdentity::map(head, Some::<A::Identity>);
        }
        admitted.transpose()
    }
}

pin_project! {
    /// The decision about an optional credential.
    pub struct OptionalFuture<F> {
        #[pin]
        inner: Option<F>,
    }
}

impl<F, V> Future for OptionalFuture<F>
where
    F: Future<Output = Result<Grant<V>, Rejection>>,
{
    type Output = Result<Grant<Option<V>>, Rejection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().inner.as_pin_mut() {
            Some(inner) => inner.poll(cx).map_ok(|grant| grant.map(Some)),
            None => Poll::Ready(Ok(Grant::new(None))),
        }
    }
}

impl<F> fmt::Debug for OptionalFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OptionalFuture")
    }
}
