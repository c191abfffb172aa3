//! The stack, for copying into a proxy of your own.

use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt};
use tower_http::trace::{DefaultOnResponse, TraceLayer};
use tower_ws_auth::lease::{Leases, OverLimit};
use tower_ws_auth::{
    AuthLayer, Authenticate, AuthenticateExt, CloseFrameLayer, LeaseLayer, MissingOrigin,
    OriginLayer, Revocations,
};
use tracing::Level;

use crate::identity::{USERS, User};
use crate::options::{Options, Strategy};
use crate::proxy::Proxy;
use crate::tasks::Tasks;
use crate::{credentials, failure, tokens};

/// One type for every strategy.
pub(crate) type Stack =
    BoxCloneSyncService<Request<Incoming>, Response<UnsyncBoxBody<Bytes, Infallible>>, Infallible>;

/// Wrong options fail here, not at the first request.
pub(crate) async fn build(
    options: &Options,
    tasks: &Tasks,
) -> Result<(Stack, Leases), Box<dyn Error + Send + Sync>> {
    let origins = credentials::origins(options)?;
    let redis = credentials::redis(options).await?;
    let revocations = credentials::revocations(redis.as_ref());
    let jwt = || {
        let jwt = tokens::strategy(&options.jwt)?.revocable(revocations.clone());
        let user = options.jwt.user()?;
        let jwt = jwt.map(move |claims| User::by_jwt(user.of(&claims)));
        Ok::<_, Box<dyn Error + Send + Sync>>(jwt.authorize(named))
    };
    let session = || {
        let revocations = revocations.clone();
        let session = credentials::session(options, &origins, redis.as_ref(), revocations)?;
        Ok::<_, Box<dyn Error + Send + Sync>>(session.map(User::by_session).authorize(named))
    };
    let lease = lease(options, revocations.clone(), tasks);
    let leases = lease.leases();
    let proxy = Proxy::new(options, tasks.clone());
    let close = close(options, tasks);
    let others = OriginLayer::new(origins.clone(), MissingOrigin::Allow);
    let pages_only = OriginLayer::new(origins.clone(), MissingOrigin::Refuse);
    let stack = match options.strategy {
        Strategy::Jwt => stack(close, others, jwt()?, lease, proxy),
        Strategy::Session => stack(close, pages_only, session()?, lease, proxy),
        Strategy::Any => stack(close, others, jwt()?.or(session()?), lease, proxy),
    };
    Ok((stack, leases))
}

fn stack<A>(
    close: CloseFrameLayer,
    origin: OriginLayer,
    strategy: A,
    lease: LeaseLayer,
    proxy: Proxy,
) -> Stack
where
    A: Authenticate<Identity = User, Future: Send> + Send + Sync + 'static,
{
    let trace = TraceLayer::new_for_http()
        .make_span_with(span)
        .on_response(DefaultOnResponse::new().level(Level::INFO));
    let service = ServiceBuilder::new()
        .layer(trace)
        // Outside of the origin check and the strategy, whose rejections it converts.
        .layer(close)
        // Outside of the strategy: a foreign page must not learn whether a credential is valid.
        .layer(origin)
        .layer(AuthLayer::new(strategy))
        // Directly outside of the proxy, which passes the client's connection on unaware of the
        // lease.
        .layer(lease)
        .service_fn(move |request| {
            let proxy = proxy.clone();
            async move { Ok::<_, Infallible>(proxy.answer(request).await) }
        })
        .map_response(|response: Response<_>| response.map(BodyExt::boxed_unsync));
    BoxCloneSyncService::new(service)
}

fn close(options: &Options, tasks: &Tasks) -> CloseFrameLayer {
    let tasks = tasks.clone();
    CloseFrameLayer::new()
        .reject_delay(Duration::from_millis(options.hold_ms))
        .classify(failure::classify)
        .spawn_with(move |closing_handshake| tasks.spawn(closing_handshake))
}

fn lease(options: &Options, revocations: Revocations, tasks: &Tasks) -> LeaseLayer {
    let tasks = tasks.clone();
    let lease = LeaseLayer::new(revocations)
        .spawn_with(move |closing_handshake| tasks.spawn(closing_handshake));
    match options.max_per_user {
        0 => lease,
        most => lease.max_connections(most, USERS, OverLimit::RefuseNewest),
    }
}

fn named(user: &User, _head: &http::request::Parts) -> bool {
    user.is_named()
}

/// Method and path without the query, which holds the tokens.
fn span<B>(request: &Request<B>) -> tracing::Span {
    tracing::info_span!("request", method = %request.method(), path = request.uri().path())
}
