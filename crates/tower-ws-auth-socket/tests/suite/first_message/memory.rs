//! What a client costs that waits, and one that does not.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Waker};

use axum::routing::any;
use http::{Request, Response};
use test_support::{at_once, settle, until};
use tower::{Layer, Service, service_fn};
use tower_ws_auth_core::origin::{MissingOrigin, OriginLayer, Origins};
use tower_ws_auth_core::{AuthLayer, RedactLayer};
use tower_ws_auth_socket::close::CloseFrameLayer;

use super::lab::{Client, Names, echo, json, patient, serve};

/// What each client costs whose handshake has these fields.
fn each_with(fields: &str) -> i64 {
    const CLIENTS: i64 = 200;
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    let layer = patient(json());
    let early = layer.early();
    let origins = Origins::new(["https://app.example"]).unwrap();
    // The others keep parts of the head too.
    let layers = tower::ServiceBuilder::new()
        .layer(RedactLayer::new(["token"], ["/ws"]).unwrap())
        .layer(CloseFrameLayer::new())
        .layer(OriginLayer::new(origins, MissingOrigin::Refuse))
        .layer(layer)
        .layer(AuthLayer::new(Names::new()));
    let address = runtime.block_on(serve(any(echo).layer(layers)));
    let open = async |count: i64| {
        let before = early.waiting();
        let mut clients = Vec::new();
        for _ in 0..count {
            clients.push(Client::open_with(address, "/ws?room=1", fields).await);
        }
        let all = before + clients.len();
        until("the last one", || early.waiting() == all).await;
        // Its server is done with it.
        settle().await;
        clients
    };
    let _first = runtime.block_on(open(20));
    let mut clients = Vec::new();
    let made = allocation_counter::measure(|| clients = runtime.block_on(open(CLIENTS)));
    drop(clients);
    // The clients' own ends are in it.
    made.bytes_current / CLIENTS
}

#[test]
fn a_client_that_waits_has_at_most_four_kilobytes() {
    let each = each_with("Origin: https://app.example\r\n");
    assert!(each <= 4096, "{each} bytes");
}

#[test]
fn a_list_of_subprotocols_pins_no_buffer() {
    let list = "Sec-WebSocket-Protocol: chat.v2, chat.v1\r\n";
    let each = each_with(&format!("Origin: https://app.example\r\n{list}"));
    assert!(each <= 4096 + 512, "{each} bytes");
}

#[test]
fn a_handshake_that_goes_its_usual_way_costs_nothing() {
    let inner = service_fn(|_: Request<()>| -> Ready<Result<_, Infallible>> {
        ready(Ok(Response::new(())))
    });
    let mut service = patient(json()).when(|_| false).layer(inner);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    // As from hyper, whose values share a buffer: a clone of it allocates nothing.
    let key = http::HeaderValue::from_static(test_support::handshake::KEY);
    let request = Request::get("/ws")
        .header("host", "example.com")
        .header("upgrade", "websocket")
        .header("connection", "Upgrade")
        .header("sec-websocket-key", key)
        .header("sec-websocket-version", "13")
        .body(())
        .unwrap();
    let made = allocation_counter::measure(|| {
        assert!(at_once(service.call(request)).is_ok());
    });
    assert_eq!(made.count_total, 0);
}
