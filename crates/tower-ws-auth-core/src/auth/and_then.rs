use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::request::Parts;
use pin_project_lite::pin_project;

use crate::auth::RefusedIdentity;
use crate::{Authenticate, BoxFuture, Grant, Rejection, RejectionKind};

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

/// The answer of the last step. [`admit`](Authenticate::admit) gives a refusal whose identity a
/// layer wants to know, as it gives that of a condition.
type Answer<I, J> = Result<J, Box<Refused<I>>>;

/// A refusal of somebody whose credential is valid.
pub struct Refused<I> {
    rejection: Rejection,
    /// `None` if an inner condition has refused it, and has kept the identity.
    identity: Option<I>,
}

impl<A, F, Fut> Steps<A, F>
where
    A: Authenticate,
    F: Fn(A::Identity, &Parts) -> Fut,
{
    /// Begins the last step. The identity comes with it if a layer wants that of a refusal.
    fn begin(&self, verified: A::Verified, head: &Parts) -> Begun<A::Identity, Fut> {
        let is_wanted = RefusedIdentity::is_wanted(head);
        match self.inner.admit(verified, head) {
            Ok(identity) => {
                let wanted = is_wanted.then(|| identity.clone());
                Ok(((self.then)(identity, head), wanted))
            }
            Err(rejection) if is_wanted => Err(Ok(Box::new(Refused {
                rejection,
                identity: None,
            }))),
            Err(rejection) => Err(Err(rejection)),
        }
    }
}

/// The last step and the identity, or a refusal before it.
type Begun<I, Fut> = Result<(Fut, Option<I>), Result<Box<Refused<I>>, Rejection>>;

/// Leaves it to [`admit`](Authenticate::admit) to refuse, if a layer wants to know of whom.
fn answer<I, J>(
    decided: Result<J, Rejection>,
    wanted: Option<I>,
) -> Result<Answer<I, J>, Rejection> {
    match decided {
        Ok(identity) => Ok(Ok(identity)),
        Err(rejection) if wanted.is_some() && rejection.kind() == RejectionKind::Forbidden => {
            Ok(Err(Box::new(Refused {
                rejection,
                identity: wanted,
            })))
        }
        Err(rejection) => Err(rejection),
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
    type Verified = Answer<A::Identity, J>;
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
    ) -> Option<BoxFuture<Result<Grant<Self::Verified>, Rejection>>> {
        let peeking = self.steps.inner.peek(credential, head)?;
        let (steps, head) = (Arc::clone(&self.steps), head.clone());
        Some(Box::pin(async move {
            let (verified, grant) = peeking.await?.split();
            let answer = match steps.begin(verified, &head) {
                Ok((deciding, wanted)) => answer(deciding.await, wanted)?,
                Err(refused) => Err(refused?),
            };
            Ok(grant.map(|()| answer))
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

    fn admit(&self, answer: Self::Verified, head: &Parts) -> Result<J, Rejection> {
        answer.map_err(|refused| {
            if let Some(identity) = refused.identity {
                RefusedIdentity::keep(head, identity);
            }
            refused.rejection
        })
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
        Deciding {
            #[pin]
            deciding: Fut,
            grant: Option<Grant<()>>,
            wanted: Option<A::Identity>,
        },
    }
}

impl<A, F, Fut, J> Future for AndThenFuture<A, F, Fut>
where
    A: Authenticate,
    F: Fn(A::Identity, &Parts) -> Fut,
    Fut: Future<Output = Result<J, Rejection>>,
{
    type Output = Result<Grant<Answer<A::Identity, J>>, Rejection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let deciding = match state.as_mut().project() {
                Projected::Deciding {
                    deciding,
                    grant,
                    wanted,
                } => {
                    let decided = ready!(deciding.poll(cx));
                    // Polled after completion.
                    let Some(grant) = grant.take() else {
                        return Poll::Pending;
                    };
                    return Poll::Ready(match answer(decided, wanted.take()) {
                        Ok(answer) => Ok(grant.map(|()| answer)),
                        Err(rejection) => Err(refused(rejection, &grant)),
                    });
                }
                Projected::Verifying {
                    verifying,
                    steps,
                    head,
                } => {
                    let (verified, grant) = ready!(verifying.poll(cx))?.split();
                    match steps.begin(verified, head) {
                        Ok((deciding, wanted)) => State::Deciding {
                            deciding,
                            grant: Some(grant),
                            wanted,
                        },
                        Err(Ok(refused)) => return Poll::Ready(Ok(grant.map(|()| Err(refused)))),
                        Err(Err(rejection)) => {
                            return Poll::Ready(Err(refused(rejection, &grant)));
                        }
                    }
                }
            };
            state.set(deciding);
        }
    }
}

/// The credential may be used up by now.
fn refused(rejection: Rejection, grant: &Grant<()>) -> Rejection {
    if grant.validity().is_spent() {
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

impl<I> fmt::Debug for Refused<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused")
            .field("rejection", &self.rejection)
            .finish_non_exhaustive()
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
