//! A server whose sockets end with their leases, over any transport.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Html;
use axum::routing::{any, get, post};
use futures_util::{SinkExt, StreamExt};
use http::Uri;
use http::request::Parts;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tower::ServiceBuilder;
use tower_ws_auth::lease::{DisconnectReason, LeaseLayer};
use tower_ws_auth::{
    AuthLayer, AuthenticateExt, CloseFrameLayer, Grant, MemoryRevocations, Rejection,
    RejectionKind, Revocations,
};

use crate::browser::PATIENCE;
use crate::transport::{Requests, Transport};

/// The byte that fills every message, so that a torn one shows.
pub(crate) const FILL: u8 = 9;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) revocations: Revocations,
    pub(crate) layer: LeaseLayer,
    pub(crate) requests: Requests,
    running: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) async fn start(transport: Transport) -> Self {
        let hour = Duration::from_secs(3600);
        let revocations = Revocations::new(MemoryRevocations::new(hour, 1000));
        let layer = LeaseLayer::new(revocations.clone())
            // As long as a slow machine may take to read what comes before the close frame.
            .deadline(PATIENCE);
        let stack = ServiceBuilder::new()
            .layer(
                CloseFrameLayer::new()
                    // Browsers open the WebSockets of a host one after the other, so reject delays
                    // would add up.
                    .reject_delay(Duration::ZERO)
                    .deadline(PATIENCE),
            )
            .layer(AuthLayer::new(strategy.revocable(revocations.clone())))
            .layer(layer.clone());
        let running = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&running);
        let revoking = revocations.clone();
        let handler = any(
            async move |Path(name): Path<String>, uri: Uri, upgrade: WebSocketUpgrade| {
                upgrade.on_upgrade(async move |socket| {
                    count.fetch_add(1, Ordering::SeqCst);
                    match name.as_str() {
                        "echo" => echo(socket).await,
                        "once" => once(socket, &uri, &revoking).await,
                        _ => duplex(socket).await,
                    }
                    count.fetch_sub(1, Ordering::SeqCst);
                })
            },
        );
        let router = Router::new()
            .route(
                "/",
                get(async || Html("<!doctype html><title>sockets</title>")),
            )
            .route("/length", post(async |body: Bytes| body.len().to_string()))
            .route("/ws/{name}", handler.layer(stack));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            address: listener.local_addr().unwrap(),
            revocations,
            layer,
            running,
            requests: transport.serve(router, listener),
        }
    }

    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }
}

/// `?user=ada&ms=500`: the user, and the life of the grant.
fn strategy(
    head: &mut Parts,
) -> impl Future<Output = Result<Grant<String>, Rejection>> + Send + use<> {
    let now = SystemTime::now();
    let user = value(&head.uri, "user").map(ToOwned::to_owned);
    let ms = value(&head.uri, "ms").map(|ms| Duration::from_millis(ms.parse().unwrap()));
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

fn value<'a>(uri: &'a Uri, name: &str) -> Option<&'a str> {
    let query = uri.query().unwrap_or_default();
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(of, _)| *of == name).map(|(_, value)| value)
}

/// Revokes its own user after the first message, and reads on until it is ended.
async fn once(mut socket: WebSocket, uri: &Uri, revocations: &Revocations) {
    let Some(Ok(_)) = socket.recv().await else {
        return;
    };
    let key = format!("user:{}", value(uri, "user").unwrap());
    revocations
        .revoke(&key, DisconnectReason::Revoked)
        .await
        .unwrap();
    while let Some(Ok(_)) = socket.recv().await {}
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if matches!(message, Message::Binary(_)) && socket.send(message).await.is_err() {
            return;
        }
    }
}

const BETWEEN_MESSAGES: Duration = Duration::from_millis(20);

async fn duplex(socket: WebSocket) {
    let (mut sink, mut stream) = socket.split();
    let writing = tokio::spawn(async move {
        for n in 1.. {
            // Now and then larger than any buffer on the way.
            let size = if n % 16 == 0 { 90_000 } else { n * 31 % 3000 };
            if sink.send(Message::binary(vec![FILL; size])).await.is_err() {
                return;
            }
            sleep(BETWEEN_MESSAGES).await;
        }
    });
    while let Some(Ok(_)) = stream.next().await {}
    writing.await.unwrap();
}
