use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use http::request::Parts;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::auth::gate::Gate;
use crate::auth::peek::Peek;
use crate::auth::{Label, RefusedIdentity, Who};
use crate::handshake::{Handshake, simplify};
use crate::rejection::response::closes;
use crate::revocation::{BoxFuture, Reserved};
use crate::trace::Decision;
use crate::{Authenticate, Authenticated, Grant, Rejection, ResponseBody};

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
        let peek = Box::new(Peek::new(peeking, credential, waiting));
        Self {
            state: State::Peeking { peek: Some(peek) },
        }
    }

    pub(crate) fn verify(credential: A::Credential, waiting: Waiting<A, S, B>) -> Self {
        Self {
            state: waiting.verify(credential, None),
        }
    }
}

impl<A, S, B> Waiting<A, S, B>
where
    A: Authenticate,
    S: Service<Request<B>>,
{
    /// Lets the strategy decide. A revocable one finds the place of its connection in the head.
    fn verify(mut self, credential: A::Credential, place: Option<Reserved>) -> State<A, S, B> {
        // `request` is present until it is decided.
        let Some((head, _)) = &mut self.request else {
            return State::Peeking { peek: None };
        };
        let verifying = match place {
            None => self.strategy.verify(credential, head),
            Some(place) => {
                head.extensions.insert(place);
                let verifying = self.strategy.verify(credential, head);
                head.extensions.remove::<Reserved>();
                verifying
            }
        };
        State::Verifying {
            verifying,
            waiting: self,
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
    let (verified, mut validity) = verified?.into_parts();
    let admitted = strategy.admit(verified, head);
    let identity = admitted.map_err(|rejection| {
        RefusedIdentity::keep_validity(head, &validity);
        if validity.is_spent() {
            rejection.with_spent_credential()
        } else {
            rejection
        }
    })?;
    let label = Label::new(who.and_then(|who| who(&identity)));
    validity.accepted(decided_at, label.clone());
    head.extensions.insert(Authenticated::new(identity));
    head.extensions.insert(validity);
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
                        Poll::Ready(Ok(place)) => {
                            let (credential, waiting) = peek.into_parts();
                            waiting.verify(credential, place)
                        }
                        Poll::Ready(Err(rejection)) => {
                            return match peek.into_parts().1.refuse(rejection) {
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
