//! The stack, for copying into a proxy of your own.

use std::convert::Infallible;
use std::sync::Arc;

use http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_http::classify::{ServerErrorsAsFailures, SharedClassifier};
use tower_http::trace::{DefaultOnResponse, TraceLayer};
use tower_ws_auth::lease::Renewals;
use tower_ws_auth::ticket::Tickets;
use tower_ws_auth::{
    AuthLayer, Authenticate, CloseFrameLayer, FirstMessageLayer, LeaseLayer, OriginLayer,
};
use tracing::Level;

use crate::body::Body;
use crate::credentials;
use crate::engine_io::EngineIo;
use crate::first;
use crate::identity::{User, encoded};
use crate::options::Policy;
use crate::proxy::Proxy;
use crate::tasks::Peer;

/// One type for every strategy.
pub(crate) type Stack = BoxCloneSyncService<Request<Incoming>, http::Response<Body>, Infallible>;

/// The layers of all strategies.
pub(crate) struct Stacks<'p> {
    pub(crate) close: &'p CloseFrameLayer,
    pub(crate) lease: &'p LeaseLayer,
    /// Where a handshake may name its connection.
    pub(crate) handshake_lease: LeaseLayer,
    pub(crate) first: Option<&'p FirstMessageLayer>,
    pub(crate) engine_io: EngineIo,
    pub(crate) pages: OriginLayer,
    pub(crate) strict: OriginLayer,
    pub(crate) others: OriginLayer,
}

impl Stacks<'_> {
    /// For handshakes, and for refusals of other requests.
    pub(crate) fn of<A>(&self, origin: &OriginLayer, strategy: &Arc<A>, proxy: &Proxy) -> Stack
    where
        A: Authenticate<Identity = User, Future: Send> + Send + Sync + 'static,
    {
        let (proxy, engine_io) = (proxy.clone(), self.engine_io.clone());
        let service = ServiceBuilder::new()
            .layer(who(AuthLayer::new(Arc::clone(strategy))))
            // Directly outside of the proxy, which passes the client's connection on unaware of the
            // lease.
            .layer(self.handshake_lease.clone())
            .service_fn(move |request| {
                let (proxy, engine_io) = (proxy.clone(), engine_io.clone());
                let upstream = move |request| {
                    let proxy = proxy.clone();
                    async move { proxy.answer(request).await }
                };
                async move { Ok::<_, Infallible>(engine_io.answer(request, upstream).await) }
            })
            .map_response(|response: http::Response<_>| response.map(BodyExt::boxed_unsync));
        let service = match self.first {
            None => BoxCloneSyncService::new(service),
            // It calls the strategy and the proxy when the message is there.
            Some(first) => {
                let service = service.map_request(first::answered);
                let service = first.layer(service.map_response(first::told));
                let service = service.map_response(|response| response.map(BodyExt::boxed_unsync));
                BoxCloneSyncService::new(service)
            }
        };
        let service = ServiceBuilder::new()
            .layer(trace())
            // Outside of the origin check and the strategy, whose rejections it converts.
            .layer(self.close.clone())
            // Outside of the strategy: a foreign page must not learn whether a credential is valid.
            .layer(origin.clone())
            .service(service)
            .map_response(|response: http::Response<_>| response.map(BodyExt::boxed_unsync));
        BoxCloneSyncService::new(service)
    }

    /// For what is no handshake. Refusals stay HTTP, but for polls whose client reads packets.
    pub(crate) fn plain<A>(&self, origin: &OriginLayer, strategy: &Arc<A>, proxy: &Proxy) -> Stack
    where
        A: Authenticate<Identity = User, Future: Send> + Send + Sync + 'static,
    {
        let (proxy, engine_io) = (proxy.clone(), self.engine_io.clone());
        let service = ServiceBuilder::new()
            .layer(trace())
            .layer(self.close.clone())
            .layer(origin.clone())
            .layer(who(AuthLayer::new(Arc::clone(strategy)).any_request()))
            .layer(self.lease.clone())
            .service_fn(move |request| {
                let (proxy, engine_io) = (proxy.clone(), engine_io.clone());
                let upstream = move |request| {
                    let proxy = proxy.clone();
                    async move { proxy.plain(request, Policy::Authenticate).await }
                };
                async move { Ok::<_, Infallible>(engine_io.answer(request, upstream).await) }
            })
            .map_response(|response: http::Response<_>| response.map(BodyExt::boxed_unsync));
        BoxCloneSyncService::new(service)
    }

    /// For requests for a ticket.
    pub(crate) fn minting<A>(tickets: &Tickets<User>, origin: &OriginLayer, strategy: A) -> Stack
    where
        A: Authenticate<Identity = User, Future: Send> + Send + Sync + 'static,
    {
        let service = ServiceBuilder::new()
            .layer(trace())
            .layer(origin.clone())
            .layer(who(AuthLayer::new(strategy).any_request()))
            .service(tickets.endpoint(credentials::order))
            .map_response(|response: http::Response<_>| {
                response.map(|body| body.map_err(|never| match never {}).boxed_unsync())
            });
        BoxCloneSyncService::new(service)
    }

    /// For fresh credentials of open connections.
    pub(crate) fn renewing<A>(origin: &OriginLayer, renewals: Renewals<A>) -> Stack
    where
        A: Authenticate<Identity = User, Future: Send> + Send + Sync + 'static,
    {
        let service = ServiceBuilder::new()
            .layer(trace())
            .layer(origin.clone())
            .service(renewals)
            .map_response(|response: http::Response<_>| {
                response.map(|body| body.map_err(|never| match never {}).boxed_unsync())
            });
        BoxCloneSyncService::new(service)
    }
}

type Trace =
    TraceLayer<SharedClassifier<ServerErrorsAsFailures>, fn(&Request<Incoming>) -> tracing::Span>;

fn trace() -> Trace {
    TraceLayer::new_for_http()
        .make_span_with(span as fn(&Request<Incoming>) -> tracing::Span)
        .on_response(DefaultOnResponse::new().level(Level::INFO))
}

/// Names the user in events, as the access line does.
fn who<A: Authenticate<Identity = User>>(layer: AuthLayer<A>) -> AuthLayer<A> {
    layer.log_identity(|user| encoded(user.name()))
}

/// Method and path without the query, which holds the tokens, and the number of the access line.
fn span(request: &Request<Incoming>) -> tracing::Span {
    let id = request
        .extensions()
        .get::<Peer>()
        .map(|peer| peer.access.id());
    tracing::info_span!("request", id, method = %request.method(), path = request.uri().path())
}
