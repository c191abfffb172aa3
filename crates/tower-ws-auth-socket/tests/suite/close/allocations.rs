//! The layer makes nothing for a response that stays what it is.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Waker};

use http::{HeaderValue, Request, Response};
use test_support::at_once;
use tower::{Layer, Service, service_fn};
use tower_ws_auth_socket::close::CloseFrameLayer;

fn handshake() -> Request<()> {
    // As from hyper, whose values share a buffer: a clone of it allocates nothing.
    let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
    Request::get("/ws")
        .header("host", "example.com")
        .header("origin", "https://app.example")
        .header("upgrade", "websocket")
        .header("connection", "Upgrade")
        .header("sec-websocket-key", key)
        .header("sec-websocket-version", "13")
        .body(())
        .unwrap()
}

/// What a response with this status costs behind this layer.
fn cost(layer: &CloseFrameLayer, status: u16) -> u64 {
    let inner = service_fn(move |_: Request<()>| -> Ready<Result<_, Infallible>> {
        let mut response = Response::new(());
        *response.status_mut() = status.try_into().unwrap();
        ready(Ok(response))
    });
    let mut service = layer.layer(inner);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    let request = handshake();
    let mut answer = None;
    let made = allocation_counter::measure(|| answer = Some(at_once(service.call(request))));
    assert_eq!(answer.unwrap().unwrap().status(), status);
    made.count_total
}

#[test]
fn a_response_that_is_no_rejection_costs_nothing() {
    for status in [101, 200, 403, 429] {
        assert_eq!(cost(&CloseFrameLayer::new(), status), 0, "{status}");
    }
}

#[test]
fn nor_does_a_classifier_where_the_server_offers_no_upgrade() {
    let layer = CloseFrameLayer::new().convert_error_responses();
    assert_eq!(cost(&layer, 429), 0);
}
