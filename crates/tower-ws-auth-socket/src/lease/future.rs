use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::upgrade::Guarded;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_service::Service;
use tower_ws_auth_core::private::{Gate, WatchFuture};
use tower_ws_auth_core::{Rejection, ResponseBody};

use crate::lease::service::Waiting;
use crate::lease::shared::Shared;
use crate::lease::watches::Watches;

pin_project! {
    /// The response of a [`Leased`](crate::lease::Leased) service.
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<S, B>
    where
        S: Service<Request<B>>,
    {
        WatchFuture {
            watching: WatchFuture,
            // The registrations that the strategy left with revocations of its own.
            watches: Watches,
            waiting: Option<Waiting<S, B>>,
        },
        Decided {
            #[pin]
            gate: Gate<S::Future>,
            opening: Option<Opening>,
        },
    }
}

/// What is done when the service has answered.
pub(crate) struct Opening {
    pub(crate) lease: Arc<Shared>,
    pub(crate) guard: Option<Guarded>,
    pub(crate) is_connect: bool,
}

impl Opening {
    fn answered(self, status: StatusCode) {
        let upgrades = upgrades(status, self.is_connect);
        if upgrades {
            self.lease.opened();
        }
        match self.guard {
            Some(guard) if upgrades => guard.accept(),
            // hyper drops the connection's handle as it would have anyway.
            other => drop(other),
        }
    }
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(crate) fn refuse(rejection: Rejection, head: Parts) -> Self {
        crate::lease::trace::refused(&rejection);
        Self::pass(Gate::refuse(rejection, head), None)
    }

    pub(crate) fn pass(gate: Gate<S::Future>, opening: Option<Opening>) -> Self {
        Self {
            state: State::Decided { gate, opening },
        }
    }

    pub(crate) fn watch(watching: WatchFuture, watches: Watches, waiting: Waiting<S, B>) -> Self {
        Self {
            state: State::WatchFuture {
                watching,
                watches,
                waiting: Some(waiting),
            },
        }
    }
}

impl<S, B, ResBody> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let decided = match state.as_mut().project() {
                Projected::WatchFuture {
                    watching,
                    watches,
                    waiting,
                } => {
                    let watched = ready!(Pin::new(watching).poll(cx));
                    let Some(waiting) = waiting.take() else {
                        // Polled after a panic: never falls through.
                        return Poll::Pending;
                    };
                    match watched {
                        Ok(watch) => {
                            watches.own = Some(watch);
                            waiting.open(std::mem::take(watches))
                        }
                        Err(rejection) => waiting.refuse(rejection),
                    }
                }
                Projected::Decided { gate, opening } => {
                    let response = ready!(gate.poll(cx))?;
                    if let Some(opening) = opening.take() {
                        opening.answered(response.status());
                    }
                    return Poll::Ready(Ok(response));
                }
            };
            state.set(decided.state);
        }
    }
}

/// RFC 9110 §15.2.2, and RFC 8441 §5 for a `CONNECT`.
fn upgrades(status: StatusCode, is_connect: bool) -> bool {
    status == StatusCode::SWITCHING_PROTOCOLS || is_connect && status.is_success()
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
