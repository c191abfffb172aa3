//! A server whose sockets end with their leases, over HTTP/1.1 and over HTTP/2.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Html;
use axum::routing::{any, get};
use futures_util::{SinkExt, StreamExt};
use http::Version;
use http::request::Parts;
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tower::ServiceBuilder;
use tower_ws_auth::lease::LeaseLayer;
use tower_ws_auth::{
    AuthLayer, AuthenticateExt, CloseFrameLayer, Grant, MemoryRevocations, Rejection,
    RejectionKind, Revocations,
};

use crate::driver::PATIENCE;

/// What every message consists of, so that a torn one shows.
pub(crate) const FILL: u8 = 9;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) revocations: Revocations,
    pub(crate) layer: LeaseLayer,
    running: Arc<AtomicUsize>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// How a request came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) version: Version,
    /// An extended CONNECT's.
    pub(crate) protocol: Option<String>,
    pub(crate) path: String,
}

impl Server {
    /// `axum::serve`, without TLS.
    pub(crate) async fn http1() -> Self {
        let (server, router, listener) = Self::new().await;
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    /// TLS that offers HTTP/2 first; extended CONNECT is allowed (RFC 8441 §3).
    pub(crate) async fn http2() -> Self {
        let (server, router, listener) = Self::new().await;
        let tls = tls();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = TowerToHyperService::new(router.clone());
                let accepting = tls.accept(stream);
                tokio::spawn(async move {
                    let Ok(stream) = accepting.await else { return };
                    let mut http = Builder::new(TokioExecutor::new());
                    http.http2().enable_connect_protocol();
                    let io = TokioIo::new(stream);
                    let _ = http.serve_connection_with_upgrades(io, service).await;
                });
            }
        });
        server
    }

    async fn new() -> (Self, Router, TcpListener) {
        let hour = Duration::from_secs(3600);
        let revocations = Revocations::new(MemoryRevocations::new(hour, 1000));
        // More than can be under way on a connection: beyond the cap it is reset in the end, and
        // Chromium calls that unclean, though it reads the code and the reason.
        let layer = LeaseLayer::new(revocations.clone())
            .byte_cap(64 << 20)
            // As long as a slow machine may take to read what comes before the close frame.
            .deadline(PATIENCE);
        let stack = ServiceBuilder::new()
            // Chromium opens one WebSocket of a host after the other: a hold would add up.
            .layer(CloseFrameLayer::new().hold(Duration::ZERO))
            .layer(AuthLayer::new(strategy.revocable(revocations.clone())))
            .layer(layer.clone());
        let running = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&running);
        let handler = any(
            async move |Path(name): Path<String>, upgrade: WebSocketUpgrade| {
                upgrade.on_upgrade(async move |socket| {
                    count.fetch_add(1, Ordering::SeqCst);
                    match name.as_str() {
                        "echo" => echo(socket).await,
                        _ => duplex(socket).await,
                    }
                    count.fetch_sub(1, Ordering::SeqCst);
                })
            },
        );
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let log = Arc::clone(&asked);
        let look = from_fn(move |request: Request, next: Next| {
            let protocol = request.extensions().get::<Protocol>();
            log.lock().unwrap().push(Asked {
                version: request.version(),
                protocol: protocol.map(|protocol| protocol.as_str().to_owned()),
                path: request.uri().path().to_owned(),
            });
            next.run(request)
        });
        let router = Router::new()
            .route(
                "/",
                get(async || Html("<!doctype html><title>sockets</title>")),
            )
            .route("/ws/{name}", handler.layer(stack))
            .layer(look);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            revocations,
            layer,
            running,
            asked,
        };
        (server, router, listener)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }
}

/// `?user=ada&ms=500`: who it is, and for how long.
fn strategy(
    head: &mut Parts,
) -> impl Future<Output = Result<Grant<String>, Rejection>> + Send + use<> {
    let now = SystemTime::now();
    let query = head.uri.query().unwrap_or_default();
    let value = |name| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(of, _)| *of == name).map(|(_, value)| value)
    };
    let user = value("user").map(ToOwned::to_owned);
    let ms = value("ms").map(|ms| Duration::from_millis(ms.parse().unwrap()));
    async move {
        let missing = || Rejection::new(RejectionKind::CredentialsMissing, "no user");
        let user = user.ok_or_else(missing)?;
        let key = format!("user:{user}");
        let grant = Grant::new(user).issued_at(now).revocable_by(key);
        Ok(match ms {
            Some(ms) => grant.until(now + ms),
            None => grant,
        })
    }
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if matches!(message, Message::Binary(_)) && socket.send(message).await.is_err() {
            return;
        }
    }
}

async fn duplex(socket: WebSocket) {
    let (mut sink, mut stream) = socket.split();
    let writing = tokio::spawn(async move {
        for n in 1.. {
            // Now and then larger than any buffer on the way.
            let size = if n % 16 == 0 { 90_000 } else { n * 31 % 3000 };
            if sink.send(Message::binary(vec![FILL; size])).await.is_err() {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    while let Some(Ok(_)) = stream.next().await {}
    writing.await.unwrap();
}

/// A certificate that nobody trusts.
fn tls() -> TlsAcceptor {
    let names = ["127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let key = made.signing_key.serialize_der().try_into().unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}
