use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::request::Parts;
use pin_project_lite::pin_project;

use super::{BoxFuture, Reserved, Revocations, WatchFuture};
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

    fn peek(
        &self,
        credential: &A::Credential,
        head: &Parts,
    ) -> Option<BoxFuture<Result<Grant<A::Verified>, Rejection>>> {
        let peeking = self.inner.peek(credential, head)?;
        let revocations = self.revocations.clone();
        Some(Box::pin(async {
            Ok(peeking.await?.limited_by(revocations))
        }))
    }

    fn is_conditional(&self, credential: &A::Credential) -> bool {
        self.inner.is_conditional(credential) || self.revocations.are_limited()
    }

    fn verify(&self, credential: A::Credential, head: &Parts) -> Self::Future {
        RevocableFuture {
            state: State::Verifying {
                verifying: self.inner.verify(credential, head),
                place: Reserved::find(head, &self.revocations),
                revocations: self.revocations.clone(),
            },
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
        state: State<F, V>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<F, V> {
        Verifying { #[pin] verifying: F, place: Option<Reserved>, revocations: Revocations },
        Checking { checking: Checking<V> },
    }
}

impl<F, V> Future for RevocableFuture<F, V>
where
    F: Future<Output = Result<Grant<V>, Rejection>>,
{
    type Output = Result<Grant<V>, Rejection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let checking = match state.as_mut().project() {
                Projected::Checking { checking } => return Pin::new(checking).poll(cx),
                Projected::Verifying {
                    verifying,
                    place,
                    revocations,
                } => {
                    let grant = ready!(verifying.poll(cx))?;
                    match place.take().filter(|place| place.fits(&grant)) {
                        Some(place) => return Poll::Ready(place.confirm(grant)),
                        None => revocations.check(grant),
                    }
                }
            };
            state.set(State::Checking { checking });
        }
    }
}

/// The pending answer of [`Revocations::check`].
pub struct Checking<V>(Option<(Option<WatchFuture>, Grant<V>)>);

impl<V> Checking<V> {
    pub(super) fn new(revocations: &Revocations, grant: Grant<V>) -> Self {
        let is_watched = grant.validity().is_watched_by(revocations);
        let watching = (!is_watched).then(|| revocations.watch(grant.validity()));
        Self(Some((watching, grant)))
    }
}

// Nothing in it is pinned: the grant is only passed on.
impl<V> Unpin for Checking<V> {}

impl<V> Future for Checking<V> {
    type Output = Result<Grant<V>, Rejection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut self.get_mut().0;
        let watch = match this {
            Some((Some(watching), _)) => Some(ready!(Pin::new(watching).poll(cx))),
            Some((None, _)) | None => None,
        };
        // Polled after completion.
        let Some((_, grant)) = this.take() else {
            return Poll::Pending;
        };
        Poll::Ready(match watch.transpose() {
            Ok(Some(watch)) => Ok(grant.watched_by(watch)),
            Ok(None) => Ok(grant),
            Err(rejection) if grant.validity().is_spent() => Err(rejection.with_spent_credential()),
            Err(rejection) => Err(rejection),
        })
    }
}

impl<F, V> fmt::Debug for RevocableFuture<F, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RevocableFuture")
    }
}

impl<V> fmt::Debug for Checking<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Checking")
    }
}
