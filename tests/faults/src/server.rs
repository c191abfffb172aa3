use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::routing::{MethodRouter, any};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::{Deserialize, Serialize};
use test_support::{Gauge, SECRET};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tower::{Layer, ServiceBuilder};
use tower_ws_auth::jwt::{Algorithm, JwtEncoder, Key, SigningKey};
use tower_ws_auth::lease::Leases;
use tower_ws_auth::session::{MemorySessions, Secrets};
use tower_ws_auth::ticket::{MemoryTickets, Purpose, TicketRequest};
use tower_ws_auth::{
    AuthLayer, AuthenticateExt, Clock, CloseFrameLayer, Jwt, LeaseLayer, MemoryRevocations,
    MissingOrigin, OriginLayer, Origins, RedactLayer, Revocations, Sessions, Tickets,
};

use crate::counted::Counted;

const PAUSE_WITHOUT_DESCRIPTORS: Duration = Duration::from_millis(10);

/// The page that may connect.
pub const ORIGIN: &str = "https://app.example";

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The user of a token, a ticket and a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// The user.
    pub sub: String,
}

/// The life of misbehaving clients' tokens, in whole seconds from the start of the current one. A
/// slow machine opens its connections in that time.
pub const LIFE: Duration = Duration::from_secs(5);

/// The application's record of a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The user, if the session is logged in.
    pub user: Option<String>,
}

/// How the server is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The clock of every layer.
    pub clock: Clock,
    /// The clock of the stores in memory.
    pub store_clock: Clock,
    /// The reject delay.
    pub hold: Duration,
    /// The deadline for refused clients and for ended leases.
    pub deadline: Duration,
    /// The time limit for a request's head, which hyper enforces.
    pub head: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            clock: Clock::system(),
            store_clock: Clock::steady(),
            hold: Duration::from_millis(100),
            deadline: Duration::from_secs(1),
            head: Duration::from_secs(1),
        }
    }
}

/// A running server with every layer: redact, close, origin, `jwt.or(ticket).or(session)` with
/// revocations, lease.
///
/// `/ws` echoes, `/deaf` does not read for half a second more than [`LIFE`], `/firehose` writes for ever.
#[derive(Debug)]
pub struct Server {
    /// The address on which it listens.
    pub address: SocketAddr,
    /// Revokes.
    pub revocations: Revocations,
    /// What is open.
    pub leases: Leases,
    /// Issues tickets.
    pub tickets: Tickets<Claims>,
    /// Makes sessions.
    pub sessions: Sessions<Record>,
    /// Connections, each a descriptor.
    pub sockets: Gauge,
    /// Handlers that have a connection.
    pub handlers: Gauge,
    /// Closing handshakes of refused clients.
    pub closing_handshakes: Gauge,
    close: CloseFrameLayer,
    clock: Clock,
    encoder: JwtEncoder,
    accepting: Option<AbortHandle>,
}

impl Server {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// No port is free.
    pub async fn start(settings: Settings) -> Result<Self, BoxError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let day = Duration::from_secs(24 * 3600);
        let clock = settings.clock;
        let revoked = MemoryRevocations::new(day, 1_000_000);
        // One process issues and revokes.
        let revocations = Revocations::builder(revoked)
            .clock(clock.clone())
            .allowed_skew(Duration::ZERO)
            .build();
        let store = MemoryTickets::builder().clock(settings.store_clock.clone());
        let tickets = Tickets::builder(Arc::new(store.build()?))
            .live_for(Duration::from_secs(600))
            .clock(clock.clone())
            .build()?;
        let sessions = Sessions::<Record>::builder(
            Secrets::express(["a random secret of some length"])?,
            MemorySessions::with_clock(100_000, settings.store_clock),
        )
        .clock(clock.clone())
        .max_age(Duration::from_secs(1800))
        .build()?;
        let closing_handshakes = Gauge::default();
        let told = closing_handshakes.clone();
        let close = CloseFrameLayer::new()
            .reject_delay(settings.hold)
            .deadline(settings.deadline)
            .spawn_with(move |closing_handshake| {
                let held = told.hold();
                tokio::spawn(async move {
                    closing_handshake.await;
                    drop(held);
                });
            });
        let lease = LeaseLayer::new(revocations.clone())
            .clock(clock.clone())
            .deadline(settings.deadline);
        let key = SigningKey::hmac(Algorithm::HS256, SECRET)?;
        let mut server = Self {
            address: listener.local_addr()?,
            leases: lease.leases(),
            revocations,
            tickets,
            sessions,
            sockets: Gauge::default(),
            handlers: Gauge::default(),
            closing_handshakes,
            close,
            clock,
            encoder: JwtEncoder::new(key),
            accepting: None,
        };
        let redact = RedactLayer::new(["token", "ticket"], ["/*"])?;
        let app = redact.layer(server.app(&lease)?);
        let sockets = server.sockets.clone();
        let accepting = tokio::spawn(async move {
            loop {
                // For instance out of descriptors. It works again when a client leaves.
                let Ok((stream, _)) = listener.accept().await else {
                    tokio::time::sleep(PAUSE_WITHOUT_DESCRIPTORS).await;
                    continue;
                };
                let io = Counted {
                    stream,
                    _held: sockets.hold(),
                };
                let app = app.clone();
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(settings.head)
                    .serve_connection(TokioIo::new(io), TowerToHyperService::new(app));
                tokio::spawn(connection.with_upgrades());
            }
        });
        server.accepting = Some(accepting.abort_handle());
        Ok(server)
    }

    fn app(&self, lease: &LeaseLayer) -> Result<Router, BoxError> {
        let origins = Origins::new([ORIGIN])?;
        let jwt = Jwt::<Claims>::builder(Key::hs256(SECRET)?)
            .clock(self.clock.clone())
            .build()?
            .revocable_by(|claims| format!("user:{}", claims.sub));
        let session = self.sessions.strategy(origins.clone(), |record| {
            record.user.clone().map(|sub| Claims { sub })
        });
        let session = session.revocable_by(|claims| format!("user:{}", claims.sub));
        let strategy = jwt.or(self.tickets.strategy()).or(session);
        let strategy = strategy.revocable(self.revocations.clone());
        let layers = ServiceBuilder::new()
            .layer(self.close.clone())
            .layer(OriginLayer::new(origins, MissingOrigin::Allow))
            .layer(AuthLayer::new(strategy))
            .layer(lease.clone());
        Ok(Router::new()
            .route("/ws", self.route(echo).layer(layers.clone()))
            .route("/deaf", self.route(deaf).layer(layers.clone()))
            .route("/firehose", self.route(firehose).layer(layers)))
    }

    fn route<F, Fut>(&self, handle: F) -> MethodRouter
    where
        F: Fn(WebSocket) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let handlers = self.handlers.clone();
        any(async move |upgrade: WebSocketUpgrade| {
            let held = handlers.hold();
            upgrade.on_upgrade(async move |socket| {
                handle(socket).await;
                drop(held);
            })
        })
    }

    /// A token for a user that is valid for this many seconds of the server's clock.
    ///
    /// # Errors
    ///
    /// It cannot be signed.
    pub fn token(&self, user: &str, seconds: u64) -> Result<String, BoxError> {
        let now = self.clock.unix_seconds();
        let claims = serde_json::json!({ "sub": user, "iat": now, "exp": now + seconds });
        Ok(self.encoder.encode(&claims)?)
    }

    /// A ticket for a user.
    ///
    /// # Errors
    ///
    /// The store is full.
    pub async fn ticket(&self, user: &str) -> Result<String, BoxError> {
        let claims = Claims {
            sub: user.to_owned(),
        };
        let order =
            TicketRequest::new(claims, Purpose::handshake()).revocable_by(format!("user:{user}"));
        Ok(self.tickets.issue(order).await?.ticket().to_owned())
    }

    /// The field line with the cookie of a new session.
    ///
    /// # Errors
    ///
    /// The store is full.
    pub async fn session(&self, user: &str) -> Result<String, BoxError> {
        let user = Some(user.to_owned());
        let (_, cookie) = self.sessions.create(&Record { user }).await?;
        let cookie = cookie.to_str()?;
        let cookie = cookie.split(';').next().unwrap_or_default();
        Ok(format!("Cookie: {cookie}"))
    }

    /// Whether every permit for closing handshakes is free.
    pub fn has_all_permits(&self) -> bool {
        let closing_handshakes = self.close.closing_handshakes();
        let wait = pin!(closing_handshakes.wait());
        wait.poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    }

    /// Whether nothing is open, registered or delayed.
    pub fn is_idle(&self) -> bool {
        self.sockets.now() == 0
            && self.handlers.now() == 0
            && self.closing_handshakes.now() == 0
            && self.leases.is_empty()
            && self.revocations.is_empty()
            && self.has_all_permits()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(accepting) = &self.accepting {
            accepting.abort();
        }
    }
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        // axum handles the other messages.
        let is_data = matches!(message, Message::Text(_) | Message::Binary(_));
        if is_data && socket.send(message).await.is_err() {
            return;
        }
    }
}

/// For a little longer than the tests' tokens are valid: no layer can end a handler that sleeps
/// without using its socket.
async fn deaf(socket: WebSocket) {
    tokio::time::sleep(LIFE + Duration::from_millis(500)).await;
    echo(socket).await;
}

async fn firehose(mut socket: WebSocket) {
    while socket
        .send(Message::binary(vec![0; 16 * 1024]))
        .await
        .is_ok()
    {}
}
