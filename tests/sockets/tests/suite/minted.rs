//! A minted credential is as old as the decision about its client, however late the request ends.
//! The head of a request is sent, the session is ended, and then the body arrives.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, any_service, post};
use axum::{Json, Router, body::Bytes};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_ws_auth::channel::{Join, JoinOutcome, TicketPolicy};
use tower_ws_auth::jwt::{Jwt, JwtEncoder, Key, SigningKey};
use tower_ws_auth::session::{MemorySessions, Secrets, SessionId, Sessions};
use tower_ws_auth::ticket::{MemoryTickets, MintRequest, TicketRequest, Tickets};
use tower_ws_auth::{
    AuthLayer, AuthenticateExt, Authenticated, ChannelAuthLayer, Clock, DisconnectReason,
    MemoryRevocations, Rejection, RejectionKind, Revocations, Validity,
};

/// Nothing in these tests takes longer, on the slowest machine.
const SOON: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);
const SECRET: [u8; 32] = [7; 32];

#[derive(Clone, Serialize, Deserialize)]
struct Record {
    user: Option<String>,
}

/// The credentials of a logged-in client.
struct Client {
    session: SessionId,
    cookie: String,
}

/// A server that changes a session into tickets and tokens, and opens sockets by them.
struct Server {
    address: SocketAddr,
    sessions: Sessions<Record>,
    tickets: Tickets<String>,
    revocations: Revocations,
    /// One permit for each request that passed the strategy and has no body yet.
    decided: Arc<Semaphore>,
}

#[derive(Clone)]
struct App {
    encoder: JwtEncoder,
}

/// Mints a token as an application does: identity and validity come from the head, which arrives
/// long before the body.
async fn token(
    State(app): State<App>,
    user: Authenticated<String>,
    validity: Validity,
    _mint_request: Bytes,
) -> Response {
    let exp = Clock::system().unix_seconds() + 3600;
    let claims = json!({ "sub": user.as_str(), "exp": exp });
    let token = app.encoder.encode_inheriting(&claims, &validity).unwrap();
    Json(json!({ "token": token })).into_response()
}

fn order(head: &Parts, mint_request: MintRequest) -> Result<TicketRequest<String>, Rejection> {
    let user: &Authenticated<String> = (head.extensions.get())
        .ok_or_else(|| Rejection::new(RejectionKind::CredentialsMissing, "nobody"))?;
    Ok(TicketRequest::new(
        user.to_string(),
        mint_request.into_purpose(),
    ))
}

async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |mut socket: WebSocket| {
        while let Some(Ok(message)) = socket.recv().await {
            if socket.send(message).await.is_err() {
                break;
            }
        }
    })
}

impl Server {
    async fn start() -> Self {
        // One clock for all: nothing is refused for the skew.
        let store = MemoryRevocations::new(2 * DAY, 100);
        let revocations = Revocations::builder(store)
            .allowed_skew(Duration::ZERO)
            .build();
        let secrets = Secrets::express(["a secret of some length"]).unwrap();
        let sessions: Sessions<Record> = Sessions::builder(secrets, MemorySessions::new(100))
            .revocations(revocations.clone())
            .revocable_by(|record: &Record| Some(format!("user:{}", record.user.as_ref()?)))
            .build()
            .unwrap();
        let tickets: Tickets<String> = Tickets::builder(Arc::new(MemoryTickets::new()))
            .build()
            .unwrap();
        let jwt = Jwt::<Value>::builder(Key::hs256(SECRET).unwrap())
            .build()
            .unwrap();
        let by_jwt = jwt.map(|claims| claims["sub"].as_str().unwrap_or_default().to_owned());
        let by_ticket = tickets.strategy();

        let decided = Arc::new(Semaphore::new(0));
        let passed = Arc::clone(&decided);
        let logged_in = sessions.dangerous_strategy_for_any_origin(|record| record.user.clone());
        let logged_in = ServiceBuilder::new()
            .layer(AuthLayer::new(logged_in).any_request())
            .map_request(move |request: Request| {
                passed.add_permits(1);
                request
            });
        let app = Router::new()
            .route("/token", post(token).layer(logged_in.clone()))
            .route(
                "/ticket",
                any_service(tickets.endpoint(order)).layer(logged_in),
            )
            .route(
                "/ws/token",
                any(echo).layer(AuthLayer::new(by_jwt.revocable(revocations.clone()))),
            )
            .route(
                "/ws/ticket",
                any(echo).layer(AuthLayer::new(by_ticket.revocable(revocations.clone()))),
            )
            .with_state(App {
                encoder: JwtEncoder::new(SigningKey::hs256(SECRET).unwrap()),
            });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            address,
            sessions,
            tickets,
            revocations,
            decided,
        }
    }

    async fn log_in(&self) -> Client {
        let record = Record {
            user: Some("ada".to_owned()),
        };
        let (session, cookie) = self.sessions.create(&record).await.unwrap();
        let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
        Client {
            session,
            cookie: cookie.to_owned(),
        }
    }

    /// A credential minted for a client that sends the body only after `meanwhile`.
    async fn mint(&self, client: &Client, minted: Minted, meanwhile: impl Future) -> String {
        let body = minted.mint_request();
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: x\r\ncookie: {}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            minted.endpoint(),
            client.cookie,
            body.len(),
        );
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        timeout(SOON, self.decided.acquire())
            .await
            .unwrap()
            .unwrap()
            .forget();
        meanwhile.await;
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        timeout(SOON, read).await.unwrap().unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let json: Value = serde_json::from_str(body).unwrap();
        json[minted.field()].as_str().unwrap().to_owned()
    }

    /// Whether it opens what it was minted for.
    async fn opens(&self, minted: Minted, credential: &str) -> bool {
        let name = minted.field();
        if minted == Minted::ChannelTicket {
            let policy = TicketPolicy::new(self.tickets.clone());
            let policy = policy.revocable(self.revocations.clone());
            let joined = tower::service_fn(async |_: Join<(), ()>| Ok::<_, Infallible>(()));
            let join = Join::new((), "lobby", ()).with_credential(Some(credential.to_owned()));
            let service = ChannelAuthLayer::new(policy).layer(joined);
            return matches!(service.oneshot(join).await, Ok(JoinOutcome::Admitted(())));
        }
        let url = format!("ws://{}/ws/{name}?{name}={credential}", self.address);
        match timeout(SOON, connect_async(url)).await.unwrap() {
            Ok(_) => true,
            Err(Error::Http(response)) => {
                assert_eq!(response.status(), 401);
                false
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Minted {
    Ticket,
    ChannelTicket,
    Token,
}

impl Minted {
    const ALL: [Self; 3] = [Self::Ticket, Self::ChannelTicket, Self::Token];

    fn endpoint(self) -> &'static str {
        match self {
            Self::Ticket | Self::ChannelTicket => "/ticket",
            Self::Token => "/token",
        }
    }

    fn field(self) -> &'static str {
        match self {
            Self::Ticket | Self::ChannelTicket => "ticket",
            Self::Token => "token",
        }
    }

    fn mint_request(self) -> &'static str {
        match self {
            Self::Ticket | Self::Token => "{}",
            Self::ChannelTicket => r#"{"channel":"lobby"}"#,
        }
    }
}

#[tokio::test]
async fn is_valid_if_nothing_happened_meanwhile() {
    let server = Server::start().await;
    let client = server.log_in().await;
    for minted in Minted::ALL {
        let credential = server.mint(&client, minted, async {}).await;
        assert!(server.opens(minted, &credential).await, "{minted:?}");
    }
}

#[tokio::test]
async fn is_refused_where_the_session_was_ended_meanwhile() {
    let server = Server::start().await;
    for minted in Minted::ALL {
        let client = server.log_in().await;
        let logout = server.sessions.destroy(&client.session);
        let credential = server.mint(&client, minted, logout).await;
        assert!(!server.opens(minted, &credential).await, "{minted:?}");
    }
}

#[tokio::test]
async fn is_refused_where_the_user_was_banned_meanwhile() {
    let server = Server::start().await;
    for minted in Minted::ALL {
        let client = server.log_in().await;
        let ban = server
            .revocations
            .revoke("user:ada", DisconnectReason::Revoked);
        let credential = server.mint(&client, minted, ban).await;
        assert!(!server.opens(minted, &credential).await, "{minted:?}");
        // A later login is accepted, and so is a credential minted for it.
        let client = server.log_in().await;
        let credential = server.mint(&client, minted, async {}).await;
        assert!(server.opens(minted, &credential).await, "{minted:?}");
    }
}

#[tokio::test]
async fn is_refused_where_its_session_is_ended_afterwards() {
    let server = Server::start().await;
    for minted in Minted::ALL {
        let client = server.log_in().await;
        let credential = server.mint(&client, minted, async {}).await;
        server.sessions.destroy(&client.session).await.unwrap();
        assert!(!server.opens(minted, &credential).await, "{minted:?}");
    }
}
