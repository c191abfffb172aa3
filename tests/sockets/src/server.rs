use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{Message as AxumMessage, WebSocketUpgrade};
use axum::routing::any;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use test_support::SECRET;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tower::ServiceBuilder;
use tower::util::BoxCloneSyncService;
use tower_ws_auth::credential::{Carriers, SubprotocolFormat};
use tower_ws_auth::jwt::{Jwt, Key};
use tower_ws_auth::{
    AuthLayer, Authenticated, CloseFrameLayer, JwtLayer, MissingOrigin, OriginLayer, Origins,
    ResponseBody,
};

use crate::tokens::Claims;

/// The layers in their order.
#[derive(Clone, Debug)]
pub struct Stack {
    /// Outermost.
    pub close: CloseFrameLayer,
    /// Allows `https://app.example`, and requests without `Origin`.
    pub origin: OriginLayer,
    /// HS256 with [`SECRET`], in every carrier; the cookie is `jwt`.
    pub jwt: JwtLayer<Claims>,
}

impl Default for Stack {
    fn default() -> Self {
        Self::try_default().unwrap_or_else(|error| unreachable!("a valid configuration: {error}"))
    }
}

impl Stack {
    fn try_default() -> Result<Self, Box<dyn std::error::Error>> {
        let carriers = Carriers::builder()
            .query("token")
            .query_bearer("Authorization")
            .bearer_header()
            .subprotocol(SubprotocolFormat::Phoenix)
            .subprotocol(SubprotocolFormat::Kubernetes)
            .cookie("jwt")
            .build()?;
        let jwt = Jwt::builder(Key::hs256(SECRET)?)
            .carriers(carriers)
            .build()?;
        let origins = Origins::new(["https://app.example"])?;
        Ok(Self {
            // Most tests are not about the reject delay and the deadline.
            close: CloseFrameLayer::new()
                .reject_delay(Duration::ZERO)
                .deadline(Duration::from_secs(60)),
            origin: OriginLayer::new(origins, MissingOrigin::Allow),
            jwt: AuthLayer::new(jwt),
        })
    }

    /// The default with another close layer.
    pub fn closing(close: CloseFrameLayer) -> Self {
        Self {
            close,
            ..Self::default()
        }
    }
}

/// A running server that echoes text on `/ws`.
#[derive(Debug)]
pub struct Server {
    /// `axum` or `hyper`.
    pub name: &'static str,
    /// The address on which it listens.
    pub address: SocketAddr,
    /// The requests that reached the service behind the layers.
    pub echo: Echo,
}

/// The requests that reached the service behind the layers.
#[derive(Clone, Debug, Default)]
pub struct Echo {
    calls: Arc<AtomicUsize>,
    messages: Arc<AtomicUsize>,
}

impl Echo {
    /// The number of its calls.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// The number of messages that reached it.
    pub fn messages(&self) -> usize {
        self.messages.load(Ordering::SeqCst)
    }
}

/// The same stack behind axum and behind bare hyper.
///
/// # Errors
///
/// No port is free.
pub async fn servers(stack: Stack) -> std::io::Result<[Server; 2]> {
    Ok([
        Server::axum(stack.clone()).await?,
        Server::hyper(stack).await?,
    ])
}

/// The same stack behind both servers, over HTTP/2.
///
/// # Errors
///
/// No port is free.
pub async fn http2_servers(stack: Stack) -> std::io::Result<[Server; 2]> {
    Ok([
        Server::axum(stack.clone()).await?,
        Server::hyper_http2(stack).await?,
    ])
}

impl Server {
    /// Behind `axum::serve`, which speaks HTTP/1.1 and HTTP/2.
    ///
    /// # Errors
    ///
    /// No port is free.
    pub async fn axum(stack: Stack) -> std::io::Result<Self> {
        let echo = Echo::default();
        let seen = echo.clone();
        let handler = async move |upgrade: WebSocketUpgrade, user: Authenticated<Claims>| {
            seen.calls.fetch_add(1, Ordering::SeqCst);
            upgrade
                .protocols(["chat.v1", "phoenix"])
                .on_upgrade(async move |mut socket| {
                    while let Some(Ok(message)) = socket.recv().await {
                        if let AxumMessage::Text(text) = message {
                            seen.messages.fetch_add(1, Ordering::SeqCst);
                            let answer = format!("{}: {text}", user.sub);
                            if socket.send(AxumMessage::text(answer)).await.is_err() {
                                return;
                            }
                        }
                    }
                })
        };
        let layers = ServiceBuilder::new()
            .layer(stack.close)
            .layer(stack.origin)
            .layer(stack.jwt);
        let router = Router::new().route("/ws", any(handler).layer(layers));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self {
            name: "axum",
            address,
            echo,
        })
    }

    /// Behind hyper's http1 server, without axum.
    ///
    /// # Errors
    ///
    /// No port is free.
    pub async fn hyper(stack: Stack) -> std::io::Result<Self> {
        Self::bare("hyper", stack, |stream, service| {
            let connection = http1::Builder::new().serve_connection(stream, service);
            tokio::spawn(connection.with_upgrades());
        })
        .await
    }

    /// Behind hyper's http2 server, without axum.
    ///
    /// # Errors
    ///
    /// No port is free.
    pub async fn hyper_http2(stack: Stack) -> std::io::Result<Self> {
        Self::bare("hyper, HTTP/2", stack, |stream, service| {
            let connection = http2::Builder::new(TokioExecutor::new())
                .enable_connect_protocol()
                .serve_connection(stream, service);
            tokio::spawn(connection);
        })
        .await
    }

    async fn bare(
        name: &'static str,
        stack: Stack,
        serve: impl Fn(TokioIo<TcpStream>, TowerToHyperService<Bare>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let echo = Echo::default();
        let seen = echo.clone();
        let service = ServiceBuilder::new()
            .layer(stack.close)
            .layer(stack.origin)
            .layer(stack.jwt)
            .service_fn(move |request| bare_echo(request, seen.clone()));
        let service = Bare::new(service);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(
                    TokioIo::new(stream),
                    TowerToHyperService::new(service.clone()),
                );
            }
        });
        Ok(Self {
            name,
            address,
            echo,
        })
    }
}

/// The stack behind one of hyper's servers, boxed because its type has no name.
type Bare = BoxCloneSyncService<Request<Incoming>, Response<Body>, Infallible>;
/// Each layer may answer in place of its inner service.
type Body = ResponseBody<ResponseBody<ResponseBody<Empty<Bytes>>>>;

/// Echoes text with the user's name before it, without axum. Speaks `chat.v1` and `phoenix`.
///
/// # Errors
///
/// Never.
pub async fn bare_echo<B: Default>(
    mut request: Request<Incoming>,
    seen: Echo,
) -> Result<Response<B>, Infallible> {
    seen.calls.fetch_add(1, Ordering::SeqCst);
    let upgrade = hyper::upgrade::on(&mut request);
    let user = request.extensions().get::<Authenticated<Claims>>().cloned();
    tokio::spawn(async move {
        let Some((io, user)) = upgrade.await.ok().zip(user) else {
            return;
        };
        let mut socket =
            WebSocketStream::from_raw_socket(TokioIo::new(io), Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            if let Ok(text) = message.to_text().map(ToOwned::to_owned) {
                if !message.is_text() {
                    continue;
                }
                seen.messages.fetch_add(1, Ordering::SeqCst);
                if socket
                    .send(format!("{}: {text}", user.sub).into())
                    .await
                    .is_err()
                {
                    return;
                }
            }
        }
    });

    let mut response = Response::new(B::default());
    let key = request
        .headers()
        .get(SEC_WEBSOCKET_KEY)
        .map(http::HeaderValue::as_bytes);
    // RFC 8441 §5: over HTTP/2 a 200 is enough.
    if request.method() != http::Method::CONNECT {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, http::HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, http::HeaderValue::from_static("websocket"));
        let accept = derive_accept_key(key.unwrap_or_default());
        if let Ok(accept) = accept.parse() {
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
    }
    let headers = response.headers_mut();
    let offered = tower_ws_auth::handshake::subprotocols(request.headers());
    let selected = offered
        .into_iter()
        .find(|offer| ["chat.v1", "phoenix"].contains(offer));
    if let Some(selected) = selected.and_then(|selected| selected.parse().ok()) {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, selected);
    }
    Ok(response)
}
