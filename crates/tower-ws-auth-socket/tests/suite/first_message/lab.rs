//! A server that takes its credentials from first messages, and a client that writes and reads frames.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::routing::{MethodRouter, any};
use http::request::Parts;
use test_support::frame::{self, CLOSE, Frame, TEXT, masked};
use test_support::{Gauge, bounded, handshake};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tower_ws_auth_core::credential::{Carriers, Credential};
use tower_ws_auth_core::{
    AuthLayer, Authenticate, Authenticated, BoxFuture, Grant, Rejection, RejectionKind,
};
use tower_ws_auth_socket::first_message::{FirstMessageLayer, MessageFormat};

/// A strategy that knows nothing of messages. What a credential says is what becomes of it.
#[derive(Clone)]
pub(crate) struct Names {
    carriers: Carriers,
    /// Decisions under way.
    pub(crate) deciding: Gauge,
    /// Lets one decision about `slow` go on.
    pub(crate) sign: Arc<Notify>,
}

impl Names {
    pub(crate) fn new() -> Self {
        Self {
            carriers: carriers(),
            deciding: Gauge::default(),
            sign: Arc::default(),
        }
    }
}

pub(crate) fn carriers() -> Carriers {
    let carriers = Carriers::builder().query("token").bearer_header();
    carriers.build().unwrap()
}

impl Authenticate for Names {
    type Credential = Credential;
    type Verified = String;
    type Identity = String;
    type Future = BoxFuture<Result<Grant<String>, Rejection>>;

    fn take(&self, head: &mut Parts) -> Result<Option<Credential>, Rejection> {
        self.carriers.take(head)
    }

    fn verify(&self, credential: Credential, _: &Parts) -> Self::Future {
        let held = self.deciding.hold();
        let sign = Arc::clone(&self.sign);
        Box::pin(async move {
            let _held = held;
            let name = credential.as_str();
            let refused = match name {
                "expired" => Some(RejectionKind::TokenExpired),
                "unknown" => Some(RejectionKind::TokenInvalid),
                "banned" => Some(RejectionKind::Forbidden),
                "down" => Some(RejectionKind::Unavailable),
                _ => None,
            };
            if let Some(kind) = refused {
                return Err(Rejection::new(kind, "as it says"));
            }
            match name {
                "never" => std::future::pending().await,
                "slow" => sign.notified().await,
                _ => {}
            }
            let grant = Grant::new(name.to_owned()).revocable_by(format!("user:{name}"));
            Ok(match name {
                "brief" => grant.until(SystemTime::now() + Duration::from_millis(400)),
                _ => grant,
            })
        })
    }

    fn admit(&self, name: String, _: &Parts) -> Result<String, Rejection> {
        Ok(name)
    }
}

/// Nothing in the layer takes longer than a test is patient, unless the test is about that.
pub(crate) fn patient(format: MessageFormat) -> FirstMessageLayer {
    FirstMessageLayer::new(format)
        .timeout(2 * test_support::PATIENCE)
        .deadline(2 * test_support::PATIENCE)
        .answer_timeout(2 * test_support::PATIENCE)
        .reject_delay(Duration::ZERO)
}

/// `{"type":"auth","token":…}`
pub(crate) fn json() -> MessageFormat {
    MessageFormat::json("token").expecting("type", "auth")
}

/// What is sent in that format.
pub(crate) fn auth(name: &str) -> String {
    format!(r#"{{"type":"auth","token":"{name}"}}"#)
}

/// Echoes each text with the user's name, and knows nothing of how that one came.
pub(crate) async fn echo(
    upgrade: WebSocketUpgrade,
    user: Authenticated<String>,
) -> axum::response::Response {
    let user = user.to_string();
    upgrade
        .protocols(["chat.v1", "graphql-transport-ws"])
        .on_upgrade(|socket| echoed(socket, user))
}

async fn echoed(mut socket: WebSocket, user: String) {
    while let Some(Ok(message)) = socket.recv().await {
        if let Message::Text(text) = message
            && socket
                .send(Message::text(format!("{user}: {text}")))
                .await
                .is_err()
        {
            return;
        }
    }
}

/// A route with the two layers, and the strategy.
pub(crate) fn route(layer: FirstMessageLayer) -> (MethodRouter, Names) {
    let names = Names::new();
    let layers = tower::ServiceBuilder::new()
        .layer(layer)
        .layer(AuthLayer::new(names.clone()));
    (any(echo).layer(layers), names)
}

/// Serves it at `/ws`.
pub(crate) async fn serve(route: MethodRouter) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/ws", route);
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

/// A server of the layer with JSON messages.
pub(crate) async fn server() -> SocketAddr {
    serve(route(patient(json())).0).await
}

/// A client after its handshake.
pub(crate) struct Client<I = TcpStream>(pub(crate) I);

impl Client {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self::open_with(address, "/ws", "").await
    }

    pub(crate) async fn open_with(address: SocketAddr, target: &str, fields: &str) -> Self {
        Self(handshake::open(address, target, fields).await)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Client<I> {
    pub(crate) async fn say(&mut self, text: &str) {
        self.send(&masked(true, TEXT, text.as_bytes())).await;
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn frame(&mut self) -> Frame {
        bounded("a frame", frame::read(&mut self.0)).await.unwrap()
    }

    pub(crate) async fn hears(&mut self, text: &str) {
        let frame = self.frame().await;
        assert_eq!(String::from_utf8_lossy(&frame.payload), text);
        assert_eq!(frame.opcode, TEXT);
    }

    /// Reads the close frame, answers it, and reads the end of the stream.
    pub(crate) async fn closed(mut self) -> (u16, String) {
        let frame = self.frame().await;
        let (code, reason) = frame.close().unwrap_or_else(|| panic!("{frame:?}"));
        // The server may have ended the stream already.
        let _ = self
            .0
            .write_all(&masked(true, CLOSE, &code.to_be_bytes()))
            .await;
        let end = bounded("the end", self.0.read(&mut [0])).await;
        assert!(matches!(end, Ok(0)), "{end:?}");
        (code, reason.to_owned())
    }

    pub(crate) async fn reads_close(self, code: u16, reason: &str) {
        assert_eq!(self.closed().await, (code, reason.to_owned()));
    }

    /// Is echoed as this user.
    pub(crate) async fn is(&mut self, name: &str) {
        self.say("hello").await;
        self.hears(&format!("{name}: hello")).await;
    }
}
