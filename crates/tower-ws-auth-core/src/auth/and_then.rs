use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::request::Parts;
use pin_project_lite::pin_project;

use crate::{Authenticate, BoxFuture, Grant, Rejection};

/// A strategy with an asynchronous last step. Made by
/// [`AuthenticateExt::and_then`](crate::AuthenticateExt::and_then) and
/// [`AuthenticateExt::authorize_async`](crate::AuthenticateExt::authorize_async).
pub struct AndThen<A, F> {
    steps: Arc<Steps<A, F>>,
}

struct Steps<A, F> {
    inner: A,
    then: F,
}

impl<A, F> AndThen<A, F> {
    pub(crate) fn new(inner: A, then: F) -> Self {
        let steps = Arc::new(Steps { inner, then });
        Self { steps }
    }
}

impl<A, F, Fut, J> Authenticate for AndThen<A, F>
where
    A: Authenticate + Send + Sync + 'static,
    F: Fn(A::Identity, &Parts) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<J, Rejection>> + Send + 'static,
    J: Clone + Send + Sync + 'static,
{
    type Credential = A::Credential;
    type Verified = J;
    type Identity = J;
    type Future = AndThenFuture<A, F, Fut>;

    const SINGLE_USE: bool = A::SINGLE_USE;
    const PASSES_ANONYMOUS: bool = A::PASSES_ANONYMOUS;

    fn name(&self) -> &'static str {
        self.steps.inner.name()
    }

    fn take(&self, head: &mut Parts) -> Result<Option<A::Credential>, Rejection> {
        self.steps.inner.take(head)
    }

    fn peek(
        &self,
        credential: &A::Credential,
        head: &Parts,
    ) -> Option<BoxFuture<Result<Grant<J>, Rejection>>> {
        let peeking = self.steps.inner.peek(credential, head)?;
        let (steps, head) = (Arc::clone(&self.steps), head.clone());
        Some(Box::pin(async move {
            let (verified, grant) = peeking.await?.split();
            let identity = steps.inner.admit(verified, &head)?;
            let then = (steps.then)(identity, &head);
            let identity = then.await?;
            Ok(grant.map(|()| identity))
        }))
    }

    fn is_conditional(&self, _credential: &A::Credential) -> bool {
        true
    }

    fn verify(&self, credential: A::Credential, head: &Parts) -> Self::Future {
        AndThenFuture {
            state: State::Verifying {
                verifying: self.steps.inner.verify(credential, head),
                steps: Arc::clone(&self.steps),
                head: Box::new(head.clone()),
            },
        }
    }

    fn admit(&self, identity: J, _head: &Parts) -> Result<J, Rejection> {
        Ok(identity)
    }
}

pin_project! {
    /// The decision of [`AndThen`].
    pub struct AndThenFuture<A, F, Fut>
    where
        A: Authenticate,
    {
        #[pin]
        state: State<A, F, Fut>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<A, F, Fut>
    where
        A: Authenticate,
    {
        Verifying {
            #[pin]
            verifying: A::Future,
            steps: Arc<Steps<A, F>>,
            // A copy, because the layer keeps the head itself. Boxed, because it is large.
            head: Box<Parts>,
        },
        // `None` after the decision.
        Deciding { #[pin] deciding: Fut, grant: Option<Grant<()>> },
    }
}

impl<A, F, Fut, J> Future for AndThenFuture<A, F, Fut>
where
    A: Authenticate,
    F: Fn(A::Identity, &Parts) -> Fut,
    Fut: Future<Output = Result<J, Rejection>>,
{
    type Output = Result<Grant<J>, Rejection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let deciding = match state.as_mut().project() {
                Projected::Deciding { deciding, grant } => {
                    let decided = ready!(deciding.poll(cx));
                    // Polled after completion.
                    let Some(grant) = grant.take() else {
                        return Poll::Pending;
                    };
                    return Poll::Ready(match decided {
                        Ok(identity) => Ok(grant.map(|()| identity)),
                        Err(rejection) => Err(refused(rejection, &grant)),
                    });
                }
                Projected::Verifying {
                    verifying,
                    steps,
                    head,
                } => {
                    let (verified, grant) = ready!(verifying.poll(cx))?.split();
                    match steps.inner.admit(verified, head) {
                        Ok(identity) => State::Deciding {
                            deciding: (steps.then)(identity, head),
                            grant: Some(grant),
                        },
                        Err(rejection) => return Poll::Ready(Err(refused(rejection, &grant))),
                    }
                }
            };
            state.set(deciding);
        }
    }
}

/// The credential may be used up by now.
fn refused(rejection: Rejection, grant: &Grant<()>) -> Rejection {
    if grant.term().is_spent() {
        rejection.with_spent_credential()
    } else {
        rejection
    }
}

impl<A, F> Clone for AndThen<A, F> {
    fn clone(&self) -> Self {
        let steps = Arc::clone(&self.steps);
        Self { steps }
    }
}

impl<A: fmt::Debug, F> fmt::Debug for AndThen<A, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AndThen")
            .field("inner", &self.steps.inner)
            .finish_non_exhaustive()
    }
}

impl<A: Authenticate, F, Fut> fmt::Debug for AndThenFuture<A, F, Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AndThenFuture")
    }
}
