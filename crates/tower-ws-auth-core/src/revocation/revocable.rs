use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::request::Parts;
use pin_project_lite::pin_project;

use super::{Revocations, Watching};
use crate::{Authenticate, Grant, Rejection};

/// A strategy whose credentials can be revoked. Made by
/// [`AuthenticateExt::revocable`](crate::AuthenticateExt::revocable).
#[derive(Clone, Debug)]
pub struct Revocable<A> {
    inner: A,
    revocations: Revocations,
}

impl<A> Revocable<A> {
    pub(crate) fn new(inner: A, revocations: Revocations) -> Self {
        Self { inner, revocations }
    }
}

impl<A: Authenticate> Authenticate for Revocable<A> {
    type Credential = A::Credential;
    type Verified = A::Verified;
    type Identity = A::Identity;
    type Future = RevocableFuture<A::Future, A::Verified>;

    const SINGLE_USE: bool = A::SINGLE_USE;
    const PASSES_ANONYMOUS: bool = A::PASSES_ANONYMOUS;

    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn take(&self, head: &mut Parts) -> Result<Option<A::Credential>, Rejection> {
        self.inner.take(head)
    }

    fn is_ambient(&self, credential: &A::Credential) -> bool {
        self.inner.is_ambient(credential)
    }

    fn carrier(&self, credential: &A::Credential) -> Option<&'static str> {
        self.inner.carrier(credential)
    }

    fn name_for(&self, credential: &A::Credential) -> &'static str {
        self.inner.name_for(credential)
    }

    fn verify(&self, credential: A::Credential, head: &Parts) -> Self::Future {
        RevocableFuture {
            verifying: self.inner.verify(credential, head),
            revocations: self.revocations.clone(),
            asking: None,
        }
    }

    fn admit(&self, verified: A::Verified, head: &Parts) -> Result<A::Identity, Rejection> {
        self.inner.admit(verified, head)
    }
}

pin_project! {
    /// The decision about a credential that may have been revoked.
    pub struct RevocableFuture<F, V> {
        #[pin]
        verifying: F,
        revocations: Revocations,
        asking: Option<(Watching, Option<Grant<V>>)>,
    }
}

impl<F, V> Future for RevocableFuture<F, V>
where
    F: Future<Output = Result<Grant<V>, Rejection>>,
{
    type Output = Result<Grant<V>, Rejection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (watching, waiting) = if let Some(asking) = this.asking {
            asking
        } else {
            let grant = ready!(this.verifying.poll(cx))?;
            let mut watching = this.revocations.watch(grant.term());
            // As a rule the store knows at once.
            if let Poll::Ready(watch) = Pin::new(&mut watching).poll(cx) {
                return Poll::Ready(Ok(grant.watched_by(watch?)));
            }
            this.asking.insert((watching, Some(grant)))
        };
        let watch = ready!(Pin::new(watching).poll(cx))?;
        // Nothing is left for whoever polls after the end.
        let Some(grant) = waiting.take() else {
            return Poll::Pending;
        };
        Poll::Ready(Ok(grant.watched_by(watch)))
    }
}

impl<F, V> fmt::Debug for RevocableFuture<F, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RevocableFuture")
    }
}
