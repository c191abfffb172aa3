use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, UPGRADE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body;
use tower_service::Service;
use tower_ws_auth_core::handshake::Handshake;
use tower_ws_auth_core::{Authenticated, Rejection, RejectionKind, ResponseBody};

use crate::lease::Lease;
use crate::polling::ResponseFuture;
use crate::polling::future::Then;
use crate::polling::layer::Config;
use crate::polling::opening::Opening;
use crate::polling::session::{Session, is_of_websocket, with_sid};

/// The service that [`PollingLayer`](crate::polling::PollingLayer) puts around another.
pub struct Polling<I, S> {
    inner: S,
    config: Arc<Config<I>>,
}

impl<I, S> Polling<I, S> {
    pub(crate) fn new(inner: S, config: Arc<Config<I>>) -> Self {
        Self { inner, config }
    }

    tower_ws_auth_core::__inner_accessors!();
}

impl<I, S, B, ResBody> Service<Request<B>> for Polling<I, S>
where
    I: Send + Sync + 'static,
    S: Service<Request<B>, Response = Response<ResBody>>,
    ResBody: Body,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        let Some(identity) = head.extensions.get::<Authenticated<I>>() else {
            let outside = "no AuthLayer for this identity stands outside of the PollingLayer";
            let rejection = Rejection::new(RejectionKind::Unavailable, outside);
            return ResponseFuture::refuse(rejection.into_response(head));
        };
        let identity = (self.config.identify)(identity);
        let is_poll = is_poll(&head);
        let then = match Session::of(head.uri.query().unwrap_or_default()) {
            Session::None if is_poll => Then::Bind(Opening {
                binding: self.config.binding.clone(),
                identity,
            }),
            Session::None => Then::Pass,
            Session::One(bound) => {
                let sid = self.config.binding.open(bound, &identity);
                let Some(target) = sid.and_then(|sid| with_sid(&head.uri, sid)) else {
                    return ResponseFuture::refuse(unknown(&head));
                };
                head.uri = target;
                match head.extensions.get::<Lease>().filter(|_| may_wait(&head)) {
                    Some(lease) => Then::end_with(lease.clone()),
                    None => Then::Pass,
                }
            }
            Session::Ambiguous => return ResponseFuture::refuse(unknown(&head)),
        };
        let inner = self.inner.call(Request::from_parts(head, body));
        ResponseFuture::pass(inner, then)
    }
}

/// Whether the answer to this request of a session may wait for messages. A server may read other
/// transports than this layer, so that is every `GET` but an upgrade to a WebSocket.
fn may_wait(head: &Parts) -> bool {
    let query = head.uri.query().unwrap_or_default();
    let is_upgrade = is_of_websocket(query) && Handshake::check(head).is_ok();
    head.method == Method::GET && !is_upgrade
}

/// Whether the answer consists of packets.
fn is_poll(head: &Parts) -> bool {
    let query = head.uri.query().unwrap_or_default();
    head.method == Method::GET && query.split('&').any(|pair| pair == "transport=polling")
}

/// What Engine.IO answers where there is no such session. The rejection is evidence for the layers
/// further out, and does not reach the client: it would tell that the session exists.
fn unknown<B>(head: &Parts) -> Response<ResponseBody<B>> {
    const TEXT: &str = r#"{"code":1,"message":"Session ID unknown"}"#;

    let mut response = Response::new(ResponseBody::text(TEXT));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    let headers = response.headers_mut();
    let json = const { HeaderValue::from_static("application/json") };
    headers.insert(CONTENT_TYPE, json);
    let no_store = const { HeaderValue::from_static("no-store") };
    headers.insert(CACHE_CONTROL, no_store);
    // Bytes behind a refused upgrade are not another request (RFC 9110 §7.8).
    if head.version < Version::HTTP_2 && head.headers.contains_key(UPGRADE) {
        let close = const { HeaderValue::from_static("close") };
        headers.insert(CONNECTION, close);
    }
    let detail = "the `sid` is not one that this identity has opened";
    let rejection = Rejection::new(RejectionKind::Forbidden, detail);
    response.extensions_mut().insert(rejection);
    response
}

impl<I, S: Clone> Clone for Polling<I, S> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            config: Arc::clone(&self.config),
        }
    }
}

impl<I, S: fmt::Debug> fmt::Debug for Polling<I, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Polling")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(query: &str, is_handshake: bool) -> Parts {
        let mut request = Request::get(format!("/socket.io/?EIO=4&sid=a{query}"));
        if is_handshake {
            request = request
                .header("host", "app.example")
                .header(CONNECTION, "upgrade")
                .header(UPGRADE, "websocket")
                .header("sec-websocket-version", "13")
                .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn every_get_of_a_session_may_wait_but_an_upgrade() {
        assert!(!may_wait(&head("&transport=websocket", true)));
        for (query, is_handshake) in [
            ("&transport=polling", false),
            ("&transport=poll%69ng", false),
            ("&transport=websocket", false),
            ("", false),
            // A server may answer what is called an upgrade by packets.
            ("&transport=polling", true),
            ("&transport=websocket&transport=polling", true),
            ("&transport=websocket&tr%61nsport=poll%69ng", true),
            ("", true),
        ] {
            assert!(may_wait(&head(query, is_handshake)), "{query}");
        }
        let mut packets = head("&transport=polling", false);
        packets.method = Method::POST;
        assert!(!may_wait(&packets));
    }
}
