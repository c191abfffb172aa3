//! The doors that are tried: one route for each, behind the layers in their order.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::any;
use axum::serve::ListenerExt;
use http::{Request, StatusCode};
use serde::{Deserialize, Serialize};
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_ws_auth::credential::{Carriers, SubprotocolFormat};
use tower_ws_auth::jwt::{Algorithm, JwtBuilder, Key};
use tower_ws_auth::session::{MemorySessions, Secrets};
use tower_ws_auth::ticket::MemoryTickets;
use tower_ws_auth::{
    AuthLayer, Authenticate, Authenticated, Clock, CloseFrameLayer, Jwt, MissingOrigin,
    OriginLayer, Origins, RedactLayer, Rejection, Sessions, Tickets,
};

use crate::forge::{COOKIE_SECRET, Door, EC_PUBLIC, ED_PUBLIC, NOW, RSA_PUBLIC, SECRET};

/// The one page that may connect.
pub(crate) const PAGE: &str = "https://app.example";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) sub: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) user: Option<String>,
}

/// The number of requests that each door admitted.
#[derive(Clone, Debug, Default)]
pub(crate) struct LetIn(Arc<AtomicUsize>);

impl LetIn {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn one_more(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The public reason of the refusal.
    pub(crate) refusal: Option<&'static str>,
}

impl Answer {
    pub(crate) const IN: Self = Self {
        status: 200,
        refusal: None,
    };
}

/// A door, with no socket in front of it.
pub(crate) type Service = BoxCloneSyncService<Request<()>, Answer, Infallible>;

pub(crate) fn all_carriers() -> Carriers {
    Carriers::builder()
        .query("token")
        .query_bearer("Authorization")
        .bearer_header()
        .subprotocol(SubprotocolFormat::Phoenix)
        .subprotocol(SubprotocolFormat::Kubernetes)
        .cookie("jwt")
        .build()
        .unwrap()
}

pub(crate) fn key(door: Door) -> Key {
    match door {
        Door::Hs => Key::hs256(SECRET),
        Door::Rs => Key::from_pem(Algorithm::RS256, RSA_PUBLIC),
        Door::Es => Key::from_pem(Algorithm::ES256, EC_PUBLIC),
        Door::Ed => Key::from_pem(Algorithm::EdDSA, ED_PUBLIC),
    }
    .unwrap()
}

pub(crate) fn jwt_builder<C>(door: Door) -> JwtBuilder<C> {
    Jwt::builder(key(door))
        .carriers(all_carriers())
        .clock(Clock::fixed(NOW))
}

pub(crate) fn jwt(door: Door) -> Jwt<Claims> {
    jwt_builder(door).build().unwrap()
}

pub(crate) fn sessions() -> Sessions<Record> {
    let clock = Clock::fixed(NOW);
    let store = MemorySessions::with_clock(10_000, clock.clone());
    Sessions::builder(Secrets::express([COOKIE_SECRET]).unwrap(), store)
        .clock(clock)
        .build()
        .unwrap()
}

pub(crate) fn tickets() -> Tickets<Claims> {
    Tickets::builder(Arc::new(MemoryTickets::new()))
        .build()
        .unwrap()
}

pub(crate) fn user(record: &Record) -> Option<String> {
    record.user.clone()
}

fn origin() -> OriginLayer {
    OriginLayer::new(Origins::new([PAGE]).unwrap(), MissingOrigin::Allow)
}

/// The layers around a service that counts.
pub(crate) fn service<A>(strategy: A, let_in: &LetIn) -> Service
where
    A: Authenticate + Send + Sync + 'static,
    A::Credential: Send,
    A::Verified: Send,
    A::Future: Send,
{
    let let_in = let_in.clone();
    let inner = service_fn(move |request: Request<()>| {
        let let_in = let_in.clone();
        async move {
            let_in.one_more();
            assert!(
                request
                    .extensions()
                    .get::<Authenticated<A::Identity>>()
                    .is_some()
            );
            Ok::<_, Infallible>(http::Response::new(()))
        }
    });
    let service = ServiceBuilder::new()
        .layer(RedactLayer::new(["token", "Authorization", "ticket"], ["/*"]).unwrap())
        .layer(origin())
        .layer(AuthLayer::new(strategy))
        .service(inner)
        .map_response(|response| Answer {
            status: response.status().as_u16(),
            refusal: response.extensions().get().map(Rejection::reason),
        });
    BoxCloneSyncService::new(service)
}

/// All the doors on one port of loopback, behind `axum::serve`.
pub(crate) struct Server {
    pub(crate) address: std::net::SocketAddr,
    pub(crate) let_in: LetIn,
    pub(crate) sessions: Sessions<Record>,
    pub(crate) tickets: Tickets<Claims>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let let_in = LetIn::default();
        let (sessions, tickets) = (sessions(), tickets());
        let session = sessions.strategy(Origins::new([PAGE]).unwrap(), user);
        let router = Router::new()
            .route("/HS256", door(jwt(Door::Hs), &let_in))
            .route("/RS256", door(jwt(Door::Rs), &let_in))
            .route("/ES256", door(jwt(Door::Es), &let_in))
            .route("/EdDSA", door(jwt(Door::Ed), &let_in))
            .route("/session", door(session, &let_in))
            .route("/ticket", door(tickets.strategy(), &let_in));
        let redact = RedactLayer::new(["token", "Authorization", "ticket"], ["/*"]).unwrap();
        let app = redact.layer(router);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = tower::make::Shared::new(app);
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self {
            address,
            let_in,
            sessions,
            tickets,
        }
    }
}

fn door<A>(strategy: A, let_in: &LetIn) -> axum::routing::MethodRouter
where
    A: Authenticate + Send + Sync + 'static,
    A::Credential: Send,
    A::Verified: Send,
    A::Future: Send,
{
    let let_in = let_in.clone();
    let handler = async move |_: Authenticated<A::Identity>| {
        let_in.one_more();
        (StatusCode::OK, [("x-let-in", "1")])
    };
    let layers = ServiceBuilder::new()
        .layer(CloseFrameLayer::new().reject_delay(Duration::ZERO))
        .layer(origin())
        .layer(AuthLayer::new(strategy));
    any(handler).layer(layers)
}
