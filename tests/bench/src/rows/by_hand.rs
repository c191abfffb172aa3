//! The floors of the whole handshakes: the least on hyper that does the same, by hand.

pub(super) mod leased;
pub(super) mod stores;

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_TYPE, ORIGIN, SEC_WEBSOCKET_VERSION, UPGRADE,
    WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower::service_fn;
use tower_ws_auth::Grant;
use tower_ws_auth::jwt::Jwt;

use super::jwt::{FourStrings, jwt};
use super::socket::{accept, server, switch};

/// A floor's answer.
type Page = Result<Response<Full<Bytes>>, Infallible>;

/// In the extensions of an accepted request.
#[derive(Clone)]
struct User<I>(I);

/// The checks of the handshake, of the origin and of the token in the query; then the identity for
/// the handler and 101, or 401.
pub(super) fn least() -> server!() {
    let jwt = jwt();
    service_fn(move |mut request: Request<Incoming>| {
        ready(Page::Ok(match granted(&jwt, &request) {
            Some(grant) => {
                request.extensions_mut().insert(User(grant.into_parts().0));
                switch(request).map(|_| Full::default())
            }
            None => refused(),
        }))
    })
}

const FRAME: &[u8] = b"\x88\x0f\x11\x31token_expired";

/// 101, a close frame, and the end once the client has answered it.
pub(super) fn least_close() -> server!() {
    service_fn(|mut request: Request<Incoming>| {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut io = TokioIo::new(upgrade.await.unwrap());
            io.write_all(FRAME).await.unwrap();
            let mut answer = [0; 128];
            let _ = io.read(&mut answer).await;
            let _ = io.shutdown().await;
        });
        ready(Page::Ok(accept(&request).map(|_| Full::default())))
    })
}

/// The same for as many clients as a server can bear, each for no longer than it can wait: the
/// handshake and the page are checked, the clients are counted, and there is a deadline.
pub(super) fn least_bounded_close() -> server!() {
    const MOST: usize = 1024;
    const DEADLINE: Duration = Duration::from_secs(5);
    let permits = Arc::new(Semaphore::new(MOST));
    service_fn(move |mut request: Request<Incoming>| {
        let is_a_page = is_asked_by_a_page(&request) && request.headers().contains_key(ORIGIN);
        let permit = Arc::clone(&permits).try_acquire_owned();
        let Some(permit) = permit.ok().filter(|_| is_a_page) else {
            return ready(Page::Ok(refused()));
        };
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let _permit = permit;
            let told = async {
                let mut io = TokioIo::new(upgrade.await.unwrap());
                io.write_all(FRAME).await.unwrap();
                let mut answer = [0; 128];
                // A close frame, or the end.
                while io.read(&mut answer).await.is_ok_and(|count| count > 0) {
                    if answer[0] & 0x0f == 8 {
                        break;
                    }
                }
                let _ = io.shutdown().await;
            };
            // A client that does not answer is dropped.
            let _ = timeout(DEADLINE, told).await;
        });
        ready(Page::Ok(accept(&request).map(|_| Full::default())))
    })
}

fn granted(jwt: &Jwt<FourStrings>, request: &Request<Incoming>) -> Option<Grant<FourStrings>> {
    if !is_asked_by_a_page(request) {
        return None;
    }
    let token = request.uri().query()?.strip_prefix("token=")?;
    jwt.verify_token(token).ok()
}

/// Whether it is a handshake, of the one page that may connect or of none.
fn is_asked_by_a_page(request: &Request<Incoming>) -> bool {
    let headers = request.headers();
    let is = |name: HeaderName, value: &str| is(headers, &name, value);
    let allowed = headers
        .get(ORIGIN)
        .is_none_or(|origin| origin == "https://example.com");
    let asks = is(CONNECTION, "upgrade") && is(UPGRADE, "websocket");
    allowed && asks && is(SEC_WEBSOCKET_VERSION, "13")
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
