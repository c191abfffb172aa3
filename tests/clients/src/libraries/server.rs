//! A server that client libraries connect to, which refuses or ends them in their language.

use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Html;
use axum::routing::{any, get, post};
use http::Uri;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower::ServiceBuilder;
use tower_ws_auth::{
    AuthLayer, AuthenticateExt, ClientProtocol, CloseFrameLayer, DisconnectReason, Grant,
    LeaseLayer, MemoryRevocations, Rejection, RejectionKind, Revocations,
};

use super::bundle::bundle;

/// The script runs the job in the fragment.
const PAGE: &str = r#"<!doctype html><title>-</title><script src="/bundle.js"></script>"#;

/// The language of a library's server: what it says first, and its answers.
#[derive(Clone, Copy, Debug)]
pub struct Speech {
    /// Its first messages.
    pub greeting: &'static [&'static str],
    /// A text in a message, and the answer to it.
    pub answers: &'static [(&'static str, &'static str)],
    /// Its messages are binary.
    pub binary: bool,
}

impl Speech {
    fn message(&self, text: &str) -> Message {
        if self.binary {
            Message::binary(text.as_bytes().to_vec())
        } else {
            Message::text(text)
        }
    }
}

/// A running server for one case.
#[derive(Clone, Debug)]
pub struct LibraryServer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    address: SocketAddr,
    /// It takes every client once somebody has refreshed.
    by_state: bool,
    attempts: AtomicUsize,
    refreshed: AtomicBool,
    ended: Mutex<Option<RejectionKind>>,
    revocations: Revocations,
    /// What the script in the page has said.
    lines: watch::Sender<Option<Vec<String>>>,
}

impl LibraryServer {
    /// Starts it, with the client's protocol and the hold that is usual.
    ///
    /// # Errors
    ///
    /// No port is free.
    pub async fn start(
        protocol: ClientProtocol,
        speech: Speech,
        hold: Duration,
        by_state: bool,
    ) -> io::Result<Self> {
        let store = MemoryRevocations::new(Duration::from_secs(3600), 1000);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let server = Self(Arc::new(Inner {
            address: listener.local_addr()?,
            by_state,
            attempts: AtomicUsize::new(0),
            refreshed: AtomicBool::new(false),
            ended: Mutex::new(None),
            revocations: Revocations::builder(store)
                .allowed_skew(Duration::ZERO)
                .build(),
            lines: watch::Sender::default(),
        }));
        let strategy = server.clone();
        let strategy = move |head: &mut Parts| strategy.decide(head);
        let revocations = server.0.revocations.clone();
        let layers = ServiceBuilder::new()
            .layer(
                CloseFrameLayer::new()
                    .client_protocol(protocol.clone())
                    .reject_delay(hold),
            )
            .layer(AuthLayer::new(strategy.revocable(revocations.clone())))
            .layer(LeaseLayer::new(revocations).client_protocol(protocol));
        let handler = move |upgrade: WebSocketUpgrade| async move {
            let subprotocols = [
                "phoenix",
                "graphql-transport-ws",
                "graphql-ws",
                "actioncable-v1-json",
                "v12.stomp",
                "mqtt",
            ];
            let upgrade = upgrade.protocols(subprotocols);
            upgrade.on_upgrade(move |socket| speak(socket, speech))
        };
        let router = Router::new()
            .route(
                "/refresh",
                get(async |State(server): State<Self>| server.refresh()),
            )
            .route("/end", get(Self::end))
            .route("/page", get(async || Html(PAGE)))
            .route(
                "/bundle.js",
                get(async || ([(CONTENT_TYPE, "text/javascript")], bundle().await)),
            )
            .route(
                "/lines",
                post(async |State(server): State<Self>, lines: String| server.say(&lines)),
            )
            .fallback_service(any(handler).layer(layers).with_state(()))
            .with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(server)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.0.address.port()
    }

    /// How many handshakes it has seen.
    pub fn attempts(&self) -> usize {
        self.0.attempts.load(Ordering::SeqCst)
    }

    /// The lines of the script that runs a job in a page, once it has ended.
    pub async fn lines(&self) -> Vec<String> {
        let mut lines = self.0.lines.subscribe();
        let lines = lines.wait_for(Option::is_some).await;
        lines.map_or_else(|_| Vec::new(), |lines| lines.clone().unwrap_or_default())
    }

    /// By the word that the client has put into its URL or its `Authorization`.
    fn decide(&self, head: &Parts) -> Ready<Result<Grant<()>, Rejection>> {
        self.0.attempts.fetch_add(1, Ordering::SeqCst);
        let bearer = head.headers.get(AUTHORIZATION);
        let bearer = bearer.and_then(|bearer| bearer.to_str().ok());
        let target = [&head.uri.to_string(), bearer.unwrap_or_default()].concat();
        let is_new = if self.0.by_state {
            self.0.refreshed.load(Ordering::SeqCst)
        } else {
            target.contains("fresh")
        };
        let refused = match () {
            () if is_new => None,
            () if target.contains("expired") => Some(RejectionKind::TokenExpired),
            () if target.contains("forbidden") => Some(RejectionKind::Forbidden),
            () if target.contains("busy") => Some(RejectionKind::Unavailable),
            () => *self.0.ended.lock().unwrap_or_else(PoisonError::into_inner),
        };
        ready(match refused {
            Some(kind) => Err(Rejection::new(kind, "as the client asks")),
            None => Ok(Grant::new(())
                .issued_at(SystemTime::now())
                .revocable_by("all")),
        })
    }

    fn refresh(&self) {
        self.0.refreshed.store(true, Ordering::SeqCst);
    }

    fn say(&self, lines: &str) {
        let lines = serde_json::from_str(lines).unwrap_or_default();
        self.0.lines.send_replace(Some(lines));
    }

    async fn end(State(server): State<Self>, target: Uri) {
        let expired = target.query() == Some("reason=token_expired");
        let (reason, kind) = if expired {
            (DisconnectReason::TokenExpired, RejectionKind::TokenExpired)
        } else {
            (DisconnectReason::Revoked, RejectionKind::Forbidden)
        };
        *server
            .0
            .ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(kind);
        // The store is in memory.
        let _ = server.0.revocations.revoke("all", reason).await;
    }
}

async fn speak(mut socket: WebSocket, speech: Speech) {
    for greeting in speech.greeting {
        if socket.send(speech.message(greeting)).await.is_err() {
            return;
        }
    }
    while let Some(Ok(message)) = socket.recv().await {
        let Ok(text) = message.to_text() else {
            continue;
        };
        let mut answers = speech.answers.iter();
        if let Some((_, answer)) = answers.find(|(part, _)| text.contains(part)) {
            let mut answer = (*answer).to_owned();
            // Phoenix numbers its messages.
            if let Ok(numbers) = serde_json::from_str::<Vec<serde_json::Value>>(text) {
                for (name, number) in ["$join", "$ref"].into_iter().zip(numbers) {
                    answer = answer.replace(name, &number.to_string());
                }
            }
            if socket.send(speech.message(&answer)).await.is_err() {
                return;
            }
        }
    }
}
