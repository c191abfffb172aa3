//! The allocations of a decision: none, as long as there is nothing to keep.

use std::convert::Infallible;
use std::task::{Context, Waker};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Empty;
use test_support::at_once;
use tower::{Layer, Service, service_fn};
use tower_ws_auth_core::credential::{Carriers, SubprotocolFormat};
use tower_ws_auth_core::handshake::Handshake;
use tower_ws_auth_core::{AuthLayer, Grant, Rejection, RejectionKind};

fn carriers() -> Carriers {
    let carriers = Carriers::builder()
        .query("token")
        .query_bearer("Authorization")
        .bearer_header()
        .subprotocol(SubprotocolFormat::Phoenix)
        .subprotocol(SubprotocolFormat::Kubernetes)
        .cookie("jwt");
    carriers.build().unwrap()
}

/// A handshake without a credential. As in a server, its values share one buffer.
fn handshake() -> Request<()> {
    let mut request = Request::new(());
    *request.uri_mut() = "/ws?room=1&tokens=2".parse().unwrap();
    for (name, value) in [
        ("host", "example.com"),
        ("upgrade", "websocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat, graphql-ws"),
        ("authorization", "Basic YTpi"),
        ("origin", "https://example.com"),
    ] {
        let value = HeaderValue::from_static(value);
        request.headers_mut().insert(name, value);
    }
    request
}

#[test]
fn finding_no_credential_and_checking_the_handshake_costs_nothing() {
    let carriers = carriers();
    let mut head = handshake().into_parts().0;
    let mut decided = false;
    let made = allocation_counter::measure(|| {
        let none = matches!(carriers.take(&mut head), Ok(None));
        decided = none && Handshake::check(&head).is_ok();
    });
    assert!(decided);
    assert_eq!(made.count_total, 0);
}

#[test]
fn finding_no_credential_among_other_cookies_costs_nothing() {
    let carriers = carriers();
    let mut head = handshake().into_parts().0;
    let cookies = HeaderValue::from_static("a=1; theme=dark; jwtx=3");
    head.headers.insert("cookie", cookies);
    let mut none = false;
    let made = allocation_counter::measure(|| none = matches!(carriers.take(&mut head), Ok(None)));
    assert!(none);
    assert_eq!(made.count_total, 0);
}

#[test]
fn a_refusal_costs_at_most_six() {
    let carriers = carriers();
    let layer = AuthLayer::new(move |head: &mut http::request::Parts| {
        let taken = carriers.take(head);
        async move {
            match taken? {
                Some(_) => Ok(Grant::new(())),
                None => Err(Rejection::new(RejectionKind::CredentialsMissing, "")),
            }
        }
    });
    let mut service = layer.layer(service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    }));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    let request = handshake();

    // The response and its head are dropped outside of the measurement, which counts new
    // allocations.
    let mut answer = None;
    let made = allocation_counter::measure(|| answer = Some(at_once(service.call(request))));
    assert_eq!(answer.unwrap().unwrap().status(), StatusCode::UNAUTHORIZED);
    println!("a refusal makes {} allocations", made.count_total);
    // The labels of a counter and of a histogram.
    let labels = if cfg!(feature = "metrics") { 2 } else { 0 };
    assert!(made.count_total <= 6 + labels, "{made:?}");
}
