use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;
use tower_ws_auth_core::Rejection;

use crate::trace::Trace;
use crate::{Denial, Join, JoinOutcome, Policy};

pin_project! {
    /// The response of a [`ChannelAuth`](crate::ChannelAuth) service.
    pub struct ResponseFuture<P, S, I, M>
    where
        P: Policy<I, M>,
        S: Service<Join<I, M>>,
    {
        #[pin]
        state: State<P, S, I, M>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<P, S, I, M>
    where
        P: Policy<I, M>,
        S: Service<Join<I, M>>,
    {
        DecideFuture { #[pin] deciding: P::Future, waiting: Option<Waiting<S, I, M>> },
        Admitted { #[pin] inner: S::Future },
        Denied { denial: Option<Denial> },
    }
}

/// The data that is needed once the policy has decided.
struct Waiting<S, I, M> {
    join: Join<I, M>,
    service: S,
    trace: Trace,
}

impl<P, S, I, M> ResponseFuture<P, S, I, M>
where
    P: Policy<I, M>,
    S: Service<Join<I, M>>,
{
    pub(crate) fn deny(join: Join<I, M>, rejection: Rejection, trace: Trace) -> Self {
        Self {
            state: State::denied(join, rejection, trace),
        }
    }

    pub(crate) fn decide(deciding: P::Future, join: Join<I, M>, service: S, trace: Trace) -> Self {
        let waiting = Some(Waiting {
            join,
            service,
            trace,
        });
        Self {
            state: State::DecideFuture { deciding, waiting },
        }
    }
}

impl<P, S, I, M> State<P, S, I, M>
where
    P: Policy<I, M>,
    S: Service<Join<I, M>>,
{
    fn denied(join: Join<I, M>, rejection: Rejection, trace: Trace) -> Self {
        trace.refused(join.channel(), &rejection);
        Self::Denied {
            denial: Some(Denial::new(join.into_channel(), rejection)),
        }
    }
}

impl<P, S, I, M> Future for ResponseFuture<P, S, I, M>
where
    P: Policy<I, M>,
    S: Service<Join<I, M>>,
{
    type Output = Result<JoinOutcome<S::Response>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                Projected::Admitted { inner } => {
                    return inner.poll(cx).map_ok(JoinOutcome::Admitted);
                }
                Projected::Denied { denial } => {
                    // Polled after completion.
                    return denial.take().map_or(Poll::Pending, |denial| {
                        Poll::Ready(Ok(JoinOutcome::Denied(denial)))
                    });
                }
                Projected::DecideFuture { deciding, waiting } => {
                    let decision = ready!(deciding.poll(cx));
                    // `None` after a panic in the inner service's `call`. It never falls through.
                    let Some(Waiting {
                        join,
                        mut service,
                        trace,
                    }) = waiting.take()
                    else {
                        return Poll::Pending;
                    };
                    match decision {
                        Ok(pass) => {
                            trace.accepted(join.channel());
                            let inner = service.call(join.admitted(pass));
                            State::Admitted { inner }
                        }
                        Err(rejection) => State::denied(join, rejection, trace),
                    }
                }
            };
            state.set(next);
        }
    }
}

impl<P, S, I, M> fmt::Debug for ResponseFuture<P, S, I, M>
where
    P: Policy<I, M>,
    S: Service<Join<I, M>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
