//! The layer among the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use axum::routing::any;
use futures_util::{SinkExt, StreamExt};
use http::Request;
use hyper_util::rt::TokioIo;
use test_support::{bounded, until};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tower::ServiceBuilder;
use tower_ws_auth_core::origin::{MissingOrigin, OriginLayer, Origins};
use tower_ws_auth_core::{
    AuthLayer, AuthenticateExt, DisconnectReason, MemoryRevocations, Revocations,
};
use tower_ws_auth_socket::close::CloseFrameLayer;
use tower_ws_auth_socket::lease::{LeaseLayer, OverLimit};

use super::lab::{Client, Names, auth, echo, json, patient, serve};

const PAGE: &str = "Origin: https://app.example\r\n";

fn revocations() -> Revocations {
    let store = MemoryRevocations::new(Duration::from_secs(3600), 1000);
    Revocations::builder(store)
        .allowed_skew(Duration::ZERO)
        .build()
}

#[tokio::test]
async fn the_whole_stack_ends_what_was_opened_by_a_message() {
    let revocations = revocations();
    let leases =
        LeaseLayer::new(revocations.clone()).max_connections(1, "user:", OverLimit::RefuseNewest);
    let open = leases.leases();
    let origins = Origins::new(["https://app.example"]).unwrap();
    let layers = ServiceBuilder::new()
        .layer(
            CloseFrameLayer::new()
                .reject_delay(Duration::ZERO)
                .convert_error_responses(),
        )
        .layer(OriginLayer::new(origins, MissingOrigin::Allow))
        .layer(patient(json()))
        .layer(AuthLayer::new(Names::new().revocable(revocations.clone())))
        .layer(leases);
    let address = serve(any(echo).layer(layers)).await;

    // A foreign page is refused before it can say anything.
    let foreign = "Origin: https://evil.example\r\n";
    let (_, head) = test_support::handshake::ask(address, "/ws", foreign).await;
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");

    let mut ada = Client::open_with(address, "/ws", PAGE).await;
    ada.say(&auth("ada")).await;
    ada.is("ada").await;
    assert_eq!(open.len(), 1);
    let mut second = Client::open_with(address, "/ws", PAGE).await;
    second.say(&auth("ada")).await;
    second.reads_close(4429, "rate_limited").await;

    revocations
        .revoke("user:ada", DisconnectReason::Revoked)
        .await
        .unwrap();
    ada.reads_close(4403, "revoked").await;
    // What was granted before the revocation opens nothing any more.
    let mut late = Client::open_with(address, "/ws", PAGE).await;
    late.say(&auth("ada")).await;
    late.reads_close(4401, "token_invalid").await;
    until("no lease", || open.is_empty()).await;
}

#[tokio::test]
async fn a_lease_ends_with_the_credential_in_the_message() {
    let layers = ServiceBuilder::new()
        .layer(patient(json()))
        .layer(AuthLayer::new(Names::new()))
        .layer(LeaseLayer::expiry_only());
    let mut client = Client::open(serve(any(echo).layer(layers)).await).await;
    client.say(&auth("brief")).await;
    client.is("brief").await;
    client.reads_close(4401, "token_expired").await;
}

#[tokio::test]
async fn a_lease_that_ends_reads_what_was_pipelined_as_frames() {
    use test_support::frame::{TEXT, masked};
    let layers = ServiceBuilder::new()
        .layer(patient(json()))
        .layer(AuthLayer::new(Names::new()))
        .layer(LeaseLayer::expiry_only());
    let mut client = Client::open(serve(any(echo).layer(layers)).await).await;
    let half = masked(true, TEXT, &[b'x'; 200]);
    let message = masked(true, TEXT, auth("brief").as_bytes());
    client.send(&[&message[..], &half[..100]].concat()).await;
    // The close frame is told at the boundary of the handler's frames, whatever the client is at.
    assert_eq!(client.frame().await.close(), Some((4401, "token_expired")));
}

#[tokio::test]
async fn a_refusal_by_a_close_frame_layer_further_in_is_the_one_that_is_read() {
    let layers = ServiceBuilder::new()
        .layer(patient(json().accepted("welcome")))
        .layer(
            CloseFrameLayer::new()
                .reject_delay(Duration::ZERO)
                .convert_error_responses(),
        )
        .layer(AuthLayer::new(Names::new()))
        .layer(LeaseLayer::expiry_only());
    let address = serve(any(echo).layer(layers)).await;
    let mut client = Client::open_with(address, "/ws", PAGE).await;
    client.say(&auth("expired")).await;
    client.reads_close(4401, "token_expired").await;
    let mut client = Client::open_with(address, "/ws", PAGE).await;
    client.say(&auth("ada")).await;
    client.hears("welcome").await;
    client.is("ada").await;
}

#[tokio::test]
async fn one_layer_in_another_answers_once() {
    let layers = ServiceBuilder::new()
        .layer(patient(json()))
        .layer(patient(json()))
        .layer(AuthLayer::new(Names::new()));
    let mut client = Client::open(serve(any(echo).layer(layers)).await).await;
    client.say(&auth("ada")).await;
    client.is("ada").await;
}

#[tokio::test]
async fn a_silent_client_holds_no_place_of_a_limited_service() {
    let layers = ServiceBuilder::new()
        .layer(patient(json()))
        .layer(tower::limit::ConcurrencyLimitLayer::new(1))
        .layer(AuthLayer::new(Names::new()));
    let address = serve(any(echo).layer(layers)).await;
    let _silent = [Client::open(address).await, Client::open(address).await];
    let mut client = Client::open(address).await;
    client.say(&auth("ada")).await;
    client.is("ada").await;
}

/// A handler of hyper's alone, which asks for its connection before it answers.
#[tokio::test]
async fn a_handler_without_axum_has_its_connection_too() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let handler = tower::service_fn(move |mut request: Request<Body>| {
        counted.fetch_add(1, Ordering::SeqCst);
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let io = TokioIo::new(upgrade.await.unwrap());
            let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() {
                    let _ = socket.send(message).await;
                }
            }
        });
        async {
            Ok::<_, std::convert::Infallible>(
                Response::builder().status(101).body(Body::empty()).unwrap(),
            )
        }
    });
    let service = ServiceBuilder::new()
        .layer(patient(json()))
        .layer(AuthLayer::new(Names::new()))
        .layer(LeaseLayer::expiry_only())
        .service(handler);
    let address = serve(axum::routing::any_service(service)).await;
    let mut client = Client::open(address).await;
    client.say(&auth("ada")).await;
    client.say("hello").await;
    client.hears("hello").await;
    let mut refused = Client::open(address).await;
    refused.say(&auth("expired")).await;
    refused.reads_close(4401, "token_expired").await;
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_handler_that_panics_ends_its_connection_and_leaves_nothing() {
    let layer = patient(json());
    let early = layer.early();
    let layers = ServiceBuilder::new()
        .layer(layer)
        .layer(AuthLayer::new(Names::new()));
    let handler = async || -> Response { panic!("as it does") };
    let address = serve(any(handler).layer(layers)).await;
    let mut client = Client::open(address).await;
    client.say(&auth("ada")).await;
    let mut end = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut client.0, &mut end);
    let _ = bounded("the end", read).await;
    assert_eq!(end, b"");
    bounded("the task", early.wait()).await;
}
