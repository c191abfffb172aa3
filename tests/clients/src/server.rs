use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::routing::{MethodRouter, any};
use http::request::Parts;
use serde::{Deserialize, Serialize};
use test_support::SECRET;
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower::util::MapResponseLayer;
use tower_ws_auth::close::OriginalStatus;
use tower_ws_auth::jwt::{Jwt, Key};
use tower_ws_auth::ticket::{MemoryTickets, Tickets};
use tower_ws_auth::{
    AuthLayer, Authenticate, AuthenticateExt, CloseFrameLayer, Grant, MissingOrigin, OriginLayer,
    Origins, Rejection, RejectionKind,
};

use crate::ORIGIN;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Claims {
    sub: String,
}

/// A running server. It counts the refusals that it has converted.
#[derive(Debug)]
pub struct Server {
    /// The address on which it listens.
    pub address: SocketAddr,
    converted: Arc<AtomicUsize>,
    called: Arc<AtomicUsize>,
}

impl Server {
    /// One route for each strategy, over HTTP/1.1.
    ///
    /// # Errors
    ///
    /// No port is free.
    pub async fn start() -> Result<Self, Box<dyn std::error::Error>> {
        let (server, router, listener) = Self::bind().await?;
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(server)
    }

    /// The same, to be served by the caller, with or without TLS.
    ///
    /// # Errors
    ///
    /// No port is free.
    pub async fn bind() -> Result<(Self, Router, TcpListener), Box<dyn std::error::Error>> {
        let jwt = Jwt::<Claims>::builder(Key::hs256(SECRET)?).build()?;
        let jwt = jwt.authorize(|claims: &Claims, _: &Parts| claims.sub != "eve");
        let tickets = Tickets::<Claims>::builder(Arc::new(MemoryTickets::new())).build()?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let server = Self {
            address: listener.local_addr()?,
            converted: Arc::default(),
            called: Arc::default(),
        };
        let [plain, tls] = ["http", "https"].map(|scheme| format!("{scheme}://{}", server.address));
        let origins = Origins::new([ORIGIN.to_owned(), plain, tls])?;
        let router = Router::new()
            .route("/jwt", server.route(&origins, jwt))
            .route("/ticket", server.route(&origins, tickets.strategy()))
            .route(
                "/down",
                server.route(&origins, refusing(RejectionKind::Unavailable)),
            )
            .route(
                "/busy",
                server.route(&origins, refusing(RejectionKind::RateLimited)),
            )
            .route(
                "/",
                any(async || axum::response::Html("<!doctype html><title>-</title>")),
            );
        Ok((server, router, listener))
    }

    fn route<A>(&self, origins: &Origins, strategy: A) -> MethodRouter
    where
        A: Authenticate + Send + Sync + 'static,
        A::Future: Send,
    {
        let converted = Arc::clone(&self.converted);
        let called = Arc::clone(&self.called);
        let layers = ServiceBuilder::new()
            .layer(MapResponseLayer::new(move |response: http::Response<_>| {
                if response.extensions().get::<OriginalStatus>().is_some() {
                    converted.fetch_add(1, Ordering::SeqCst);
                }
                response
            }))
            // The reject delay would make ten thousand refusals take minutes. It is tested
            // elsewhere.
            .layer(
                CloseFrameLayer::new()
                    .reject_delay(Duration::ZERO)
                    // Clients on a slow machine must not be cut off.
                    .deadline(Duration::from_secs(60)),
            )
            .layer(OriginLayer::new(origins.clone(), MissingOrigin::Allow))
            .layer(AuthLayer::new(strategy));
        let handler = move |upgrade: WebSocketUpgrade| {
            called.fetch_add(1, Ordering::SeqCst);
            async move { upgrade.on_upgrade(async |_| ()) }
        };
        any(handler).layer(layers)
    }

    /// The number of refusals converted to close frames since the last call.
    pub fn take_converted(&self) -> usize {
        self.converted.swap(0, Ordering::SeqCst)
    }

    /// The number of calls of the handler.
    pub fn called(&self) -> usize {
        self.called.load(Ordering::SeqCst)
    }
}

/// Stands for a failing store, or for a reached limit.
fn refusing(kind: RejectionKind) -> impl Authenticate<Future: Send> + Send + Sync {
    move |_: &mut Parts| ready(Err::<Grant<()>, _>(Rejection::new(kind, "always")))
}
