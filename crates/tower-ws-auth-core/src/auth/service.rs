use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::__inner_accessors;
use crate::auth::future::Waiting;
use crate::auth::{Renewing, Who};
use crate::handshake::Handshake;
use crate::trace::Decision;
use crate::{
    AuthLayer, Authenticate, Authenticated, Clock, Presented, Rejection, RejectionKind,
    ResponseBody, ResponseFuture, Validity,
};

/// The service that [`AuthLayer`](crate::AuthLayer) puts around another one.
pub struct Auth<A, S> {
    inner: S,
    strategy: Arc<A>,
    any_request: bool,
    clock: Clock,
    who: Option<Who>,
}

impl<A: Authenticate, S> Auth<A, S> {
    /// Wraps `inner` as an [`AuthLayer`] with this strategy does.
    pub fn new(inner: S, strategy: A) -> Self {
        AuthLayer::new(strategy).layer(inner)
    }
}

impl<A, S> Auth<A, S> {
    __inner_accessors!();

    pub(crate) fn of(
        inner: S,
        strategy: Arc<A>,
        any_request: bool,
        clock: Clock,
        who: Option<Who>,
    ) -> Self {
        Self {
            inner,
            strategy,
            any_request,
            clock,
            who,
        }
    }
}

impl<A, S, B, ResBody> Service<Request<B>> for Auth<A, S>
where
    A: Authenticate,
    S: Service<Request<B>, Response = Response<ResBody>> + Clone,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<A, S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut decision = Decision::begin(self.strategy.name());
        let (mut head, body) = request.into_parts();
        // Removes values that this layer did not set.
        head.extensions.remove::<Authenticated<A::Identity>>();
        // Only another `AuthLayer` leaves one, and that has taken the credential.
        if head.extensions.remove::<Validity>().is_some() {
            decision.inside_of_another();
        }

        // Taken before the handshake is checked, so that a refused head carries no credential.
        let taken = self.strategy.take(&mut head);
        let checked = (!self.any_request).then(|| Handshake::check(&head));
        let handshake = match checked.transpose() {
            Ok(handshake) => handshake,
            Err(error) => {
                let kind = RejectionKind::HandshakeInvalid(error);
                let rejection = Rejection::new(kind, error.message());
                return ResponseFuture::refuse(rejection, head, None, decision);
            }
        };
        let credential = match taken {
            Ok(Some(credential)) => credential,
            Ok(None) => {
                let kind = RejectionKind::CredentialsMissing;
                let rejection = Rejection::new(kind, decision.missing(&head.headers));
                return ResponseFuture::refuse(rejection, head, handshake, decision);
            }
            Err(rejection) => {
                return ResponseFuture::refuse(rejection, head, handshake, decision);
            }
        };
        decision.about(
            credential.decided_by().unwrap_or(self.strategy.name()),
            credential.carrier(),
        );
        // Only a single-use credential needs to be peeked at.
        let may_refuse = || Renewing::is_in(&head) || self.strategy.is_conditional(&credential);
        let peeking = if A::SINGLE_USE && may_refuse() {
            self.strategy.peek(&credential, &head)
        } else {
            None
        };
        // Calls the service that was polled ready; the clone is not ready yet.
        let clone = self.inner.clone();
        let waiting = Waiting {
            strategy: Arc::clone(&self.strategy),
            decision: Some(decision),
            decided_at: self.clock.now(),
            request: Some((head, body)),
            service: mem::replace(&mut self.inner, clone),
            handshake,
            who: self.who.clone(),
        };
        match peeking {
            Some(peeking) => ResponseFuture::peek(peeking, credential, waiting),
            None => ResponseFuture::verify(credential, waiting),
        }
    }
}

impl<A, S: Clone> Clone for Auth<A, S> {
    fn clone(&self) -> Self {
        Self::of(
            self.inner.clone(),
            Arc::clone(&self.strategy),
            self.any_request,
            self.clock.clone(),
            self.who.clone(),
        )
    }
}

impl<A, S: fmt::Debug> fmt::Debug for Auth<A, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
