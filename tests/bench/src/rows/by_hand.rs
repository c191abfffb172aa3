//! The floors of the whole handshakes: the least on hyper that does the same, by hand.

use std::convert::Infallible;
use std::future::{poll_fn, ready};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_TYPE, ORIGIN, SEC_WEBSOCKET_VERSION, UPGRADE,
    WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::service_fn;
use tower_ws_auth::Grant;
use tower_ws_auth::jwt::Jwt;

use super::jwt::{FourStrings, jwt};
use super::socket::{accept, server, switch};

type Page = Result<Response<Full<Bytes>>, Infallible>;

/// The checks of the handshake, of the origin and of the token in the query; then 101, or 401.
pub(super) fn least() -> server!() {
    let jwt = jwt();
    service_fn(move |request: Request<Incoming>| {
        ready(Page::Ok(match granted(&jwt, &request) {
            Some(_) => switch(request).map(|_| Full::default()),
            None => refused(),
        }))
    })
}

/// The same, and the connection ends with its token: its task sleeps until then.
pub(super) fn least_with_an_end() -> server!() {
    let jwt = jwt();
    service_fn(move |mut request: Request<Incoming>| {
        let Some(grant) = granted(&jwt, &request) else {
            return ready(Page::Ok(refused()));
        };
        let end = grant.validity().end().unwrap_or(SystemTime::UNIX_EPOCH);
        let left = end.duration_since(SystemTime::now()).unwrap_or_default();
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(ends(upgrade, left));
        ready(Page::Ok(accept(&request).map(|_| Full::default())))
    })
}

/// 101, a close frame, and the end once the client has answered it.
pub(super) fn least_close() -> server!() {
    service_fn(|mut request: Request<Incoming>| {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            const FRAME: &[u8] = b"\x88\x0f\x11\x31token_expired";
            let mut io = TokioIo::new(upgrade.await.unwrap());
            io.write_all(FRAME).await.unwrap();
            let mut answer = [0; 128];
            let _ = io.read(&mut answer).await;
            let _ = io.shutdown().await;
        });
        ready(Page::Ok(accept(&request).map(|_| Full::default())))
    })
}

/// Drops the connection at once, as the services of the other rows do, or at its end.
async fn ends(upgrade: OnUpgrade, left: Duration) {
    let mut sleep = pin!(tokio::time::sleep(left));
    let mut upgrade = pin!(upgrade);
    poll_fn(|cx| match upgrade.as_mut().poll(cx) {
        Poll::Ready(upgraded) => {
            drop(upgraded);
            Poll::Ready(())
        }
        Poll::Pending => sleep.as_mut().poll(cx),
    })
    .await;
}

fn granted(jwt: &Jwt<FourStrings>, request: &Request<Incoming>) -> Option<Grant<FourStrings>> {
    let headers = request.headers();
    let is = |name: HeaderName, value: &str| is(headers, &name, value);
    let allowed = headers
        .get(ORIGIN)
        .is_none_or(|origin| origin == "https://example.com");
    let asks = is(CONNECTION, "upgrade") && is(UPGRADE, "websocket");
    if !(allowed && asks && is(SEC_WEBSOCKET_VERSION, "13")) {
        return None;
    }
    let token = request.uri().query()?.strip_prefix("token=")?;
    jwt.verify_token(token).ok()
}

fn is(headers: &HeaderMap, name: &HeaderName, value: &str) -> bool {
    let found = headers.get(name);
    found.is_some_and(|found| found.as_bytes().eq_ignore_ascii_case(value.as_bytes()))
}

fn refused() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from("token_invalid"));
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (
            WWW_AUTHENTICATE,
            r#"Bearer error="invalid_token", error_description="token_invalid""#,
        ),
        (CONNECTION, "close"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
