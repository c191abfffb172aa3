//! Rejections of others: responses that no layer of ours has made.

use std::time::Duration;

use crate::upgrade::{Protocol, Socket, UpgradeGuard};
use http::header::{
    HOST, ORIGIN, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, USER_AGENT,
};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, request, response};
use tower_ws_auth_core::handshake::{Handshake, subprotocols};
use tower_ws_auth_core::{Rejection, RejectionKind};

use crate::close::config::Config;

/// The classifier of [`CloseFrameLayer::convert_error_responses`]: 403 is `forbidden`, 429 is
/// `rate_limited`, 408 and 503 are `unavailable`, each with its `Retry-After` where that is a
/// number of seconds. Everything else is no rejection.
///
/// [`CloseFrameLayer::convert_error_responses`]: crate::close::CloseFrameLayer::convert_error_responses
pub fn by_status(response: &response::Parts, _head: &request::Parts) -> Option<Rejection> {
    let (kind, detail) = match response.status {
        StatusCode::FORBIDDEN => (RejectionKind::Forbidden, "another service answered 403"),
        StatusCode::REQUEST_TIMEOUT => (RejectionKind::Unavailable, "another service answered 408"),
        StatusCode::TOO_MANY_REQUESTS => {
            (RejectionKind::RateLimited, "another service answered 429")
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            (RejectionKind::Unavailable, "another service answered 503")
        }
        _ => return None,
    };
    let rejection = Rejection::new(kind, detail);
    Some(match retry_after(&response.headers) {
        Some(pause) => rejection.with_retry_after(pause),
        None => rejection,
    })
}

/// RFC 9110 §10.2.3, without its dates.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// A handshake whose response nobody knows yet: its service holds a connection that can be taken
/// back.
pub(crate) struct Interposed {
    guard: UpgradeGuard,
    handshake: Handshake,
    head: request::Parts,
}

impl Interposed {
    /// `None` unless the response may have to be converted. For layers with a classifier.
    pub(crate) fn of<B>(request: Request<B>, config: &Config) -> (Request<B>, Option<Box<Self>>) {
        let (mut head, body) = request.into_parts();
        let interposed = Self::interpose(&mut head, config);
        (Request::from_parts(head, body), interposed)
    }

    fn interpose(head: &mut request::Parts, config: &Config) -> Option<Box<Self>> {
        let handshake = Handshake::check(head).ok()?;
        if !config.may_convert(head) {
            return None;
        }
        let (guard, _close_handle) = UpgradeGuard::interpose(head, Protocol::WebSocket)?;
        Some(Box::new(Self {
            guard,
            handshake,
            head: summary(head, &config.marks_in(head)),
        }))
    }

    /// RFC 9110 §15.2.2, and RFC 8441 §5 for a `CONNECT`.
    pub(crate) fn is_accepted_by(&self, status: StatusCode) -> bool {
        match self.handshake {
            Handshake::Http2 => status.is_success(),
            _ => status == StatusCode::SWITCHING_PROTOCOLS,
        }
    }

    /// The service has the connection.
    pub(crate) fn accept(self) {
        self.guard.accept();
    }

    /// The service has no connection, whatever it has made of its promise.
    pub(crate) fn reclaim(self) -> (Socket, Handshake, request::Parts) {
        (self.guard.reclaim(), self.handshake, self.head)
    }
}

/// What is kept of a head while the service has the request: nothing that is a credential. The marks
/// are of the configuration.
fn summary(head: &request::Parts, marks: &str) -> request::Parts {
    let (mut summary, ()) = Request::new(()).into_parts();
    summary.method = head.method.clone();
    summary.version = head.version;
    let target = [head.uri.path(), marks].concat();
    summary.uri = PathAndQuery::try_from(target).map_or_else(|_| Uri::default(), Uri::from);
    for name in [HOST, ORIGIN, USER_AGENT, SEC_WEBSOCKET_VERSION] {
        for value in head.headers.get_all(&name) {
            summary.headers.append(&name, value.clone());
        }
    }
    let offered: Vec<_> = subprotocols(&head.headers).collect();
    if let Ok(offered) = HeaderValue::from_str(&offered.join(", "))
        && !offered.is_empty()
    {
        summary.headers.insert(SEC_WEBSOCKET_PROTOCOL, offered);
    }
    summary
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;

    fn classified(status: u16, retry_after: Option<&str>) -> Option<Rejection> {
        let mut response = Response::builder().status(status);
        if let Some(retry_after) = retry_after {
            response = response.header("retry-after", retry_after);
        }
        let (response, ()) = response.body(()).unwrap().into_parts();
        by_status(&response, &Request::new(()).into_parts().0)
    }

    #[test]
    fn four_statuses_are_rejections() {
        for (status, token) in [
            (403, "forbidden"),
            (408, "unavailable"),
            (429, "rate_limited"),
            (503, "unavailable"),
        ] {
            assert_eq!(classified(status, None).unwrap().reason(), token);
        }
        for status in [101, 200, 204, 302, 400, 401, 404, 426, 500, 502] {
            assert!(classified(status, None).is_none(), "{status}");
        }
    }

    #[test]
    fn a_retry_after_in_seconds_is_kept_rfc9110_10_2_3() {
        for (value, seconds) in [
            ("7", Some(7)),
            ("0", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("99999999999999999999", None),
            ("Fri, 31 Dec 1999 23:59:59 GMT", None),
        ] {
            let rejection = classified(429, Some(value)).unwrap();
            assert_eq!(rejection.retry_after(), seconds, "{value}");
        }
    }

    #[test]
    fn what_is_kept_of_a_head_holds_no_credential() {
        let (head, ()) = Request::get("https://host.example/ws?token=CANARY")
            .header("host", "host.example")
            .header("origin", "https://app.example")
            .header("cookie", "sid=CANARY")
            .header("authorization", "Bearer CANARY")
            .header("x-api-key", "CANARY")
            .header(
                "sec-websocket-protocol",
                "chat, base64url.bearer.phx.CANARY",
            )
            .header("sec-websocket-protocol", "other")
            .extension("CANARY")
            .body(())
            .unwrap()
            .into_parts();
        let summary = summary(&head, "");
        assert!(!format!("{summary:?}").contains("CANARY"), "{summary:?}");
        assert_eq!(summary.uri, "/ws");
        assert_eq!(summary.headers["origin"], "https://app.example");
        assert_eq!(summary.headers["sec-websocket-protocol"], "chat, other");
        assert!(summary.extensions.is_empty());
    }
}
