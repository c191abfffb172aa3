use std::fmt;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode, request, response};
use http_body_util::Full;
use tower_ws_auth::{Rejection, RejectionKind};

/// Why an authenticated handshake was not passed on, or came to nothing.
///
/// It answers with its status, and leaves itself in the response's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The upstream cannot be reached, or hung up.
    Unreachable,
    /// It has not answered in time.
    Late,
    /// Its answer is none to a WebSocket handshake.
    NotWebSocket,
    /// As many connections are open as may be.
    Full,
    /// The path would lead out of the upstream's base, or the host is none.
    Target,
    /// No strategy has said who asks, or the server offers no upgrade: a bug in the stack.
    MissingAuthLayer,
}

impl Failure {
    fn status(self) -> StatusCode {
        match self {
            Self::Unreachable | Self::NotWebSocket => StatusCode::BAD_GATEWAY,
            Self::Late => StatusCode::GATEWAY_TIMEOUT,
            Self::Full => StatusCode::SERVICE_UNAVAILABLE,
            Self::Target => StatusCode::BAD_REQUEST,
            Self::MissingAuthLayer => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn detail(self) -> &'static str {
        match self {
            Self::Unreachable => "the upstream cannot be reached",
            Self::Late => "the upstream has not answered in time",
            Self::NotWebSocket => "the upstream's answer is none to a WebSocket handshake",
            Self::Full => "as many connections are open as may be",
            Self::Target => "the path holds a segment that leads upwards, or the host is none",
            Self::MissingAuthLayer => {
                "the proxy stands behind no strategy, or is offered no upgrade"
            }
        }
    }

    /// The plain HTTP answer.
    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let text = match self {
            Self::Target => "handshake_invalid",
            _ => RejectionKind::Unavailable.reason(),
        };
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.extensions_mut().insert(self);
        response
    }
}

/// For the close layer: a browser reads 4503 or 4504 `unavailable`, and comes back later. What
/// the upstream itself has answered is nobody's business here.
pub(crate) fn classify(response: &response::Parts, _head: &request::Parts) -> Option<Rejection> {
    match *response.extensions.get::<Failure>()? {
        // No browser asks for such a thing by itself.
        Failure::Target => None,
        failure => Some(Rejection::new(RejectionKind::Unavailable, failure.detail())),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail())
    }
}

impl std::error::Error for Failure {}
