//! What the defaults decide, what a page reads, and what the types show of their settings.

use std::convert::Infallible;
use std::future::{Pending, pending};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::request::Parts;
use http::{Request, Response};
use tower::{Layer, Service, service_fn};
use tower_ws_auth_core::{Rejection, RejectionKind};
use tower_ws_auth_socket::close::{
    ClientProtocol, Close, CloseFrameLayer, is_from_a_browser, json_message,
};

fn head(origin: Option<&str>) -> Parts {
    let mut request = Request::get("/ws");
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    request.body(()).unwrap().into_parts().0
}

#[test]
fn pages_are_told_and_neither_programs_nor_foreign_pages() {
    let page = Some("https://app.example");
    for (kind, origin, told) in [
        (RejectionKind::TokenExpired, page, true),
        (RejectionKind::TokenExpired, None, false),
        (RejectionKind::OriginDenied, page, false),
        (RejectionKind::OriginDenied, None, false),
    ] {
        let rejection = Rejection::new(kind, "");
        assert_eq!(is_from_a_browser(&rejection, &head(origin)), told);
    }
}

#[test]
fn the_first_message_says_what_the_close_frame_says_and_when_to_come_back() {
    let message = |rejection: &Rejection| {
        let close: Close = ClientProtocol::plain().rejection(rejection);
        json_message(rejection, &close)
    };
    assert_eq!(
        message(&Rejection::new(RejectionKind::TokenExpired, "")),
        r#"{"type":"rejected","code":4401,"reason":"token_expired","retryable":false,"retry_after":null}"#
    );
    let busy = Rejection::new(RejectionKind::RateLimited, "");
    assert_eq!(
        message(&busy.with_retry_after(Duration::from_secs(7))),
        r#"{"type":"rejected","code":4429,"reason":"rate_limited","retryable":true,"retry_after":7}"#
    );
}

#[test]
fn debug_output_shows_the_settings() {
    let layer = CloseFrameLayer::new()
        .max_closing_handshakes(7)
        .byte_cap(4321)
        .reject_delay(Duration::from_millis(20));
    let shown = format!("{layer:?}");
    for part in [
        "CloseFrameLayer { config: Config { reject_delay: 20ms, limits: Limits {",
        "bytes: 4321",
        "permits: 7",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
    assert_eq!(
        format!("{:?}", layer.closing_handshakes()),
        "ClosingHandshakes"
    );
    let mut service = layer.layer(service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::new(()))
    }));
    let response = service.call(Request::new(()));
    assert_eq!(format!("{response:?}"), "ResponseFuture { .. }");
}

/// Never ready.
struct Busy;

impl Service<Request<()>> for Busy {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Pending<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Pending
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        pending()
    }
}

#[test]
fn the_service_is_ready_when_the_one_inside_is() {
    let mut service = CloseFrameLayer::new().layer(Busy);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_pending());
}
