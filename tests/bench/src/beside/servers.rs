//! The servers in Rust: ours, those by hand, and the gateway.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use axum::serve::ListenerExt as _;
use gateway::Gateway;
use http::header::ORIGIN;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use socketioxide::SocketIo;
use socketioxide::extract::{Data, SocketRef};
use tokio::net::TcpListener;
use tower::{Layer as _, ServiceBuilder};
use tower_ws_auth::credential::Carriers;
use tower_ws_auth::jwt::{Jwt, JwtLayer, Key};
use tower_ws_auth::{CloseFrameLayer, LeaseLayer, MissingOrigin, OriginLayer, Origins};

use crate::rows::jwt::{AUDIENCE, ISSUER};
use crate::{FourStrings, SECRET};

const PAGE: &str = "https://example.com";

type Failure = Box<dyn Error + Send + Sync>;

/// Runs until it is killed: `NAME PORT`, and the upstream of the gateway.
pub(super) fn serve(args: &[String]) -> Result<(), String> {
    // On the one core of a server, a second thread would only take turns with the first.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let served = runtime.block_on(async {
        let [name, port, rest @ ..] = args else {
            return Err("serve wants a name and a port".into());
        };
        let address = SocketAddr::from(([127, 0, 0, 1], port.parse()?));
        let router = match name.as_str() {
            "ours" => ours()?,
            "leased" => leased()?,
            "axum" => by_hand(|upgrade| upgrade)?,
            "axum-small" => by_hand(small)?,
            "socketioxide" => socket_io_by_hand()?,
            "gateway" => return in_front_of(address, rest).await,
            _ => return Err(format!("no server is called `{name}`").into()),
        };
        let listener = TcpListener::bind(address).await?;
        let listener = listener.tap_io(|stream| {
            // An error shows in the next read.
            let _ = stream.set_nodelay(true);
        });
        Ok(axum::serve(listener, router).await?)
    });
    served.map_err(|error: Failure| error.to_string())
}

fn ours() -> Result<Router, Failure> {
    let guard = ServiceBuilder::new()
        .layer(CloseFrameLayer::new())
        .layer(origins()?)
        .layer(JwtLayer::new(jwt()?));
    Ok(Router::new().route("/ws", any(upgraded).layer(guard)))
}

fn leased() -> Result<Router, Failure> {
    let guard = ServiceBuilder::new()
        .layer(CloseFrameLayer::new())
        .layer(origins()?)
        .layer(JwtLayer::new(jwt()?))
        .layer(LeaseLayer::expiry_only());
    Ok(Router::new().route("/ws", any(upgraded).layer(guard)))
}

fn origins() -> Result<OriginLayer, Failure> {
    Ok(OriginLayer::new(
        Origins::new([PAGE])?,
        MissingOrigin::Allow,
    ))
}

fn jwt() -> Result<Jwt<FourStrings>, Failure> {
    let carriers = Carriers::builder().query("token").build()?;
    let jwt = Jwt::builder(Key::hs256(SECRET)?)
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .carriers(carriers);
    Ok(jwt.build()?)
}

async fn upgraded(upgrade: WebSocketUpgrade) -> Response {
    small(upgrade).on_upgrade(echo)
}

/// The read buffer that the page about costs recommends. By default it is 128 KiB, in memory from
/// the first read on.
fn small(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade.read_buffer_size(4096)
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let is_data = matches!(message, Message::Text(_) | Message::Binary(_));
        if is_data && socket.send(message).await.is_err() {
            return;
        }
    }
}

/// What an application checks by hand.
struct Rules {
    key: DecodingKey,
    validation: Validation,
}

impl Rules {
    fn new() -> Result<Arc<Self>, Failure> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        let key = DecodingKey::from_secret(SECRET.as_bytes())?;
        Ok(Arc::new(Self { key, validation }))
    }

    fn allow(&self, headers: &HeaderMap, query: Option<&str>) -> bool {
        let is_ours = headers.get(ORIGIN).is_none_or(|origin| origin == PAGE);
        let mut pairs = query.unwrap_or_default().split('&');
        let token = pairs.find_map(|pair| pair.strip_prefix("token="));
        is_ours
            && token.is_some_and(|token| {
                jsonwebtoken::decode::<FourStrings>(token, &self.key, &self.validation).is_ok()
            })
    }
}

fn by_hand(buffered: fn(WebSocketUpgrade) -> WebSocketUpgrade) -> Result<Router, Failure> {
    let handler =
        async move |State(rules): State<Arc<Rules>>, head: Parts, upgrade: WebSocketUpgrade| {
            if !rules.allow(&head.headers, head.uri.query()) {
                return StatusCode::UNAUTHORIZED.into_response();
            }
            buffered(upgrade).on_upgrade(echo)
        };
    Ok(Router::new()
        .route("/ws", any(handler))
        .with_state(Rules::new()?))
}

fn socket_io_by_hand() -> Result<Router, Failure> {
    async fn check(State(rules): State<Arc<Rules>>, request: Request, next: Next) -> Response {
        if !rules.allow(request.headers(), request.uri().query()) {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        next.run(request).await
    }
    async fn connected(socket: SocketRef) {
        socket.on("echo", async |socket: SocketRef, text: Data<String>| {
            // It fails if the client has left.
            let _ = socket.emit("echo", &text.0);
        });
    }
    let (socket_io, io) = SocketIo::new_layer();
    io.ns("/", connected);
    let guarded = ServiceBuilder::new()
        .layer(from_fn_with_state(Rules::new()?, check))
        .service(socket_io.layer(Router::<()>::new()));
    Ok(Router::new().route_service("/socket.io/", guarded))
}

async fn in_front_of(address: SocketAddr, upstream: &[String]) -> Result<(), Failure> {
    use clap::Parser as _;

    let [upstream] = upstream else {
        return Err("the gateway wants an upstream".into());
    };
    let (listen, upstream) = (address.to_string(), format!("http://{upstream}"));
    let options = gateway::Options::try_parse_from([
        "gateway",
        "--listen",
        &listen,
        "--upstream",
        &upstream,
        "--origin",
        PAGE,
        "--jwt-secret",
        SECRET,
        "--jwt-issuer",
        ISSUER,
        "--jwt-audience",
        AUDIENCE,
        "--max-connections",
        "60000",
    ])?;
    let gateway = Gateway::bind(options).await?;
    gateway.serve(std::future::pending()).await;
    Ok(())
}
