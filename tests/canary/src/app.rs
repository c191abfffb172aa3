use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::extract::ws::WebSocketUpgrade;
use axum::response::Response;
use axum::routing::any;
use serde_json::json;
use test_support::SECRET;
use tower::Layer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::{
    DefaultMakeSpan, DefaultOnBodyChunk, DefaultOnEos, DefaultOnFailure, DefaultOnRequest,
    DefaultOnResponse, TraceLayer,
};
use tower_ws_auth::credential::{Carriers, RedactedPairs, SubprotocolFormat};
use tower_ws_auth::jwt::{Algorithm, Jwt, JwtEncoder, Key, SigningKey};
use tower_ws_auth::session::MemorySessions;
use tower_ws_auth::ticket::{MemoryTickets, Purpose, TicketRequest};
use tower_ws_auth::{
    AuthLayer, Authenticate, AuthenticateExt, CloseFrameLayer, LeaseLayer, MemoryRevocations,
    MissingOrigin, OriginLayer, Origins, RedactLayer, RedactedQuery, Revocations, Sessions,
    Tickets,
};
use tracing::Level;

use crate::{Claims, Secrets};

type Failed = Box<dyn Error + Send + Sync>;

/// The part that keeps the secrets out of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// `RedactLayer` outermost, and strategies inside.
    Redacted,
    /// No `RedactLayer`, but spans that leave them out.
    Spans,
    /// No `RedactLayer`, and strategies inside: layers outside of these see the URI.
    Unredacted,
    /// `RedactLayer` and no strategies: redacted credentials end with the request.
    Unguarded,
    /// Neither.
    Bare,
}

impl Setup {
    /// All of them, by their names.
    pub const ALL: [(&'static str, Self); 5] = [
        ("redacted", Self::Redacted),
        ("spans", Self::Spans),
        ("unredacted", Self::Unredacted),
        ("unguarded", Self::Unguarded),
        ("bare", Self::Bare),
    ];

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|(each, _)| *each == name).map(|(_, setup)| setup)
    }
}

/// The page that may connect.
const PAGE: &str = "https://app.example";
/// Another application's secret.
const OTHER: &[u8] = b"fedcba9876543210fedcba9876543210";

/// The server.
#[derive(Debug)]
pub struct App {
    setup: Setup,
    sessions: Sessions<Claims>,
    tickets: Tickets<Claims>,
    revocations: Revocations,
}

impl App {
    /// With stores in memory.
    ///
    /// # Errors
    ///
    /// None, unless a layer refuses its configuration.
    pub fn new(setup: Setup) -> Result<Self, Failed> {
        let secrets = tower_ws_auth::session::Secrets::express(["a secret of the sessions alone"])?;
        Ok(Self {
            setup,
            sessions: Sessions::builder(secrets, MemorySessions::new(1000)).build()?,
            tickets: Tickets::builder(Arc::new(MemoryTickets::new())).build()?,
            revocations: Revocations::new(MemoryRevocations::new(Duration::from_secs(60), 1000)),
        })
    }

    /// The credentials for its clients.
    ///
    /// # Errors
    ///
    /// A store is full, or a key does not sign.
    pub async fn secrets(&self, address: SocketAddr) -> Result<Secrets, Failed> {
        let claims = |canary: &str| Claims {
            sub: format!("ada-{canary}"),
        };
        let (_, cookie) = self.sessions.create(&claims("session")).await?;
        let cookie = cookie.to_str()?.split(';').next().unwrap_or_default();
        let session = cookie.strip_prefix("connect.sid=").ok_or("another name")?;
        let mut tickets = Vec::new();
        for _ in 0..8 {
            let order = TicketRequest::new(claims("ticket"), Purpose::handshake());
            tickets.push(self.tickets.issue(order).await?.ticket().to_owned());
        }
        Ok(Secrets {
            address,
            good: token("good", 600, SECRET)?,
            expired: token("expired", -600, SECRET)?,
            forged: token("forged", 600, OTHER)?,
            session: session.to_owned(),
            tickets,
        })
    }

    /// Every layer, around a handler that logs all that reaches it.
    ///
    /// # Errors
    ///
    /// None, unless a layer refuses its configuration.
    pub fn router(&self) -> Result<Router, Failed> {
        let origins = Origins::new([PAGE])?;
        let revocable = jwt()?.revocable(self.revocations.clone());
        let session = || {
            let record = |record: &Claims| Some(record.clone());
            self.sessions.strategy(origins.clone(), record)
        };
        let either = jwt()?.or(session()).or(self.tickets.strategy());
        Ok(Router::new()
            .route("/ws/jwt", self.guarded(revocable, &origins))
            .route("/ws/session", self.guarded(session(), &origins))
            .route(
                "/ws/ticket",
                self.guarded(self.tickets.strategy(), &origins),
            )
            .nest(
                "/nested",
                Router::new().route("/any", self.guarded(either, &origins)),
            )
            .layer(CatchPanicLayer::new()))
    }

    fn guarded<A>(&self, strategy: A, origins: &Origins) -> axum::routing::MethodRouter
    where
        A: Authenticate + Send + Sync + 'static,
        A::Credential: Send,
        A::Verified: Send,
        A::Future: Send,
    {
        if matches!(self.setup, Setup::Bare | Setup::Unguarded) {
            return any(handler);
        }
        let stack = tower::ServiceBuilder::new()
            .layer(CloseFrameLayer::new().reject_delay(Duration::ZERO))
            .layer(OriginLayer::new(origins.clone(), MissingOrigin::Allow))
            .layer(AuthLayer::new(strategy))
            .layer(LeaseLayer::new(self.revocations.clone()));
        any(handler).layer(stack)
    }

    /// Serves it with the outermost layers in their places, until the process ends.
    ///
    /// # Errors
    ///
    /// A layer refuses its configuration, or the listener fails.
    pub async fn serve(&self, listener: tokio::net::TcpListener) -> Result<(), Failed> {
        let router = self.router()?;
        let redact = RedactLayer::new(
            ["token", "Authorization", "ticket"],
            ["/ws/jwt", "/ws/ticket", "/nested/*"],
        )?;
        let trace = TraceLayer::new_for_http()
            .on_request(DefaultOnRequest::new().level(Level::TRACE))
            .on_response(
                DefaultOnResponse::new()
                    .level(Level::TRACE)
                    .include_headers(true),
            )
            .on_body_chunk(DefaultOnBodyChunk::new())
            .on_eos(DefaultOnEos::new().level(Level::TRACE))
            .on_failure(DefaultOnFailure::new().level(Level::TRACE));
        let everything = DefaultMakeSpan::new()
            .level(Level::TRACE)
            .include_headers(true);
        // The kind of body that `axum::serve` requires.
        let plain = tower::util::MapResponseLayer::new(|response: http::Response<_>| {
            response.map(axum::body::Body::new)
        });
        match self.setup {
            Setup::Redacted | Setup::Unguarded => {
                let app = redact.layer(plain.layer(trace.make_span_with(everything).layer(router)));
                axum::serve(listener, tower::make::Shared::new(app)).await?;
            }
            Setup::Unredacted | Setup::Bare => {
                let app = plain.layer(trace.make_span_with(everything).layer(router));
                axum::serve(listener, tower::make::Shared::new(app)).await?;
            }
            Setup::Spans => {
                let redacted = RedactedQuery::new(["token", "Authorization", "ticket"])?;
                let app = plain.layer(trace.make_span_with(redacted).layer(router));
                axum::serve(listener, tower::make::Shared::new(app)).await?;
            }
        }
        Ok(())
    }
}

/// Logs the request, opens the socket, and logs its messages. Or it panics with all of them.
async fn handler(request: Request) -> Response {
    use axum::extract::FromRequestParts;

    let (mut head, _) = request.into_parts();
    tracing::trace!(?head, "the handler has");
    // Extensions do not print their values.
    let redacted = head.extensions.get::<RedactedPairs>();
    tracing::trace!(?redacted, "the handler has");
    if let Some(original) = head.extensions.get::<axum::extract::OriginalUri>() {
        tracing::trace!(?original, "axum has kept");
    }
    assert!(
        !head.headers.contains_key("x-panic"),
        "the handler panics with {head:?}"
    );
    match WebSocketUpgrade::from_request_parts(&mut head, &()).await {
        Ok(upgrade) => upgrade.protocols(["chat"]).on_upgrade(async |mut socket| {
            while let Some(message) = socket.recv().await {
                tracing::trace!(?message, "the handler reads");
            }
        }),
        Err(refused) => axum::response::IntoResponse::into_response(refused),
    }
}

/// In every carrier.
fn jwt() -> Result<Jwt<Claims>, Failed> {
    let carriers = Carriers::builder()
        .query("token")
        .query_bearer("Authorization")
        .bearer_header()
        .subprotocol(SubprotocolFormat::Phoenix)
        .subprotocol(SubprotocolFormat::Kubernetes)
        .subprotocol(SubprotocolFormat::BearerPair)
        .subprotocol(SubprotocolFormat::Jupyter)
        .subprotocol(SubprotocolFormat::AppSync)
        .subprotocol(SubprotocolFormat::LastAfter("access_token."))
        .cookie("jwt")
        .build()?;
    let key = Key::hs256(SECRET)?;
    Ok(Jwt::builder(key).carriers(carriers).build()?)
}

fn token(sub: &str, expires_in: i64, secret: &[u8]) -> Result<String, Failed> {
    let exp = i64::try_from(test_support::now())?.saturating_add(expires_in);
    let encoder = JwtEncoder::new(SigningKey::hmac(Algorithm::HS256, secret)?);
    Ok(encoder.encode(&json!({ "sub": format!("canary-{sub}"), "exp": exp }))?)
}
