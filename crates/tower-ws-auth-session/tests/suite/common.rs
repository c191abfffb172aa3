//! The shared parts of these tests.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Request, Response};
use serde::{Deserialize, Serialize};
use test_support::handshake;
use tower::{Layer, Service, ServiceExt};
use tower_ws_auth_core::origin::Origins;
use tower_ws_auth_core::{Authenticate, Authenticated, Clock, Rejection, Validity};
use tower_ws_auth_session::{
    MemorySessions, Replaced, Secrets, Session, SessionId, SessionStore, Sessions, SessionsBuilder,
    StoreError, StoreFuture, StoredSession,
};

pub(crate) const PAGE: &str = "https://example.com";
pub(crate) const SECRET: &str = "keyboard cat, and a few others";
/// 2026-11-20T20:00:00Z, before the end of the recorded session.
pub(crate) const NOW: u64 = 1_795_204_800;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
}

pub(crate) fn ada() -> Record {
    Record {
        user: Some("ada".into()),
    }
}

pub(crate) fn secrets() -> Secrets {
    Secrets::express([SECRET]).unwrap()
}

/// A clock and its hand.
#[derive(Clone)]
pub(crate) struct Hand(Arc<AtomicU64>);

impl Hand {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(NOW)))
    }

    pub(crate) fn clock(&self) -> Clock {
        let seconds = Arc::clone(&self.0);
        Clock::from_fn(move || Clock::at(seconds.load(Ordering::Relaxed)))
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

/// A store of one record that can be anything, is in trouble on demand, and counts.
#[derive(Clone, Default)]
pub(crate) struct Odd {
    pub(crate) record: Option<String>,
    pub(crate) trouble: Option<Trouble>,
    pub(crate) asked: Arc<AtomicUsize>,
    pub(crate) written: Arc<AtomicUsize>,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Trouble {
    Fails,
    Hangs,
    /// Every write is answered by "no such session".
    Forgets,
    FailsToWrite,
}

impl Odd {
    pub(crate) fn in_trouble(self, trouble: Trouble) -> Self {
        Self {
            trouble: Some(trouble),
            ..self
        }
    }

    pub(crate) fn holding(record: impl Into<String>) -> Self {
        Self {
            record: Some(record.into()),
            ..Self::default()
        }
    }

    fn answer<'a, T: Send + 'a>(&self, value: T) -> StoreFuture<'a, T> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let trouble = self.trouble;
        Box::pin(async move {
            if trouble == Some(Trouble::Hangs) {
                return pending().await;
            }
            if trouble == Some(Trouble::Fails) {
                return Err(StoreError::new("out of order"));
            }
            Ok(value)
        })
    }

    fn write<'a>(&self) -> StoreFuture<'a, bool> {
        self.written.fetch_add(1, Ordering::Relaxed);
        if self.trouble == Some(Trouble::FailsToWrite) {
            return Box::pin(async { Err(StoreError::new("read only")) });
        }
        self.answer(self.trouble != Some(Trouble::Forgets))
    }
}

impl SessionStore for Odd {
    fn create<'a>(&'a self, _: &'a SessionId, _: &'a str, _: Duration) -> StoreFuture<'a, bool> {
        self.write()
    }
    fn load<'a>(&'a self, _: &'a SessionId) -> StoreFuture<'a, Option<StoredSession>> {
        let stored = self
            .record
            .clone()
            .map(|record| StoredSession { record, ttl: None });
        self.answer(stored)
    }
    fn replace<'a>(
        &'a self,
        _: &'a SessionId,
        _: &'a str,
        _: &'a str,
        _: Duration,
    ) -> StoreFuture<'a, Replaced> {
        let written = self.write();
        Box::pin(async {
            let is_there = written.await?;
            Ok(if is_there {
                Replaced::Done
            } else {
                Replaced::Gone
            })
        })
    }
    fn touch<'a>(&'a self, _: &'a SessionId, _: Duration) -> StoreFuture<'a, bool> {
        self.write()
    }
    fn take<'a>(&'a self, _: &'a SessionId) -> StoreFuture<'a, Option<String>> {
        let written = self.write();
        let record = self.record.clone().unwrap_or_else(|| "{}".to_owned());
        Box::pin(async { Ok(written.await?.then_some(record)) })
    }
}

/// Writes a record whole, as Express does.
pub(crate) async fn overwrite(store: &MemorySessions, id: &SessionId, record: &str) {
    let read = store.load(id).await.unwrap().unwrap().record;
    let hour = Duration::from_secs(3600);
    let replaced = store.replace(id, &read, record, hour).await;
    assert_eq!(replaced.unwrap(), Replaced::Done);
}

pub(crate) fn builder(store: impl SessionStore + 'static) -> SessionsBuilder<Record> {
    Sessions::builder(secrets(), store).clock(Clock::fixed(NOW))
}

/// Sessions in memory, and the hand of the clock that both go by.
pub(crate) fn in_memory(
    configure: impl FnOnce(SessionsBuilder<Record>) -> SessionsBuilder<Record>,
) -> (Sessions<Record>, MemorySessions, Hand) {
    let hand = Hand::new();
    let store = MemorySessions::with_clock(1000, hand.clock());
    let builder = Sessions::builder(secrets(), store.clone()).clock(hand.clock());
    (configure(builder).build().unwrap(), store, hand)
}

/// `name=value` of a `Set-Cookie`, as a browser sends it back.
pub(crate) fn pair(set_cookie: &HeaderValue) -> String {
    let line = set_cookie.to_str().unwrap();
    line.split(';').next().unwrap().to_owned()
}

pub(crate) fn cookies(lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append("cookie", HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    headers
}

pub(crate) fn strategy(sessions: &Sessions<Record>) -> Session<Record, String> {
    sessions.strategy(Origins::new([PAGE]).unwrap(), |record| record.user.clone())
}

/// A handshake with these cookies, from this page.
pub(crate) fn handshake(lines: &[&str], origin: Option<&str>) -> Request<()> {
    let request = handshake::request_from("/ws", origin);
    let mut request = request.body(()).unwrap();
    request.headers_mut().extend(cookies(lines));
    request
}

/// The outcome of a request.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) user: Option<String>,
    pub(crate) validity: Validity,
    /// The cookies that the handler saw.
    pub(crate) cookies: Option<String>,
    pub(crate) rejection: Option<Rejection>,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
}

impl Outcome {
    /// The public reason of the refusal, or `accepted`.
    pub(crate) fn reason(&self) -> &'static str {
        self.rejection
            .as_ref()
            .map_or("accepted", Rejection::reason)
    }
}

/// Sends a request through the layer.
pub(crate) async fn send<A>(strategy: A, request: Request<()>) -> Outcome
where
    A: Authenticate<Identity = String>,
{
    let inner = tower::service_fn(async |request: Request<()>| {
        let mut response = Response::new(());
        *response.extensions_mut() = request.extensions().clone();
        if let Some(left) = request.headers().get("cookie") {
            response.headers_mut().insert("x-cookie", left.clone());
        }
        Ok::<_, std::convert::Infallible>(response)
    });
    let mut service = tower_ws_auth_core::AuthLayer::new(strategy).layer(inner);
    let response = service.ready().await.unwrap().call(request).await.unwrap();
    let extensions = response.extensions();
    let user = extensions.get::<Authenticated<String>>();
    Outcome {
        user: user.map(|user| user.to_string()),
        validity: extensions
            .get()
            .cloned()
            .unwrap_or_else(Validity::of_unknown_age),
        cookies: (response.headers().get("x-cookie")).map(|left| left.to_str().unwrap().to_owned()),
        rejection: extensions.get().cloned(),
        status: response.status().as_u16(),
        headers: response.headers().clone(),
    }
}
