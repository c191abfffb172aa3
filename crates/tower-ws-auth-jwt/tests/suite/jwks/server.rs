//! A server that publishes documents, well or badly, and counts how often it is asked.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::{StatusCode, Uri, header};
use serde_json::Value;
use tokio::task::AbortHandle;
use tower_ws_auth_core::Clock;
use tower_ws_auth_jwt::{Jwks, JwksBuilder, Jwt, KeySource};

#[derive(Clone)]
pub(crate) enum Reply {
    Text(String),
    Cached(String, &'static str),
    Status(u16),
    /// A document under another status than 200.
    Under(u16, String),
    Redirect(String),
    /// Bytes without an end.
    Endless,
    /// No answer.
    Silence,
    /// This, after a while.
    Late(Duration, String),
}

/// What it answers to each path, and how often it was asked.
type Replies = Arc<Mutex<HashMap<String, (Reply, usize)>>>;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    replies: Replies,
    task: AbortHandle,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let replies = Replies::default();
        let app = axum::Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&replies));
        let serve = async move { axum::serve(listener, app).await.unwrap() };
        let task = tokio::spawn(serve).abort_handle();
        Self {
            address,
            replies,
            task,
        }
    }

    /// One that publishes a set at `/jwks`.
    pub(crate) async fn publishing(set: String) -> Self {
        let server = Self::start().await;
        server.publish("/jwks", Reply::Text(set));
        server
    }

    pub(crate) fn publish(&self, path: &str, reply: Reply) {
        let mut replies = self.replies.lock().unwrap();
        let entry = replies.entry(path.to_owned());
        entry.or_insert((Reply::Silence, 0)).0 = reply;
    }

    pub(crate) fn asked(&self, path: &str) -> usize {
        let replies = self.replies.lock().unwrap();
        replies.get(path).map_or(0, |(_, count)| *count)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A client of `/jwks` that makes no fetch of its own accord.
    pub(crate) fn jwks(&self) -> JwksBuilder {
        patient(Jwks::builder(self.url("/jwks")))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) use test_support::PATIENCE;

/// Times beyond all patience: what is refused, is refused for another reason.
pub(crate) fn patient(builder: JwksBuilder) -> JwksBuilder {
    builder.timeout(2 * PATIENCE).wait(4 * PATIENCE)
}

/// For servers that do not answer.
pub(crate) fn impatient(builder: JwksBuilder) -> JwksBuilder {
    patient(builder).timeout(Duration::from_millis(300))
}

async fn answer(State(replies): State<Replies>, url: Uri) -> Response {
    let reply = {
        let mut replies = replies.lock().unwrap();
        let Some((reply, count)) = replies.get_mut(url.path()) else {
            return StatusCode::NOT_FOUND.into_response();
        };
        *count += 1;
        reply.clone()
    };
    match reply {
        Reply::Text(text) => text.into_response(),
        Reply::Cached(text, cache) => ([(header::CACHE_CONTROL, cache)], text).into_response(),
        Reply::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Reply::Under(status, text) => (StatusCode::from_u16(status).unwrap(), text).into_response(),
        Reply::Redirect(to) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        Reply::Endless => {
            let chunk = Ok::<_, Infallible>(Bytes::from_static(&[b' '; 4096]));
            Response::new(Body::from_stream(stream::repeat(chunk)))
        }
        Reply::Silence => std::future::pending().await,
        Reply::Late(pause, text) => {
            tokio::time::sleep(pause).await;
            text.into_response()
        }
    }
}

/// A clock that a test sets forward.
#[derive(Clone, Default)]
pub(crate) struct Hands(Arc<AtomicU64>);

impl Hands {
    pub(crate) fn clock(&self) -> Clock {
        let hands = Arc::clone(&self.0);
        Clock::from_fn(move || Clock::at(1_700_000_000 + hands.load(Ordering::SeqCst)))
    }

    pub(crate) fn forward(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

pub(crate) fn jwt(keys: impl Into<KeySource>) -> Jwt<Value> {
    Jwt::builder(keys).build().unwrap()
}

/// `accepted`, or the rejection's public reason, after a wait if need be.
pub(crate) async fn verdict(jwt: &Jwt<Value>, token: &str) -> &'static str {
    jwt.verify_token_or_wait(token)
        .await
        .map_or_else(|rejection| rejection.reason(), |_| "accepted")
}
