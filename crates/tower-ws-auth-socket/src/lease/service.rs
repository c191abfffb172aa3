use std::sync::Arc;
use std::task::{Context, Poll};

use crate::protocol::ClientProtocol;
use crate::upgrade::{Guarded, Protocol};
use http::header::UPGRADE;
use http::request::Parts;
use http::{Method, Request, Response};
use tokio::runtime::Handle;
use tower_layer::Layer;
use tower_service::Service;
use tower_ws_auth_core::handshake::Handshake;
use tower_ws_auth_core::private::{Gate, Watch};
use tower_ws_auth_core::{Rejection, RejectionKind, ResponseBody, Revocations, Validity};

use crate::lease::LeaseLayer;
use crate::lease::future::{Opening, ResponseFuture};
use crate::lease::handle::Lease;
use crate::lease::layer::{Closing, Config};
use crate::lease::shared::{Shared, Subject, Until};
use crate::lease::trace;
use crate::lease::watches::Watches;

/// The service that [`LeaseLayer`](crate::lease::LeaseLayer) puts around another.
#[derive(Clone, Debug)]
pub struct Leased<S> {
    inner: S,
    config: Arc<Config>,
}

impl<S> Leased<S> {
    /// Wraps `inner` as [`LeaseLayer::new`] does.
    pub fn new(inner: S, revocations: Revocations) -> Self {
        LeaseLayer::new(revocations).layer(inner)
    }

    tower_ws_auth_core::__inner_accessors!();

    pub(crate) fn of(inner: S, config: Arc<Config>) -> Self {
        Self { inner, config }
    }
}

impl<S, B, ResBody> Service<Request<B>> for Leased<S>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        // Removes a value that this layer did not set.
        head.extensions.remove::<Lease>();
        let holder = match self.config.holder(&mut head) {
            Ok(holder) => holder,
            Err(rejection) => {
                let validity = head.extensions.get::<Validity>();
                let is_spent = validity.is_some_and(Validity::is_spent);
                return ResponseFuture::refuse(spent(rejection, is_spent), head);
            }
        };
        let Some(validity) = head.extensions.get_mut::<Validity>() else {
            trace::no_grant();
            let outside = "no AuthLayer stands outside of the LeaseLayer";
            let rejection = Rejection::new(RejectionKind::Unavailable, outside);
            return ResponseFuture::refuse(rejection, head);
        };
        let until = Until::from(&*validity);
        let is_spent = validity.is_spent();
        let label = validity.label().clone();
        let watches = Watches::take(validity, &self.config.revocations);
        let watching = (watches.own.is_none()).then(|| self.config.revocations.watch(validity));

        // The service that was polled ready is the one to call; the clone is not ready yet.
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        let waiting = Waiting {
            config: Arc::clone(&self.config),
            head,
            body,
            service: ready,
            until,
            is_spent,
            subject: Subject { holder, label },
        };
        match watching {
            None => waiting.open(watches),
            Some(watching) => ResponseFuture::watch(watching, watches, waiting),
        }
    }
}

/// What is needed once it is known that nothing was revoked.
pub(crate) struct Waiting<S, B> {
    config: Arc<Config>,
    head: Parts,
    body: B,
    service: S,
    until: Until,
    /// The credential does not pass again.
    is_spent: bool,
    subject: Subject,
}

impl<S, B> Waiting<S, B>
where
    S: Service<Request<B>>,
{
    pub(crate) fn refuse(self, rejection: Rejection) -> ResponseFuture<S, B> {
        ResponseFuture::refuse(spent(rejection, self.is_spent), self.head)
    }

    /// Calls the service, and has its connection.
    pub(crate) fn open(mut self, watches: Watches) -> ResponseFuture<S, B> {
        let protocol = protocol(&self.head);
        let is_connect = self.head.method == Method::CONNECT;
        // Whatever else wants a connection is counted when it has one, and ended then.
        if protocol == Protocol::WebSocket || is_connect {
            let has_room = |watch: &Watch| watch.has_room(&self.config.max_connections);
            if !watches.own.as_ref().is_none_or(has_room) {
                let many = "as many connections are open under one of its keys as may be";
                return self.refuse(Rejection::new(RejectionKind::RateLimited, many));
            }
        }
        let Ok(runtime) = Handle::try_current() else {
            let none = "no Tokio runtime to end the connection in time";
            return self.refuse(Rejection::new(RejectionKind::Unavailable, none));
        };
        let guard = if self.config.cooperative {
            None
        } else {
            Guarded::interpose(&mut self.head, protocol)
        };
        let (guard, close_handle) = guard.unzip();
        let config = Arc::clone(&self.config);
        let protocol = match &self.config.close {
            Closing::Protocol(protocol) => protocol.of(&self.head).clone(),
            Closing::Own(_) => ClientProtocol::plain(),
        };
        let (lease, release) = Shared::begin(
            config,
            runtime,
            close_handle,
            protocol,
            self.until,
            watches,
            self.subject,
        );
        let held = match &guard {
            Some(guard) => {
                guard.hold(release);
                None
            }
            None => Some(release),
        };
        let opening = Opening {
            lease: Arc::clone(&lease),
            guard,
            is_connect,
        };
        self.head.extensions.insert(Lease::new(lease, held));
        let mut service = self.service;
        let gate = Gate::pass(self.head, |head| {
            service.call(Request::from_parts(head, self.body))
        });
        ResponseFuture::pass(gate, Some(opening))
    }
}

/// A credential that is used up does not pass again.
pub(crate) fn spent(rejection: Rejection, is_spent: bool) -> Rejection {
    if is_spent {
        rejection.with_spent_credential()
    } else {
        rejection
    }
}

/// By the head as it came: behind an `AuthLayer` it is a checked handshake, whose `Upgrade` that
/// layer has written anew, or no WebSocket's.
fn protocol(head: &Parts) -> Protocol {
    let is_named = head
        .headers
        .get(UPGRADE)
        .is_some_and(|to| to == "websocket");
    if is_named || Handshake::check(head).is_ok() {
        Protocol::WebSocket
    } else {
        Protocol::Opaque
    }
}
