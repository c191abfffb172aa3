use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::frame::Close;
use http::request::Parts;
use http::{Request, Response, response};
use tokio::sync::Semaphore;
use tower_layer::Layer;
use tower_service::Service;
use tower_ws_auth_core::{Rejection, ResponseBody};

use crate::close::config::{Closing, ClosingHandshake, Config, json_message};
use crate::close::error_responses::{Interposed, by_status};
use crate::close::future::ResponseFuture;
use crate::close::{ClientProtocol, ClosingHandshakes};

/// Turns a rejection from further in into an upgrade and a close frame; see the
/// [module's documentation](crate::close).
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct CloseFrameLayer {
    config: Arc<Config>,
}

impl CloseFrameLayer {
    /// The defaults: for requests with an `Origin`, code 4000 + status, no message before it,
    /// a delay of 300 ms, a deadline of 5 s, 4 MiB, 1024 closing handshakes at a time, `tokio::spawn`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Which rejections to convert, in place of [`is_from_a_browser`](crate::close::is_from_a_browser).
    ///
    /// A request that is no valid handshake is never converted, whatever this says. Converting
    /// refused origins tells a foreign page whether its visitor is logged in.
    pub fn when(self, f: impl Fn(&Rejection, &Parts) -> bool + Send + Sync + 'static) -> Self {
        self.with(|config| config.when = Some(Arc::new(f)))
    }

    /// How the clients are told, in place of [`ClientProtocol::plain`]. Give the same value to
    /// [`LeaseLayer::client_protocol`](crate::lease::LeaseLayer::client_protocol).
    ///
    /// A client that it [detects](ClientProtocol::detect) is told without an `Origin` too, unless
    /// [`when`](Self::when) decides. This and [`close_with`](Self::close_with) replace one another.
    pub fn client_protocol(self, protocol: ClientProtocol) -> Self {
        self.with(|config| config.close = Closing::Protocol(protocol))
    }

    /// The close frame for a rejection, in place of [`ClientProtocol::rejection`].
    ///
    /// The reason reaches the page: keep secrets and claims out of it.
    pub fn close_with(self, f: impl Fn(&Rejection) -> Close + Send + Sync + 'static) -> Self {
        self.with(|config| config.close = Closing::Own(Arc::new(f)))
    }

    /// Converts responses of others too: what is not a rejection of ours, and is one by `f`.
    ///
    /// `f` sees the response's head, and of the request's head what can be no credential: method,
    /// version and path, `Host`, `Origin`, `User-Agent` and the offered subprotocols. It is asked
    /// for handshakes only, and about nothing that carries a [`Rejection`] already. Then
    /// [`when`](Self::when) decides as it does about ours, from the same two heads.
    ///
    /// The service has had the request by then, and may have asked for its connection. Therefore
    /// it gets one that can be taken back: a handler that waits for the upgrade and then answers
    /// without one is told that there is none, and never sees the refused client. A connection
    /// that is accepted reaches the handler as it would have, save that
    /// `hyper::upgrade::Upgraded::downcast` fails on it. Without a classifier there is nothing of
    /// this.
    ///
    /// ```
    /// use http::StatusCode;
    /// use tower_ws_auth_socket::close::CloseFrameLayer;
    /// use tower_ws_auth_core::{Rejection, RejectionKind};
    ///
    /// let layer = CloseFrameLayer::new().classify(|response, _head| match response.status {
    ///     // The application's own "you are banned" becomes 4403 `forbidden` ...
    ///     StatusCode::LOCKED => Some(Rejection::new(RejectionKind::Forbidden, "423: banned")),
    ///     // ... and everything else stays an HTTP response.
    ///     _ => None,
    /// });
    /// # let _ = layer;
    /// ```
    pub fn classify(
        self,
        f: impl Fn(&response::Parts, &Parts) -> Option<Rejection> + Send + Sync + 'static,
    ) -> Self {
        self.with(|config| config.classifier = Some(Arc::new(f)))
    }

    /// Converts the 403, 408, 429 and 503 of others: a rate limiter's, a timeout's, a handler's;
    /// [`classify`](Self::classify) by [`by_status`].
    ///
    /// The statuses do not say whom they refuse. A layer that refuses foreign pages with 403 and
    /// is not ours, such as one against cross-site requests, belongs outside of this one: a page
    /// that it refuses must not learn why.
    pub fn convert_error_responses(self) -> Self {
        self.classify(by_status)
    }

    /// Sends a text message before the close frame, for reasons that do not fit into its 123
    /// bytes; none where `f` returns `None`. A [protocol](Self::client_protocol) with messages of
    /// its own sends those alone.
    pub fn first_message(
        self,
        f: impl Fn(&Rejection, &Close) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.with(|config| config.first_message = Some(Arc::new(f)))
    }

    /// Sends [`json_message`](crate::close::json_message) before the close frame.
    pub fn first_message_json(self) -> Self {
        self.first_message(|rejection, close| Some(json_message(rejection, close)))
    }

    /// The subprotocols of the service, best first. A client that offers subprotocols needs one
    /// of them selected. Without this list, or where none of it is offered, that is the client's
    /// first that reads like a name and like no credential: at most 32 bytes of small letters,
    /// `.`, `-`, `_` and at most six digits, in words of at most 16. Name the others here.
    pub fn subprotocols<T: Into<String>>(self, names: impl IntoIterator<Item = T>) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        self.with(|config| config.subprotocols = names)
    }

    /// How long a refused client waits for its answer, in place of the protocol's delay. 300 ms by
    /// default, zero turns it off.
    ///
    /// This is the storm brake: a client that resets its back-off when the socket opens would
    /// come back at once.
    pub fn reject_delay(self, reject_delay: Duration) -> Self {
        self.with(|config| config.reject_delay = Some(reject_delay))
    }

    /// How long a closing handshake may take at most, from the answer on. 5 s by default.
    pub fn deadline(self, deadline: Duration) -> Self {
        self.with(|config| config.limits.deadline = deadline)
    }

    /// How many bytes of a refused client are read and discarded at most. 4 MiB by default.
    ///
    /// A browser sends what it has queued before it answers the close frame. Beyond this limit, or
    /// beyond the deadline, it still reads its code, but calls the close unclean (`wasClean`), and
    /// Firefox then delays its next sockets to the same host, port and path by up to a minute
    /// (RFC 6455 §7.2.3).
    pub fn byte_cap(self, bytes: u64) -> Self {
        self.with(|config| config.limits.bytes = bytes)
    }

    /// How many closing handshakes may run at a time, over all services of this layer and its
    /// clones; a client that is held back counts. 1024 by default; beyond it the HTTP answer
    /// stays as it is.
    pub fn max_closing_handshakes(self, count: usize) -> Self {
        let most = u32::try_from(count).unwrap_or(u32::MAX);
        let count = usize::try_from(most).unwrap_or(usize::MAX);
        let permits = Semaphore::new(count.min(Semaphore::MAX_PERMITS));
        self.with(|config| {
            config.max_closing_handshakes = most;
            config.permits = Arc::new(permits);
            config.places = Arc::default();
        })
    }

    /// The closing handshakes of this layer and its clones, for a graceful shutdown that waits for them.
    ///
    /// Ask for it last: [`max_closing_handshakes`](Self::max_closing_handshakes) begins anew.
    pub fn closing_handshakes(&self) -> ClosingHandshakes {
        ClosingHandshakes::new(
            Arc::clone(&self.config.permits),
            self.config.max_closing_handshakes,
            Arc::clone(&self.config.places),
        )
    }

    /// Who runs the closing handshakes, in place of `tokio::spawn`: a graceful shutdown can only wait for
    /// tasks that it knows.
    ///
    /// ```
    /// # use tower_ws_auth_socket::close::CloseFrameLayer;
    /// let closing_handshakes = tokio_util::task::TaskTracker::new();
    /// let tracker = closing_handshakes.clone();
    /// let layer = CloseFrameLayer::new().spawn_with(move |closing_handshake| {
    ///     tracker.spawn(closing_handshake);
    /// });
    /// // After the server has stopped: closing_handshakes.close(); closing_handshakes.wait().await;
    /// # let _ = layer;
    /// ```
    pub fn spawn_with(self, spawn: impl Fn(ClosingHandshake) + Send + Sync + 'static) -> Self {
        self.with(|config| config.spawner = Some(Arc::new(spawn)))
    }

    fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(Arc::make_mut(&mut self.config));
        self
    }
}

impl<S> Layer<S> for CloseFrameLayer {
    type Service = CloseFrame<S>;

    fn layer(&self, inner: S) -> CloseFrame<S> {
        CloseFrame {
            inner,
            config: Arc::clone(&self.config),
        }
    }
}

/// The service that [`CloseFrameLayer`] puts around another.
#[derive(Clone, Debug)]
pub struct CloseFrame<S> {
    inner: S,
    config: Arc<Config>,
}

impl<S> CloseFrame<S> {
    /// Wraps `inner` as [`CloseFrameLayer::new`] does.
    pub fn new(inner: S) -> Self {
        CloseFrameLayer::new().layer(inner)
    }

    tower_ws_auth_core::__inner_accessors!();
}

impl<S, B, ResBody> Service<Request<B>> for CloseFrame<S>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let config = Arc::clone(&self.config);
        if config.classifier.is_none() {
            return ResponseFuture::new(self.inner.call(request), config, None);
        }
        let (request, interposed) = Interposed::of(request, &config);
        ResponseFuture::new(self.inner.call(request), config, interposed)
    }
}
