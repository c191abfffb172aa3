//! Row 7: signed session cookies.

use std::convert::Infallible;

use axum::body::Body;
use axum_extra::extract::cookie::{Key, SignedCookieJar};
use cookie::{Cookie, CookieJar};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};
use tower::{Layer, Service, service_fn};
use tower_ws_auth::Origins;
use tower_ws_auth::session::{MemorySessions, Secrets, SessionLayer, Sessions};

use crate::{Case, SESSION_USER, handshake, now};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::call("cookie/ours", || ours(false)),
        Case::call("cookie/ours-bad", || ours(true)),
        Case::call("cookie/jar", || jar(false)),
        Case::call("cookie/jar-bad", || jar(true)),
        Case::call("session/ours", layer),
        Case::call("session/bare", bare),
    ]
}

/// The application's part of a session.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) user: String,
}

/// One session, and the cookie that names it.
pub(super) fn sessions() -> (Sessions<Record>, String) {
    let (sessions, _, pair) = stored();
    (sessions, pair)
}

/// The same with its store.
pub(super) fn stored() -> (Sessions<Record>, MemorySessions, String) {
    let secrets = Secrets::express([[7; 32]]).unwrap();
    let store = MemorySessions::new(10);
    let sessions = Sessions::builder(secrets, store.clone()).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let user = SESSION_USER.to_owned();
    let created = runtime.block_on(sessions.create(&Record { user }));
    let cookie = created.unwrap().1;
    let pair = cookie
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    (sessions, store, pair)
}

fn ours(bad: bool) -> impl FnMut() {
    let (sessions, pair) = sessions();
    let headers = field(&pair, bad);
    move || assert_eq!(sessions.signed_id(&headers).is_none(), bad)
}

fn jar(bad: bool) -> impl FnMut() {
    let key = Key::from(&[7; 64]);
    let mut jar = CookieJar::new();
    // As long as ours.
    let id = "x".repeat(32);
    jar.signed_mut(&cookie::Key::from(&[7; 64]))
        .add(Cookie::new("sid", id));
    let pair = jar.get("sid").unwrap().encoded().to_string();
    let headers = field(&pair, bad);
    move || {
        let jar = SignedCookieJar::from_headers(&headers, key.clone());
        assert_eq!(jar.get("sid").is_none(), bad);
    }
}

/// Adds other cookies around it.
fn field(pair: &str, bad: bool) -> HeaderMap {
    let mut pair = pair.to_owned();
    if bad {
        // Inside the signature, which comes last in one format and first in the other.
        let at = if pair.starts_with("connect.sid") {
            pair.len() - 12
        } else {
            12
        };
        let other = if pair.as_bytes()[at] == b'A' {
            "B"
        } else {
            "A"
        };
        pair.replace_range(at..=at, other);
    }
    let line = format!("theme=dark; _ga=GA1.1.1234567890.1234567890; {pair}; lang=en");
    HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(&line).unwrap())])
}

async fn answer(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Body::empty()))
}

fn bare() -> impl FnMut() {
    let headers = field(&sessions().1, false);
    let mut service = service_fn(answer);
    move || {
        let mut request = handshake(None);
        request.headers_mut().extend(headers.clone());
        assert_eq!(now(service.call(request)).unwrap().status(), StatusCode::OK);
    }
}

/// The session is loaded, and its user is looked up.
fn layer() -> impl FnMut() {
    let (sessions, pair) = sessions();
    let headers = field(&pair, false);
    let origins = Origins::new(["https://example.com"]).unwrap();
    let strategy = sessions.strategy(origins, |record: &Record| Some(record.user.clone()));
    let mut service = SessionLayer::new(strategy).layer(service_fn(answer));
    // The time limit of the store needs a timer of the runtime.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    move || {
        let mut request = handshake(None);
        request.headers_mut().extend(headers.clone());
        let _entered = runtime.enter();
        assert_eq!(now(service.call(request)).unwrap().status(), StatusCode::OK);
    }
}
