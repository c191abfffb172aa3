use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use pin_project_lite::pin_project;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;
use tower_ws_auth_core::ResponseBody;
use tower_ws_auth_core::credential::MessageCredential;
use tower_ws_auth_core::handshake::{Handshake, keep_subprotocol, subprotocols};

use crate::first_message::config::Config;
use crate::first_message::detach::Waiting;
use crate::first_message::early::Early;
use crate::first_message::trace;
use crate::first_message::{FirstMessageLayer, MessageFormat};
use crate::upgrade::{accept_key, is_shared};

/// The service that [`FirstMessageLayer`](crate::first_message::FirstMessageLayer) puts around
/// another.
#[derive(Clone, Debug)]
pub struct FirstMessageService<S> {
    inner: S,
    config: Arc<Config>,
}

/// No clock overflows by it.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// In the extensions of a head whose handshake was answered.
#[derive(Clone)]
struct Answered;

impl<S> FirstMessageService<S> {
    /// Wraps `inner` as [`FirstMessageLayer::new`] does.
    pub fn new(inner: S, format: MessageFormat) -> Self {
        FirstMessageLayer::new(format).layer(inner)
    }

    tower_ws_auth_core::__inner_accessors!();

    pub(super) fn of(inner: S, config: Arc<Config>) -> Self {
        Self { inner, config }
    }

    /// What is needed to answer a handshake here; `None` where it goes its usual way.
    fn opening(&self, head: &mut Parts) -> Option<(Handshake, OnUpgrade, Handle)> {
        if head.extensions.get::<Answered>().is_some() {
            return None;
        }
        // Removes a value that this layer did not set.
        head.extensions.remove::<MessageCredential>();
        let handshake = Handshake::check(head).ok()?;
        if self.config.when.as_ref().is_some_and(|when| !when(head)) {
            return None;
        }
        let runtime = Handle::try_current().ok()?;
        let upgrade = head.extensions.remove()?;
        Some((handshake, upgrade, runtime))
    }

    /// The subprotocol that is selected, which is all that the handler sees of the offer.
    fn select(&self, head: &Parts) -> Option<String> {
        let offered = || subprotocols(&head.headers);
        let known = self.config.subprotocols.iter();
        let best = known
            .chain(&self.config.format.subprotocols)
            .find(|best| offered().any(|offer| offer == best.as_str()));
        best.cloned()
    }
}

impl<S, B, ResBody> Service<Request<B>> for FirstMessageService<S>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    ResBody: 'static,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        let Some((handshake, upgrade, runtime)) = self.opening(&mut head) else {
            let inner = self.inner.call(Request::from_parts(head, body));
            let state = State::Passed { inner };
            return ResponseFuture { state };
        };
        let subprotocol = self.select(&head);
        let response = answer(&handshake, subprotocol.as_deref());
        let protocol = self.config.protocol().of(&head).clone();
        keep_subprotocol(&mut head, subprotocol.as_deref());
        // The answer has promised none.
        head.headers.remove(SEC_WEBSOCKET_EXTENSIONS);
        head.extensions.insert(Answered);
        let is_shared = is_shared(head.version);
        let place = self.config.places.take(self.config.address_of(&head));
        // The service that was polled ready would hold its place for as long as the client is silent.
        let fresh = self.inner.clone();
        drop(mem::replace(&mut self.inner, fresh.clone()));
        let early = Early {
            service: fresh,
            place,
            is_shared,
            head: Waiting::new(head),
            body,
            subprotocol,
            protocol,
            until: Instant::now() + self.config.time.min(LONGEST),
            // As many as there can be: it never fails.
            running: Arc::clone(&self.config.running).try_acquire_owned().ok(),
            config: Arc::clone(&self.config),
        };
        let run = trace::in_span(early.run(upgrade));
        match &self.config.spawner {
            Some(spawn) => spawn(Box::pin(run)),
            None => drop(runtime.spawn(run)),
        }
        let response = Some(response);
        ResponseFuture {
            state: State::Answered { response },
        }
    }
}

/// RFC 6455 §4.2.2, and RFC 8441 §5 for a `CONNECT`.
fn answer(handshake: &Handshake, subprotocol: Option<&str>) -> Response<()> {
    let mut response = Response::new(());
    let subprotocol = subprotocol.and_then(|name| HeaderValue::from_str(name).ok());
    if let Handshake::Http1 { key } = handshake {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, const { HeaderValue::from_static("upgrade") });
        headers.insert(UPGRADE, const { HeaderValue::from_static("websocket") });
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept_key(key));
    }
    if let Some(subprotocol) = subprotocol {
        response
            .headers_mut()
            .insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
    }
    response
}

pin_project! {
    /// The response of a [`FirstMessageService`].
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<F> {
        Passed { #[pin] inner: F },
        Answered { response: Option<Response<()>> },
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            Projected::Passed { inner } => {
                Poll::Ready(Ok(ready!(inner.poll(cx))?.map(ResponseBody::inner)))
            }
            Projected::Answered { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response.map(|()| ResponseBody::text("")))),
                // Polled after it was ready, which no executor does.
                None => Poll::Pending,
            },
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
