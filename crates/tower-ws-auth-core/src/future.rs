use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::CONNECTION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::handshake::{Handshake, lists, simplify};
use crate::refuse::closes;
use crate::trace::Decision;
use crate::{Authenticate, Authenticated, Grant, Rejection, ResponseBody};

pin_project! {
    /// The response of a layer that lets a request pass or refuses it at once.
    ///
    /// For authors of layers; [`ResponseFuture`] ends in one too.
    pub struct Gate<F> {
        #[pin]
        state: GateState<F>,
    }
}

pin_project! {
    #[project = GateProjected]
    enum GateState<F> {
        Passed { #[pin] inner: F, closes: bool },
        Refused { refused: Option<(Rejection, Parts, Option<Handshake>)> },
    }
}

impl<F> Gate<F> {
    /// The inner service has the request; `call` gets its head and calls it.
    pub fn pass(head: Parts, call: impl FnOnce(Parts) -> F) -> Self {
        let closes = closes(&head);
        Self::pass_known(head, closes, call)
    }

    fn pass_known(head: Parts, closes: bool, call: impl FnOnce(Parts) -> F) -> Self {
        Self {
            state: GateState::Passed {
                inner: call(head),
                closes,
            },
        }
    }

    /// The inner service never sees the request.
    pub fn refuse(rejection: Rejection, head: Parts) -> Self {
        Self::refuse_checked(rejection, head, None)
    }

    /// The same, of a head that may be known to be a handshake.
    fn refuse_checked(rejection: Rejection, head: Parts, handshake: Option<Handshake>) -> Self {
        Self {
            state: GateState::Refused {
                refused: Some((rejection, head, handshake)),
            },
        }
    }
}

impl<F, B, E> Future for Gate<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            GateProjected::Passed { inner, closes } => {
                let mut response = ready!(inner.poll(cx))?.map(ResponseBody::inner);
                if *closes && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                    close(response.headers_mut());
                }
                Poll::Ready(Ok(response))
            }
            GateProjected::Refused { refused } => match refused.take() {
                Some((rejection, head, handshake)) => {
                    Poll::Ready(Ok(rejection.into_response_to(head, handshake)))
                }
                // Polled after it was ready, which no executor does.
                None => Poll::Pending,
            },
        }
    }
}

/// Says `close` beside what is said already, such as the `upgrade` of a 426.
fn close(headers: &mut HeaderMap) {
    if !lists(headers, &CONNECTION, "close") {
        headers.append(CONNECTION, const { HeaderValue::from_static("close") });
    }
}

impl<F> fmt::Debug for Gate<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

pin_project! {
    /// The response of an [`Auth`](crate::Auth) service.
    pub struct ResponseFuture<A, S, B>
    where
        A: Authenticate,
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<A, S, B>,
    }
}

pin_project! {
    #[project = Projected]
    #[project_replace = Replaced]
    enum State<A, S, B>
    where
        A: Authenticate,
        S: Service<Request<B>>,
    {
        Verifying { #[pin] verifying: A::Future, waiting: Option<Waiting<A, S, B>> },
        Decided { #[pin] gate: Gate<S::Future> },
    }
}

/// What is needed once the strategy has decided.
struct Waiting<A, S, B> {
    strategy: Arc<A>,
    head: Parts,
    body: B,
    service: S,
    decision: Decision,
    /// `None` where any request passes.
    handshake: Option<Handshake>,
}

impl<A, S, B> ResponseFuture<A, S, B>
where
    A: Authenticate,
    S: Service<Request<B>>,
{
    pub(crate) fn refuse(
        rejection: Rejection,
        head: Parts,
        handshake: Option<Handshake>,
        decision: Decision,
    ) -> Self {
        let rejection = decision.refused(rejection);
        Self {
            state: State::Decided {
                gate: Gate::refuse_checked(rejection, head, handshake),
            },
        }
    }

    pub(crate) fn verify(
        verifying: A::Future,
        strategy: Arc<A>,
        request: (Parts, B),
        service: S,
        handshake: Option<Handshake>,
        decision: Decision,
    ) -> Self {
        let (head, body) = request;
        let waiting = Some(Waiting {
            strategy,
            head,
            body,
            service,
            decision,
            handshake,
        });
        Self {
            state: State::Verifying { verifying, waiting },
        }
    }
}

impl<A, S, B> Waiting<A, S, B>
where
    A: Authenticate,
    S: Service<Request<B>>,
{
    fn decide<ResBody>(
        mut self,
        verified: Result<Grant<A::Verified>, Rejection>,
    ) -> ControlFlow<Response<ResponseBody<ResBody>>, Gate<S::Future>> {
        let admitted = verified.and_then(|grant| {
            let (verified, term) = grant.into_parts();
            Ok((self.strategy.admit(verified, &self.head)?, term))
        });
        let (identity, term) = match admitted {
            Ok(admitted) => admitted,
            Err(rejection) => {
                let rejection = self.decision.refused(rejection);
                return ControlFlow::Break(rejection.into_response_to(self.head, self.handshake));
            }
        };
        self.decision.accepted();
        let upgrades = matches!(self.handshake, Some(Handshake::Http1 { .. }));
        if upgrades {
            simplify(&mut self.head.headers);
        }
        let closes = upgrades || closes(&self.head);
        self.head.extensions.insert(Authenticated::new(identity));
        self.head.extensions.insert(term);
        ControlFlow::Continue(Gate::pass_known(self.head, closes, |head| {
            self.service.call(Request::from_parts(head, self.body))
        }))
    }
}

impl<A, S, B, ResBody> Future for ResponseFuture<A, S, B>
where
    A: Authenticate,
    S: Service<Request<B>, Response = Response<ResBody>>,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let gate = match state.as_mut().project() {
                Projected::Decided { gate } => return gate.poll(cx),
                // Polled after it was ready or a panic in `decide`: never falls through.
                Projected::Verifying { waiting: None, .. } => return Poll::Pending,
                Projected::Verifying { verifying, waiting } => {
                    let verified = ready!(verifying.poll(cx));
                    let Some(waiting) = waiting.take() else {
                        return Poll::Pending;
                    };
                    match waiting.decide(verified) {
                        ControlFlow::Continue(gate) => gate,
                        ControlFlow::Break(refusal) => return Poll::Ready(Ok(refusal)),
                    }
                }
            };
            state.set(State::Decided { gate });
        }
    }
}

impl<A, S, B> fmt::Debug for ResponseFuture<A, S, B>
where
    A: Authenticate,
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
