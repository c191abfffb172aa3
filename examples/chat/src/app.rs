//! The stack, for copying into an application of your own.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::MatchedPath;
use axum::http::Request;
use axum::http::request::Parts;
use axum::routing::{any, any_service, post};
use tokio_util::task::TaskTracker;
use tower::ServiceBuilder;
use tower_http::trace::{DefaultOnResponse, TraceLayer};
use tower_ws_auth::lease::Renewals;
use tower_ws_auth::origin::OriginsError;
use tower_ws_auth::{
    AuthLayer, Authenticate, AuthenticateExt, CloseFrameLayer, FirstMessageLayer, LeaseLayer,
    MissingOrigin, OriginLayer, Origins, RedactLayer,
};
use tracing::Level;

use crate::credentials::Credentials;
use crate::doors::Doors;
use crate::first::OnlyTokens;
use crate::hub::Hub;
use crate::options::{Opaque, Options};
use crate::user::{Record, User};
use crate::{account, logout, metrics, page, relay, socket};

/// The state that the handlers share.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) hub: Hub,
    pub(crate) doors: Doors,
    pub(crate) credentials: Credentials,
}

pub(crate) fn router(
    options: &Options,
    address: SocketAddr,
    credentials: &Credentials,
    closing_handshakes: &TaskTracker,
    lease: &LeaseLayer,
    first: &FirstMessageLayer,
) -> Result<Router, Box<dyn Error + Send + Sync>> {
    let origins = origins(options, address)?;
    let Credentials {
        sessions,
        tickets,
        revocations,
        ..
    } = credentials;
    let session = || {
        sessions
            .strategy(origins.clone(), Record::logged_in)
            .map(User::by_session)
            .authorize(named)
    };
    let ticket = || {
        let strategy = tickets.strategy().revocable(revocations.clone());
        strategy.map(User::by_ticket)
    };
    let claim = options.jwt.user()?;
    let jwt = || {
        let strategy = credentials.tokens.strategy().revocable(revocations.clone());
        let claim = claim.clone();
        let strategy = strategy.map(move |claims| User::by_jwt(claim.of(&claims), &claims));
        strategy.authorize(named)
    };

    // Outside of the origin check and the strategy, whose rejections it converts.
    let close = close_layer(options, closing_handshakes);
    // Outside of the strategy: a foreign page must not learn whether a credential is valid.
    let pages_and_others = OriginLayer::new(origins.clone(), MissingOrigin::Allow);
    let pages_only = OriginLayer::new(origins.clone(), MissingOrigin::Refuse);
    let tokens = ServiceBuilder::new()
        .layer(close.clone())
        .layer(pages_and_others.clone());
    let cookies = ServiceBuilder::new().layer(close).layer(pages_only);

    // One strategy per route, and inside of it the layer that ends the connection in time.
    let jwt_only = tokens.clone().layer(AuthLayer::new(jwt()));
    let ticket_only = tokens.clone().layer(AuthLayer::new(ticket()));
    let session_only = cookies.layer(AuthLayer::new(session()));
    let any_of = tokens
        .clone()
        .layer(AuthLayer::new(jwt().or(ticket()).or(session())));
    // The credential comes behind the handshake. `OnlyTokens` tells a token from a ticket.
    let by_message = tokens
        .layer(first.clone())
        .layer(AuthLayer::new(OnlyTokens(jwt()).or(ticket())));
    let sockets = Router::new()
        .route(
            "/ws/jwt",
            any(socket::open).layer(jwt_only.layer(lease.clone())),
        )
        .route(
            "/ws/ticket",
            any(socket::open).layer(ticket_only.layer(lease.clone())),
        )
        .route(
            "/ws/session",
            any(socket::open).layer(session_only.layer(lease.clone())),
        )
        .route(
            "/ws/any",
            any(socket::open).layer(any_of.layer(lease.clone())),
        )
        .route(
            "/ws/first",
            any(socket::open).layer(by_message.layer(lease.clone())),
        );

    // With many nodes a request need not reach that of its connection.
    let renewals = lease.leases().renewals(jwt())?;
    let renewals = match credentials.relay.clone() {
        Some(relay) => renewals.across(relay),
        None => renewals,
    };
    let accounts = accounts(credentials, renewals).layer(pages_and_others);

    let counts = if options.metrics {
        metrics::routes()?
    } else {
        Router::new()
    };

    let redacted = options.jwt.jwt_query.iter().cloned();
    let redacted = redacted.chain(["ticket".to_owned()]);
    let hub = Hub::default();
    if let Some(url) = &options.redis {
        relay::connect(&hub, redis::Client::open(url.as_str())?)?;
    }

    Ok(Router::new()
        .merge(sockets)
        .merge(accounts)
        .merge(logout::routes(options, credentials)?)
        .merge(page::routes())
        .merge(counts)
        .with_state(App {
            hub,
            doors: Doors::new(credentials)?,
            credentials: credentials.clone(),
        })
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(span)
                .on_response(DefaultOnResponse::new().level(Level::INFO)),
        )
        // Outermost: no layer further in sees a token in a URI.
        .layer(RedactLayer::new(redacted, ["/*"])?))
}

/// What a client asks for over ordinary HTTP.
fn accounts<A>(credentials: &Credentials, renewals: Renewals<A>) -> Router<App>
where
    A: Authenticate + Send + Sync + 'static,
    A::Future: Send,
{
    let Credentials {
        sessions, tickets, ..
    } = credentials;
    // A browser names the origin of every POST. So a request without one comes from no foreign
    // page.
    let logged_in = AuthLayer::new(sessions.dangerous_strategy_for_any_origin(Record::logged_in))
        .any_request()
        .clock(credentials.tokens.clock().clone());
    Router::new()
        .route("/token", post(account::token).layer(logged_in.clone()))
        .route("/revoke", post(account::revoke).layer(logged_in.clone()))
        .route(
            "/ticket",
            any_service(tickets.endpoint(account::order)).layer(logged_in),
        )
        .route("/ws/renew", any_service(renewals))
        .route("/login", post(account::login))
        .route("/logout", post(account::logout))
}

fn named(user: &User, _head: &Parts) -> bool {
    user.is_named()
}

fn close_layer(options: &Options, closing_handshakes: &TaskTracker) -> CloseFrameLayer {
    let tracker = closing_handshakes.clone();
    let close = CloseFrameLayer::new()
        .client_protocol(options.client_protocol.into())
        .subprotocols(socket::SUBPROTOCOLS)
        .reject_delay(Duration::from_millis(options.hold_ms))
        .spawn_with(move |closing_handshake| {
            tracker.spawn(closing_handshake);
        });
    if options.reject_message {
        close.first_message_json()
    } else {
        close
    }
}

/// The route without the URI: a wrongly configured client may put its token anywhere.
fn span<B>(request: &Request<B>) -> tracing::Span {
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("none", MatchedPath::as_str);
    tracing::info_span!("request", method = %request.method(), route)
}

fn origins(
    options: &Options,
    address: SocketAddr,
) -> Result<Origins, Box<dyn Error + Send + Sync>> {
    let mut origins = if options.origin.is_empty() {
        own_origins(options, address)?
    } else {
        Origins::new(&options.origin).map_err(|error| match error {
            OriginsError::Null => "--origin: `null` needs --dangerous-origin null".to_owned(),
            OriginsError::File => "--origin: `file://` needs --dangerous-origin file".to_owned(),
            error => format!("--origin: {error}"),
        })?
    };
    for kind in &options.dangerous_origin {
        origins = match kind {
            Opaque::Null => origins.and_dangerous_null(),
            Opaque::File => origins.and_dangerous_file(),
        };
    }
    Ok(origins)
}

fn own_origins(options: &Options, address: SocketAddr) -> Result<Origins, OriginsError> {
    let port = address.port();
    let scheme = if options.tls_cert.is_some() {
        "https"
    } else {
        "http"
    };
    let own = [
        format!("{scheme}://127.0.0.1:{port}"),
        format!("{scheme}://localhost:{port}"),
        format!("{scheme}://{address}"),
    ];
    Origins::new(own)
}
