//! Requests that attackers make expensive.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;

use http::header::{AUTHORIZATION, CONNECTION, COOKIE, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use tokio::sync::Notify;
use tower::{Layer, Service, service_fn};
use tower_ws_auth::credential::{Carriers, SubprotocolFormat};
use tower_ws_auth::handshake::Handshake;
use tower_ws_auth::jwt::{Jwt, JwtLayer, Key};

use super::accept::stack;
use super::connection::{Client, Says, try_serve};
use super::socket::runtime;
use crate::{Case, FourStrings, SECRET, handshake, now};

const LONG: usize = 60_000;
const MANY: usize = 10_000;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (id, request, build) in [
        (
            "attack/query",
            "attack/query-request",
            in_query as fn() -> Request<()>,
        ),
        ("attack/header", "attack/header-request", in_header),
        (
            "attack/subprotocol",
            "attack/subprotocol-request",
            in_subprotocol,
        ),
        ("attack/cookie", "attack/cookie-request", in_cookie),
    ] {
        cases.push(Case::call(id, move || refused(build())));
        cases.push(Case::call(request, move || {
            let request = build();
            move || drop(request.clone())
        }));
    }
    let lines =
        |id, name: HeaderName, value, count| Case::call(id, move || decides(&name, value, count));
    cases.extend([
        Case::call("attack/fields", fields),
        lines("attack/cookies", COOKIE, "a=b", MANY),
        lines("attack/cookies-1k", COOKIE, "a=b", MANY / 10),
        lines(
            "attack/subprotocols",
            SEC_WEBSOCKET_PROTOCOL,
            "chat.v1",
            MANY,
        ),
        lines(
            "attack/subprotocols-1k",
            SEC_WEBSOCKET_PROTOCOL,
            "chat.v1",
            MANY / 10,
        ),
        lines("attack/connections", CONNECTION, "keep-alive", MANY),
        lines("attack/connections-1k", CONNECTION, "keep-alive", MANY / 10),
        Case::call("attack/hyper-fields", at_a_server),
    ]);
    cases
}

fn carriers() -> Carriers {
    let carriers = Carriers::builder()
        .query("token")
        .bearer_header()
        .subprotocol(SubprotocolFormat::Phoenix)
        .subprotocol(SubprotocolFormat::Kubernetes)
        .cookie("jwt");
    carriers.build().unwrap()
}

/// As long as a token can be, in the form of one.
fn long(prefix: &str) -> String {
    format!(
        "{prefix}{}.{}.{}",
        "a".repeat(40),
        "b".repeat(LONG),
        "c".repeat(43)
    )
}

fn request() -> Request<()> {
    handshake(None).map(drop)
}

fn with(name: HeaderName, value: &str) -> Request<()> {
    let mut request = request();
    let value = HeaderValue::from_str(value).unwrap();
    request.headers_mut().insert(name, value);
    request
}

fn in_query() -> Request<()> {
    let mut request = request();
    *request.uri_mut() = long("/ws?token=").parse().unwrap();
    request
}

fn in_header() -> Request<()> {
    with(AUTHORIZATION, &long("Bearer "))
}

fn in_subprotocol() -> Request<()> {
    with(
        SEC_WEBSOCKET_PROTOCOL,
        &long("chat.v1, base64url.bearer.phx."),
    )
}

fn in_cookie() -> Request<()> {
    with(COOKIE, &long("theme=dark; jwt="))
}

fn refused(request: Request<()>) -> impl FnMut() {
    let jwt: Jwt<FourStrings> = Jwt::builder(Key::hs256(SECRET).unwrap())
        .issuer("https://issuer.example")
        .audience("chat")
        .carriers(carriers())
        .build()
        .unwrap();
    let mut service = JwtLayer::new(jwt).layer(service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::new(String::new()))
    }));
    move || {
        let response = now(service.call(request.clone())).unwrap();
        assert!(matches!(
            response.status(),
            StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN
        ));
    }
}

/// All parts of a head that are read before the decision.
fn decides(name: &HeaderName, value: &'static str, count: usize) -> impl FnMut() + use<> {
    let mut head = request().into_parts().0;
    for _ in 0..count {
        head.headers.append(name, HeaderValue::from_static(value));
    }
    reads(head)
}

fn fields() -> impl FnMut() {
    let mut head = request().into_parts().0;
    for n in 0..MANY {
        let name = HeaderName::try_from(format!("x-{n}")).unwrap();
        head.headers.insert(name, HeaderValue::from_static("1"));
    }
    reads(head)
}

fn reads(mut head: http::request::Parts) -> impl FnMut() {
    let carriers = carriers();
    move || {
        // Some of them are refused, at the measured cost.
        let _ = std::hint::black_box(carriers.take(&mut head));
        let _ = std::hint::black_box(Handshake::check(&head));
    }
}

/// With a server's defaults: hyper accepts a hundred.
fn at_a_server() -> impl FnMut() {
    let mut text = String::from("GET /ws HTTP/1.1\r\nhost: example.com\r\n");
    for n in 0..MANY {
        // Writing to a String cannot fail.
        let _ = write!(text, "x-{n}: 1\r\n");
    }
    text.push_str("\r\n");
    let request: &'static [u8] = text.leak().as_bytes();
    let runtime = runtime();
    let service = stack();
    let gone = Arc::new(Notify::new());
    move || {
        runtime.block_on(async {
            let client = Client::sending(request, Says::Refused, &gone);
            assert!(try_serve(client, service.clone()).await.is_err());
            gone.notified().await;
        });
    }
}
