//! Servers with leases, in a runtime of their own, whose tasks can be counted.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::Path;
use axum::extract::ws::WebSocketUpgrade;
use axum::routing::any;
use bytes::Bytes;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use test_support::{stands_still, until};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tower::ServiceBuilder;
use tower_ws_auth::lease::LeaseLayer;
use tower_ws_auth::{
    AuthLayer, AuthenticateExt, Grant, MemoryRevocations, Rejection, RejectionKind, Revocations,
};

use super::handlers::{self, Handlers};

/// Descriptors are counted for the whole process: one test at a time.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

pub(crate) struct Server {
    pub(crate) axum: SocketAddr,
    pub(crate) hyper: SocketAddr,
    pub(crate) handlers: Handlers,
    pub(crate) revocations: Revocations,
    pub(crate) layer: LeaseLayer,
    runtime: Option<Runtime>,
    idle: (usize, usize),
    _alone: tokio::sync::MutexGuard<'static, ()>,
}

impl Server {
    pub(crate) async fn start(configure: impl FnOnce(LeaseLayer) -> LeaseLayer) -> Self {
        let alone = ALONE.lock().await;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let hour = Duration::from_secs(3600);
        // One process issues and revokes.
        let revocations = Revocations::builder(MemoryRevocations::new(hour, 10_000))
            .allowed_skew(Duration::ZERO)
            .build();
        let layer = configure(LeaseLayer::new(revocations.clone()));
        let handlers = Handlers::default();
        let listeners = [
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
        ];
        let [axum, hyper] = [0, 1].map(|n| listeners[n].local_addr().unwrap());
        let [for_axum, for_hyper] = listeners.map(|listener| listener.into_std().unwrap());
        let stack = ServiceBuilder::new()
            .layer(AuthLayer::new(strategy.revocable(revocations.clone())))
            .layer(layer.clone());

        let of_route = handlers.clone();
        let handler = any(
            async move |Path(name): Path<String>, upgrade: WebSocketUpgrade| {
                let running = of_route.begin();
                upgrade.on_upgrade(move |socket| handlers::axum(name, socket, running))
            },
        );
        let router = Router::new().route("/{name}", handler.layer(stack.clone()));
        runtime.spawn(async move {
            let listener = TcpListener::from_std(for_axum).unwrap();
            axum::serve(listener, router).await
        });

        let of_service = handlers.clone();
        let service = stack.service_fn(move |request| bare(request, of_service.clone()));
        runtime.spawn(async move {
            let listener = TcpListener::from_std(for_hyper).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let service = TowerToHyperService::new(service.clone());
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection.with_upgrades());
            }
        });
        let mut server = Self {
            axum,
            hyper,
            handlers,
            revocations,
            layer,
            runtime: Some(runtime),
            idle: (0, 0),
            _alone: alone,
        };
        let time = Duration::from_millis(100);
        server.idle = stands_still("tasks and descriptors", time, || server.in_use()).await;
        server
    }

    /// Tasks and descriptors.
    fn in_use(&self) -> (usize, usize) {
        let tasks = self.runtime.as_ref().unwrap().metrics().num_alive_tasks();
        (tasks, std::fs::read_dir("/proc/self/fd").unwrap().count())
    }

    /// Waits until handlers run, as many as were opened.
    pub(crate) async fn began(&self, count: usize) {
        until("handlers", || self.handlers.begun() >= count).await;
    }

    /// No handler, no lease, no registration, no task and no descriptor is left.
    pub(crate) async fn is_as_before(&self) {
        until("handlers", || self.handlers.running() == 0).await;
        until("leases", || self.layer.leases().is_empty()).await;
        until("registrations", || self.revocations.is_empty()).await;
        // The layer's timer goes with the last end that it waited for, after a second at most.
        until("tasks", || self.in_use().0 <= self.idle.0).await;
        until("descriptors", || self.in_use().1 <= self.idle.1).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A runtime may not wait for its end inside of another.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// `?user=ada&ms=500&group=red`: the user, the life of the grant, and another key.
fn strategy(
    head: &mut Parts,
) -> impl Future<Output = Result<Grant<Arc<str>>, Rejection>> + Send + use<> {
    let now = SystemTime::now();
    let query = head.uri.query().unwrap_or_default();
    let mut user = None;
    let mut end = None;
    let mut keys = Vec::new();
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match name {
            "user" => user = Some(Arc::from(value)),
            "ms" => end = value.parse().ok().map(|ms| now + Duration::from_millis(ms)),
            _ => {}
        }
        keys.push(format!("{name}:{value}"));
    }
    async move {
        let missing = || Rejection::new(RejectionKind::CredentialsMissing, "no user");
        let mut grant = Grant::new(user.ok_or_else(missing)?).issued_at(now);
        for key in keys {
            grant = grant.revocable_by(key);
        }
        Ok(match end {
            Some(end) => grant.until(end),
            None => grant,
        })
    }
}

/// On `/echo-late300` it answers after 300 ms.
async fn bare(
    mut request: Request<Incoming>,
    handlers: Handlers,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let running = handlers.begin();
    let name = request.uri().path().trim_start_matches('/').to_owned();
    let (name, late) = name.split_once("-late").unwrap_or((&name, "0"));
    let late = Duration::from_millis(late.parse().unwrap());
    let name = name.to_owned();
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::time::sleep(late).await;
    tokio::spawn(async move {
        let io = TokioIo::new(upgrade.await.unwrap());
        let socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
        handlers::bare(name, socket, running).await;
    });
    let key = request.headers().get(SEC_WEBSOCKET_KEY).unwrap();
    let accept = derive_accept_key(key.as_bytes());
    let mut response = Response::new(Empty::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept.parse().unwrap());
    Ok(response)
}
