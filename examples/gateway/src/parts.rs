//! What outlives a reload, and what a reload builds anew.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tower_ws_auth::close::ClientProtocol;
use tower_ws_auth::lease::OverLimit;
use tower_ws_auth::redis::{Redis, RedisRelay};
use tower_ws_auth::session::Session;
use tower_ws_auth::ticket::Tickets;
use tower_ws_auth::{
    Authenticate, AuthenticateExt, CloseFrameLayer, FirstMessageLayer, LeaseLayer, MissingOrigin,
    OriginLayer, Revocations,
};

use crate::engine_io::{self, EngineIo};
use crate::identity::{USERS, User};
use crate::options::{Options, Protocol, Strategy, TicketFor};
use crate::policy::Policies;
use crate::proxy::Proxy;
use crate::recheck::Recheck;
use crate::router::Router;
use crate::stack::{Stack, Stacks};
use crate::tasks::Tasks;
use crate::tokens::{self, Fetched};
use crate::{credentials, failure, first};

type Failure = Box<dyn Error + Send + Sync>;

/// Everything that outlives a reload: what is open, what is fetched, and what is counted.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) redis: Option<Redis>,
    pub(crate) fetched: Fetched,
    pub(crate) lease: LeaseLayer,
    revocations: Revocations,
    pub(crate) first: Option<FirstMessageLayer>,
    close: CloseFrameLayer,
    tickets: Option<Tickets<User>>,
    proxy: Proxy,
    /// For sessions of Engine.IO.
    random: [u8; engine_io::SECRET],
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
        let mut random = [0; engine_io::SECRET];
        getrandom::fill(&mut random)?;
        Ok(Self {
            random,
            fetched: Fetched::start(&options.jwt)?,
            lease: lease(options, revocations.clone(), tasks),
            first: first::layer(options, tasks)?,
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
        let handshake_lease = match &options.message.renew_query {
            None => self.lease.clone(),
            Some(key) => self.lease.clone().connection_id(first::connection_id(key)?),
        };
        let stacks = Stacks {
            close: &self.close,
            lease: &self.lease,
            handshake_lease,
            first: self.first.as_ref(),
            engine_io: EngineIo::new(options, &self.random)?,
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
        // The layers have checked the origin of each request that is looked at again.
        let recheck = vouched.clone().filter(|_| !every.is_zero());
        let recheck = recheck.map(|session| Recheck::new(session, every));
        let proxy = self.proxy.clone().rechecking(recheck);
        let by_jwt = || self.by_jwt(options);
        let missing = "a session needs --session-secret";
        let session = || session.clone().map(by_session).ok_or(missing);
        let vouched = || vouched.clone().map(by_session).ok_or(missing);
        let ([handshakes, pages, others], renewals) = match options.strategy {
            Strategy::Jwt => {
                let jwt = Arc::new(by_jwt()?);
                let strategies = [
                    stacks.of(&stacks.others, &jwt, &proxy),
                    stacks.plain(&stacks.pages, &jwt, &proxy),
                    stacks.plain(&stacks.others, &jwt, &proxy),
                ];
                (strategies, self.renewals(options, &stacks.others, jwt)?)
            }
            Strategy::Session => {
                let (session, vouched) = (Arc::new(session()?), Arc::new(vouched()?));
                let strategies = [
                    stacks.of(&stacks.strict, &session, &proxy),
                    stacks.plain(&stacks.pages, &vouched, &proxy),
                    stacks.plain(&stacks.strict, &session, &proxy),
                ];
                (strategies, self.renewals(options, &stacks.strict, session)?)
            }
            Strategy::Any => {
                let either = Arc::new(by_jwt()?.or(session()?));
                let vouched = Arc::new(by_jwt()?.or(vouched()?));
                let strategies = [
                    stacks.of(&stacks.others, &either, &proxy),
                    stacks.plain(&stacks.pages, &vouched, &proxy),
                    stacks.plain(&stacks.others, &either, &proxy),
                ];
                (strategies, self.renewals(options, &stacks.others, either)?)
            }
            Strategy::Ticket => {
                let tickets = self.tickets.as_ref().ok_or("no tickets")?;
                let ticket = tickets.strategy().revocable(self.revocations.clone());
                let ticket = Arc::new(ticket.map(User::by_ticket).authorize(named));
                let open = stacks.of(&stacks.others, &ticket, &proxy);
                // No policy leads there.
                let strategies = [open.clone(), open.clone(), open];
                (strategies, self.renewals(options, &stacks.others, ticket)?)
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
        let tickets = tickets.map(|stack| (options.ticket.ticket_path.clone(), stack));
        Ok(Router {
            handshakes,
            pages,
            others,
            endpoints: tickets.into_iter().chain(renewals).collect(),
            policies: Policies::new(options.http.http, &options.http.path)?,
            origins,
            proxy,
        })
    }

    /// The path where connections are renewed, by the credentials of their handshakes.
    fn renewals<A>(
        &self,
        options: &Options,
        origin: &OriginLayer,
        strategy: Arc<A>,
    ) -> Result<Option<(String, Stack)>, Failure>
    where
        A: Authenticate<Identity = User, Future: Send> + Send + Sync + 'static,
    {
        let Some(path) = options.message.renew_path.clone() else {
            return Ok(None);
        };
        let renewals = self.lease.leases().renewals(strategy)?;
        // Connections of other gateways too. Each reload joins anew, and the former one leaves.
        let renewals = match self.redis.clone().map(RedisRelay::new).transpose()? {
            Some(relay) => renewals.across(relay),
            None => renewals,
        };
        Ok(Some((path, Stacks::renewing(origin, renewals))))
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
    // Without a choice, open connections are told as those that wait with their first message are.
    let protocol = match (options.client_protocol, &options.message.first_message) {
        (Protocol::Http, Some(format)) => format.protocol(),
        (chosen, _) => chosen,
    };
    let lease = LeaseLayer::new(revocations)
        .client_protocol(ClientProtocol::from(protocol))
        .spawn_with(move |closing_handshake| tasks.spawn(closing_handshake));
    let lease = match options.message.renew_path {
        None => lease,
        Some(_) => lease.renewable_by(|user: &User| user.name().to_owned()),
    };
    match options.max_per_user {
        0 => lease,
        most => lease.max_connections(most, USERS, OverLimit::RefuseNewest),
    }
}

fn named(user: &User, _head: &http::request::Parts) -> bool {
    user.is_named()
}
