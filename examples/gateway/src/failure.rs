use std::fmt;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode, request, response};
use http_body_util::Full;
use tower_ws_auth::{Rejection, RejectionKind};

/// Why an authenticated handshake was not passed on, or failed upstream.
///
/// The response has its status, and carries it in the extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The upstream is unavailable, or hung up.
    Unreachable,
    /// The upstream has not answered in time.
    Late,
    /// Its answer is invalid for a WebSocket handshake.
    NotWebSocket,
    /// The maximum of open connections is reached.
    Full,
    /// The path would leave the upstream's base, or the host is invalid.
    Target,
    /// The request has no identity, or the server offers no upgrade: a bug in the stack.
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
            Self::Unreachable => "the upstream is unavailable",
            Self::Late => "the upstream has not answered in time",
            Self::NotWebSocket => "the upstream's answer to the WebSocket handshake is invalid",
            Self::Full => "the maximum of open connections is reached",
            Self::Target => "the path has a segment that leads upwards, or the host is invalid",
            Self::MissingAuthLayer => {
                "the proxy is behind no strategy, or the server offers no upgrade"
            }
        }
    }

    /// The plain HTTP response.
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

/// For the close layer: a browser reads 4503 or 4504 `unavailable`, and comes back later. The
/// upstream's own answers are not converted.
pub(crate) fn classify(response: &response::Parts, _head: &request::Parts) -> Option<Rejection> {
    match *response.extensions.get::<Failure>()? {
        // No browser sends such a path by itself.
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
