use std::fmt;

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode, request, response};
use tower_ws_auth::lease::DisconnectReason;
use tower_ws_auth::telemetry::reason_label;
use tower_ws_auth::{Rejection, RejectionKind};

use crate::body::{self, Body};

/// Why an authenticated request was not passed on, or failed upstream.
///
/// The response has its status, and carries it in the extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The upstream is unavailable, or hung up: the cause.
    Unreachable(&'static str),
    /// The upstream has not answered in time.
    Late,
    /// Its answer is invalid for a WebSocket handshake: what is wrong with it.
    NotWebSocket(&'static str),
    /// The credential ended while the upstream had not answered: the status and the reason.
    Ended(StatusCode, &'static str),
    /// The body of the client's request broke or stood still.
    ClientBody,
    /// The maximum of open connections is reached.
    Full,
    /// The path would leave the upstream's base, or the host is invalid.
    Target,
    /// The request has no identity, or the server offers no upgrade: a bug in the stack.
    MissingAuthLayer,
}

impl Failure {
    pub(crate) fn ended(reason: &DisconnectReason) -> Self {
        let status = reason.status().unwrap_or(StatusCode::UNAUTHORIZED);
        Self::Ended(status, reason_label(reason))
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Unreachable(_) | Self::NotWebSocket(_) => StatusCode::BAD_GATEWAY,
            Self::Ended(status, _) => status,
            Self::Late => StatusCode::GATEWAY_TIMEOUT,
            Self::Full => StatusCode::SERVICE_UNAVAILABLE,
            Self::Target => StatusCode::BAD_REQUEST,
            Self::ClientBody => StatusCode::REQUEST_TIMEOUT,
            Self::MissingAuthLayer => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn detail(self) -> &'static str {
        match self {
            Self::Unreachable(cause) | Self::NotWebSocket(cause) | Self::Ended(_, cause) => cause,
            Self::Late => "--upstream has not answered within --connect-timeout, or --http-timeout",
            Self::Full => "--max-connections are open",
            Self::Target => "the path has a segment that leads upwards, or the host is invalid",
            Self::ClientBody => "the client's body broke off, or stood still for --http-timeout",
            Self::MissingAuthLayer => {
                "the proxy is behind no strategy, or the server offers no upgrade"
            }
        }
    }

    /// What a page reads in a close frame. `None` for a path that no browser sends by itself.
    pub(crate) fn rejection(self) -> Option<Rejection> {
        match self {
            Self::Target => None,
            failure => Some(Rejection::new(RejectionKind::Unavailable, failure.detail())),
        }
    }

    /// The plain HTTP response.
    pub(crate) fn into_response(self) -> Response<Body> {
        let text = match self {
            Self::Target => "handshake_invalid",
            Self::Ended(_, reason) => reason,
            Self::ClientBody => "request_timeout",
            _ => RejectionKind::Unavailable.reason(),
        };
        let mut response = Response::new(body::full(text));
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
/// upstream's own answers are converted if the operator wants it.
pub(crate) fn classify(
    response: &response::Parts,
    head: &request::Parts,
    converts_upstream: bool,
) -> Option<Rejection> {
    let Some(failure) = response.extensions.get::<Failure>() else {
        return of_upstream(response, head).filter(|_| converts_upstream);
    };
    failure.rejection()
}

fn of_upstream(response: &response::Parts, head: &request::Parts) -> Option<Rejection> {
    if response.status == StatusCode::UNAUTHORIZED {
        let detail = "the upstream answered 401";
        return Some(Rejection::new(RejectionKind::CredentialsMissing, detail));
    }
    tower_ws_auth::close::by_status(response, head)
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail())
    }
}

impl std::error::Error for Failure {}
