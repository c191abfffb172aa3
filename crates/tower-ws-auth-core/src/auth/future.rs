use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use http::header::CONNECTION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::auth::{Label, Who};
use crate::handshake::{Handshake, lists, simplify};
use crate::rejection::response::closes;
use crate::revocation::{BoxFuture, WatchFuture};
use crate::trace::Decision;
use crate::{Authenticate, Authenticated, Grant, Rejection, ResponseBody};

pin_project! {
    /// The response of a layer that passes a request on or refuses it at once.
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
        Refused { response: Option<Response<&'static str>> },
    }
}

impl<F> Gate<F> {
    /// Passes the request to the inner service: `call` gets its head and calls the service.
    pub fn pass(head: Parts, call: impl FnOnce(Parts) -> F) -> Self {
        let closes = closes(&head);
        Self::passed(call(head), closes)
    }

    fn passed(inner: F, closes: bool) -> Self {
        Self {
            state: GateState::Passed { inner, closes },
        }
    }

    /// Refuses the request. The inner service never sees it.
    pub fn refuse(rejection: Rejection, head: Parts) -> Self {
        Self::refuse_checked(rejection, head, None)
    }

    /// The same, for a head that may already be checked as a handshake.
    fn refuse_checked(rejection: Rejection, head: Parts, handshake: Option<Handshake>) -> Self {
        let response = Some(rejection.respond(head, handshake));
        Self {
            state: GateState::Refused { response },
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
            GateProjected::Refused { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response.map(ResponseBody::text))),
                // Polled after completion.
                None => Poll::Pending,
            },
        }
    }
}

/// Adds `close` to `Connection`, beside other values such as the `upgrade` of a 426.
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
    enum State<A, S, B>
    where
        A: Authenticate,
        S: Service<Request<B>>,
    {
        // Boxed because most strategies have nothing to peek at. `None` while it is being decided.
        Peeking { peek: Option<Box<Peek<A, S, B>>> },
        Verifying { #[pin] verifying: A::Future, waiting: Waiting<A, S, B> },
        Decided { #[pin] gate: Gate<S::Future> },
    }
}

/// The data that is needed once the strategy has decided. It stays in place, because moving a head
/// is expensive.
pub(crate) struct Waiting<A, S, B> {
    pub(crate) strategy: Arc<A>,
    /// `None` after the decision.
    pub(crate) decision: Option<Decision>,
    pub(crate) decided_at: SystemTime,
    pub(crate) request: Option<(Parts, B)>,
    pub(crate) service: S,
    /// `None` if the layer accepts any request.
    pub(crate) handshake: Option<Handshake>,
    pub(crate) who: Option<Who>,
}

/// A credential that is peeked at before it is used up.
struct Peek<A: Authenticate, S, B> {
    step: Step<A::Verified>,
    credential: A::Credential,
    waiting: Waiting<A, S, B>,
}

enum Step<V> {
    Asking(BoxFuture<Result<Grant<V>, Rejection>>),
    /// The connection limit is reached. The client's advice depends on whether it could pass later.
    NoRoom {
        checking: WatchFuture,
        no_room: Rejection,
    },
}

impl<A: Authenticate, S, B> Peek<A, S, B> {
    /// Ready when only the credential can still refuse the request.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        loop {
            match &mut self.step {
                Step::Asking(asking) => {
                    let mut grant = ready!(asking.as_mut().poll(cx))?;
                    let limits = grant.take_limits();
                    let (verified, term) = grant.into_parts();
                    if let Some((head, _)) = &self.waiting.request {
                        self.waiting.strategy.admit(verified, head)?;
                    }
                    let Some(limits) = limits else {
                        return Poll::Ready(Ok(()));
                    };
                    match limits.refuse_without_room(term.revocation_keys()) {
                        Ok(()) => return Poll::Ready(Ok(())),
                        Err(no_room) => {
                            let checking = limits.watch(&term);
                            self.step = Step::NoRoom { checking, no_room };
                        }
                    }
                }
                Step::NoRoom { checking, no_room } => {
                    let checked = ready!(Pin::new(checking).poll(cx));
                    let refused = checked.map_or_else(|revoked| revoked, |_| no_room.clone());
                    return Poll::Ready(Err(refused));
                }
            }
        }
    }
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

    /// Peeks at the credential, in case something else refuses the request.
    pub(crate) fn peek(
        peeking: BoxFuture<Result<Grant<A::Verified>, Rejection>>,
        credential: A::Credential,
        waiting: Waiting<A, S, B>,
    ) -> Self {
        let peek = Box::new(Peek {
            step: Step::Asking(peeking),
            credential,
            waiting,
        });
        Self {
            state: State::Peeking { peek: Some(peek) },
        }
    }

    pub(crate) fn verify(credential: A::Credential, waiting: Waiting<A, S, B>) -> Self {
        Self {
            state: waiting.verify(credential),
        }
    }
}

impl<A, S, B> Waiting<A, S, B>
where
    A: Authenticate,
    S: Service<Request<B>>,
{
    /// Lets the strategy decide.
    fn verify(self, credential: A::Credential) -> State<A, S, B> {
        match &self.request {
            Some((head, _)) => State::Verifying {
                verifying: self.strategy.verify(credential, head),
                waiting: self,
            },
            // `waiting` is present until the request is decided.
            None => State::Peeking { peek: None },
        }
    }

    fn refuse(&mut self, rejection: Rejection) -> Option<Response<&'static str>> {
        let rejection = self.decision.take()?.refused(rejection);
        let (head, _) = self.request.take()?;
        Some(rejection.respond(head, self.handshake.take()))
    }

    /// Calls the service, or returns the refusal. `None` if that has happened before.
    fn decide(
        &mut self,
        verified: Result<Grant<A::Verified>, Rejection>,
    ) -> Option<Result<Gate<S::Future>, Response<&'static str>>> {
        let decision = self.decision.take()?;
        let (head, _) = self.request.as_mut()?;
        let who = self.who.as_ref();
        match admit(&*self.strategy, verified, self.decided_at, who, head) {
            Ok(label) => decision.accepted(&label),
            Err(rejection) => {
                let rejection = decision.refused(rejection);
                let (head, _) = self.request.take()?;
                return Some(Err(rejection.respond(head, self.handshake.take())));
            }
        }
        let upgrades = matches!(self.handshake, Some(Handshake::Http1 { .. }));
        if upgrades {
            simplify(&mut head.headers);
        }
        let closes = upgrades || closes(head);
        let (head, body) = self.request.take()?;
        let inner = self.service.call(Request::from_parts(head, body));
        Some(Ok(Gate::passed(inner, closes)))
    }
}

/// Puts the grant into the head.
fn admit<A: Authenticate>(
    strategy: &A,
    verified: Result<Grant<A::Verified>, Rejection>,
    decided_at: SystemTime,
    who: Option<&Who>,
    head: &mut Parts,
) -> Result<Label, Rejection> {
    let (verified, mut term) = verified?.into_parts();
    let admitted = strategy.admit(verified, head);
    let identity = admitted.map_err(|rejection| {
        if term.is_spent() {
            rejection.with_spent_credential()
        } else {
            rejection
        }
    })?;
    term.decided_at(decided_at);
    let label = Label::new(who.and_then(|who| who(&identity)));
    term.labelled(label.clone());
    head.extensions.insert(Authenticated::new(identity));
    head.extensions.insert(term);
    Ok(label)
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
            let next = match state.as_mut().project() {
                Projected::Decided { gate } => return gate.poll(cx),
                Projected::Peeking { peek: slot } => {
                    // `None` after a panic below. It never falls through.
                    let Some(mut peek) = slot.take() else {
                        return Poll::Pending;
                    };
                    match peek.poll(cx) {
                        Poll::Pending => {
                            *slot = Some(peek);
                            return Poll::Pending;
                        }
                        Poll::Ready(Ok(())) => {
                            let Peek {
                                credential,
                                waiting,
                                ..
                            } = *peek;
                            waiting.verify(credential)
                        }
                        Poll::Ready(Err(rejection)) => {
                            return match peek.waiting.refuse(rejection) {
                                Some(refusal) => Poll::Ready(Ok(refusal.map(ResponseBody::text))),
                                None => Poll::Pending,
                            };
                        }
                    }
                }
                Projected::Verifying { verifying, waiting } => {
                    // Polled after a panic in `decide`. It never falls through.
                    if waiting.decision.is_none() {
                        return Poll::Pending;
                    }
                    let verified = ready!(verifying.poll(cx));
                    match waiting.decide(verified) {
                        Some(Ok(gate)) => State::Decided { gate },
                        Some(Err(refusal)) => {
                            return Poll::Ready(Ok(refusal.map(ResponseBody::text)));
                        }
                        None => return Poll::Pending,
                    }
                }
            };
            state.set(next);
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
