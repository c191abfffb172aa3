//! The stack, for copying into a proxy of your own.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt};
use tower_http::classify::{ServerErrorsAsFailures, SharedClassifier};
use tower_http::trace::{DefaultOnResponse, TraceLayer};
use tower_ws_auth::close::ClientProtocol;
use tower_ws_auth::lease::OverLimit;
use tower_ws_auth::redis::Redis;
use tower_ws_auth::session::Session;
use tower_ws_auth::ticket::Tickets;
use tower_ws_auth::{
    AuthLayer, Authenticate, AuthenticateExt, CloseFrameLayer, LeaseLayer, MissingOrigin,
    OriginLayer, Revocations,
};
use tracing::Level;

use crate::body::Body;
use crate::identity::{USERS, User, encoded};
use crate::options::{Options, Policy, Strategy, TicketFor};
use crate::policy::Policies;
use crate::proxy::Proxy;
use crate::recheck::Recheck;
use crate::router::Router;
use crate::tasks::{Peer, Tasks};
use crate::tokens::{self, Fetched};
use crate::{credentials, failure};

/// One type for every strategy.
pub(crate) type Stack = BoxCloneSyncService<Request<Incoming>, http::Response<Body>, Infallible>;

type Failure = Box<dyn Error + Send + Sync>;

/// Everything that outlives a reload: what is open, what is fetched, and what is counted.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) redis: Option<Redis>,
    pub(crate) fetched: Fetched,
    pub(crate) lease: LeaseLayer,
    revocations: Revocations,
    close: CloseFrameLayer,
    tickets: Option<Tickets<User>>,
    proxy: Proxy,
}

impl Parts {
    pub(crate) async fn new(options: &Options, tasks: &Tasks) -> Result<Self, Failure> {
        options.check()?;
        let redis = credentials::redis(options).await?;
        let revocations = credentials::revocations(redis.as_ref());
        let tickets = match options.strategy {
            Strategy::Ticket => Some(credentials::tickets(&options.ticket, redis.as_ref())?),
            Strategy::Jwt | Strategy::Session | Strategy::Any => None,
        };
        Ok(Self {
            fetched: Fetched::start(&options.jwt)?,
            lease: lease(options, revocations.clone(), tasks),
            close: close(options, tasks),
            proxy: Proxy::new(options, tasks.clone()),
            redis,
            revocations,
            tickets,
        })
    }

    /// Reads the secrets. Wrong options fail here, not at the first request.
    pub(crate) fn router(&self, options: &Options) -> Result<Router, Failure> {
        let origins = credentials::origins(options)?;
        let stacks = Stacks {
            parts: self,
            // A page's own GET sends no `Origin`; the layer in front vouches for it then.
            pages: OriginLayer::new(origins.clone(), MissingOrigin::AllowSameOrigin),
            strict: OriginLayer::new(origins.clone(), MissingOrigin::Refuse),
            others: OriginLayer::new(origins.clone(), MissingOrigin::Allow),
        };
        let sessions = if options.reads_session() {
            let revocations = self.revocations.clone();
            let redis = self.redis.as_ref();
            Some(credentials::sessions(&options.session, redis, revocations)?)
        } else {
            None
        };
        let user = credentials::user(&options.session);
        let session = sessions
            .as_ref()
            .map(|sessions| sessions.strategy(origins.clone(), user.clone()));
        let vouched = sessions.map(|sessions| sessions.dangerous_strategy_for_any_origin(user));
        let every = options.session.session_recheck;
        let recheck = session.clone().filter(|_| !every.is_zero());
        let recheck = recheck.map(|session| Recheck::new(session, every));
        let proxy = self.proxy.clone().rechecking(recheck);
        let by_jwt = || self.by_jwt(options);
        let missing = "a session needs --session-secret";
        let session = || session.clone().map(by_session).ok_or(missing);
        let vouched = || vouched.clone().map(by_session).ok_or(missing);
        let [handshakes, pages, others] = match options.strategy {
            Strategy::Jwt => {
                let jwt = Arc::new(by_jwt()?);
                [
                    stacks.of(&stacks.others, &jwt, &proxy),
                    stacks.plain(&stacks.pages, &jwt, &proxy),
                    stacks.plain(&stacks.others, &jwt, &proxy),
                ]
            }
            Strategy::Session => {
                let (session, vouched) = (Arc::new(session()?), Arc::new(vouched()?));
                [
                    stacks.of(&stacks.strict, &session, &proxy),
                    stacks.plain(&stacks.pages, &vouched, &proxy),
                    stacks.plain(&stacks.strict, &session, &proxy),
                ]
            }
            Strategy::Any => {
                let either = Arc::new(by_jwt()?.or(session()?));
                let vouched = Arc::new(by_jwt()?.or(vouched()?));
                [
                    stacks.of(&stacks.others, &either, &proxy),
                    stacks.plain(&stacks.pages, &vouched, &proxy),
                    stacks.plain(&stacks.others, &either, &proxy),
                ]
            }
            Strategy::Ticket => {
                let tickets = self.tickets.as_ref().ok_or("no tickets")?;
                let ticket = tickets.strategy().revocable(self.revocations.clone());
                let ticket = Arc::new(ticket.map(User::by_ticket).authorize(named));
                let open = stacks.of(&stacks.others, &ticket, &proxy);
                // No policy leads there.
                [open.clone(), open.clone(), open]
            }
        };
        let tickets = match (&self.tickets, options.ticket.ticket_for) {
            (None, _) => None,
            (Some(tickets), TicketFor::Jwt) => {
                Some(Stacks::minting(tickets, &stacks.others, by_jwt()?))
            }
            (Some(tickets), TicketFor::Session) => {
                Some(Stacks::minting(tickets, &stacks.strict, session()?))
            }
            (Some(tickets), TicketFor::Any) => Some(Stacks::minting(
                tickets,
                &stacks.others,
                by_jwt()?.or(session()?),
            )),
        };
        Ok(Router {
            handshakes,
            pages,
            others,
            tickets: tickets.map(|stack| (options.ticket.ticket_path.clone(), stack)),
            policies: Policies::new(options.http.http, &options.http.path)?,
            origins,
            proxy,
        })
    }

    fn by_jwt(
        &self,
        options: &Options,
    ) -> Result<impl Authenticate<Identity = User, Future: Send> + Send + Sync + use<>, Failure>
    {
        let jwt = tokens::strategy(&options.jwt, &self.fetched)?;
        let jwt = jwt.revocable(self.revocations.clone());
        let (user, wanted) = (options.jwt.user()?, options.jwt.jwt_header.clone());
        let jwt = jwt.map(move |claims| User::by_jwt(user.of(&claims), &claims, &wanted));
        Ok(jwt.authorize(named))
    }
}

fn by_session(
    session: Session<Value, String>,
) -> impl Authenticate<Identity = User, Future: Send> + Send + Sync {
    session.map(User::by_session).authorize(named)
}

struct Stacks<'p> {
    parts: &'p Parts,
    pages: OriginLayer,
    strict: OriginLayer,
    others: OriginLayer,
}

impl Stacks<'_> {
    /// For handshakes, and for refusals of what is none.
    fn of<A>(&self, origin: &OriginLayer, strategy: &Arc<A>, proxy: &Proxy) -> Stack
    where
        A: Authenticate<Identity = User, Future: Send> + Send + Sync + 'static,
    {
        let proxy = proxy.clone();
        let service = ServiceBuilder::new()
            .layer(trace())
            // Outside of the origin check and the strategy, whose rejections it converts.
            .layer(self.parts.close.clone())
            // Outside of the strategy: a foreign page must not learn whether a credential is valid.
            .layer(origin.clone())
            .layer(who(AuthLayer::new(Arc::clone(strategy))))
            // Directly outside of the proxy, which passes the client's connection on unaware of the
            // lease.
            .layer(self.parts.lease.clone())
            .service_fn(move |request| {
                let proxy = proxy.clone();
                async move { Ok::<_, Infallible>(proxy.answer(request).await) }
            })
            .map_response(|response: http::Response<_>| response.map(BodyExt::boxed_unsync));
        BoxCloneSyncService::new(service)
    }

    /// For what is no handshake. Refusals stay HTTP.
    fn plain<A>(&self, origin: &OriginLayer, strategy: &Arc<A>, proxy: &Proxy) -> Stack
    where
        A: Authenticate<Identity = User, Future: Send> + Send + Sync + 'static,
    {
        let proxy = proxy.clone();
        let service = ServiceBuilder::new()
            .layer(trace())
            .layer(origin.clone())
            .layer(who(AuthLayer::new(Arc::clone(strategy)).any_request()))
            .layer(self.parts.lease.clone())
            .service_fn(move |request| {
                let proxy = proxy.clone();
                let answer = async move { proxy.plain(request, Policy::Authenticate).await };
                async move { Ok::<_, Infallible>(answer.await) }
            })
            .map_response(|response: http::Response<_>| response.map(BodyExt::boxed_unsync));
        BoxCloneSyncService::new(service)
    }

    /// For requests for a ticket.
    fn minting<A>(tickets: &Tickets<User>, origin: &OriginLayer, strategy: A) -> Stack
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
}

type Trace =
    TraceLayer<SharedClassifier<ServerErrorsAsFailures>, fn(&Request<Incoming>) -> tracing::Span>;

fn trace() -> Trace {
    TraceLayer::new_for_http()
        .make_span_with(span as fn(&Request<Incoming>) -> tracing::Span)
        .on_response(DefaultOnResponse::new().level(Level::INFO))
}

fn close(options: &Options, tasks: &Tasks) -> CloseFrameLayer {
    let tasks = tasks.clone();
    let converts = options.convert_upstream_errors;
    CloseFrameLayer::new()
        .client_protocol(ClientProtocol::from(options.client_protocol))
        .reject_delay(Duration::from_millis(options.hold_ms))
        .classify(move |response, head| failure::classify(response, head, converts))
        .spawn_with(move |closing_handshake| tasks.spawn(closing_handshake))
}

fn lease(options: &Options, revocations: Revocations, tasks: &Tasks) -> LeaseLayer {
    let tasks = tasks.clone();
    let lease = LeaseLayer::new(revocations)
        .client_protocol(ClientProtocol::from(options.client_protocol))
        .spawn_with(move |closing_handshake| tasks.spawn(closing_handshake));
    match options.max_per_user {
        0 => lease,
        most => lease.max_connections(most, USERS, OverLimit::RefuseNewest),
    }
}

/// Names the user in events, as the access line does.
fn who<A: Authenticate<Identity = User>>(layer: AuthLayer<A>) -> AuthLayer<A> {
    layer.log_identity(|user| encoded(user.name()))
}

fn named(user: &User, _head: &http::request::Parts) -> bool {
    user.is_named()
}

/// Method and path without the query, which holds the tokens, and the number of the access line.
fn span(request: &Request<Incoming>) -> tracing::Span {
    let id = request
        .extensions()
        .get::<Peer>()
        .map(|peer| peer.access.id());
    tracing::info_span!("request", id, method = %request.method(), path = request.uri().path())
}
