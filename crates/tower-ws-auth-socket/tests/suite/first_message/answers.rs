//! What becomes of a first message.

use std::net::SocketAddr;
use std::time::Duration;

use axum::response::IntoResponse;
use axum::routing::any;
use http::StatusCode;
use http::header::{SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL};
use http::request::Parts;
use test_support::{Gauge, bounded, handshake, until};
use tokio::io::AsyncReadExt;
use tower_ws_auth_core::credential::{Carriers, SubprotocolFormat};
use tower_ws_auth_core::{AuthLayer, Grant, Rejection, RejectionKind};
use tower_ws_auth_socket::first_message::FirstMessageLayer;

use super::lab::{Client, Names, auth, carriers, echo, json, patient, route, serve, server};

#[tokio::test]
async fn a_credential_in_the_first_message_reaches_the_unmodified_handler() {
    let mut client = Client::open(server().await).await;
    client.say(&auth("ada")).await;
    client.is("ada").await;
}

#[tokio::test]
async fn each_refusal_has_the_code_and_the_reason_of_every_other_layer() {
    let address = server().await;
    for (message, code, reason) in [
        (auth("expired"), 4401, "token_expired"),
        (auth("unknown"), 4401, "token_invalid"),
        (auth("banned"), 4403, "forbidden"),
        (auth("down"), 4503, "unavailable"),
        (auth(""), 4400, "credentials_malformed"),
        (auth("a b"), 4400, "credentials_malformed"),
        (auth(&"a".repeat(9000)), 4400, "credentials_malformed"),
        (r#"{"type":"auth"}"#.to_owned(), 4401, "credentials_missing"),
        (
            r#"{"type":"auth","token":null}"#.to_owned(),
            4401,
            "credentials_missing",
        ),
        (
            r#"{"type":"auth","token":1}"#.to_owned(),
            4400,
            "message_malformed",
        ),
        (
            r#"{"type":"other","token":"ada"}"#.to_owned(),
            4400,
            "message_malformed",
        ),
        (
            r#"{"type":"auth","token":"ada","token":"eve"}"#.to_owned(),
            4400,
            "message_malformed",
        ),
        ("ada".to_owned(), 4400, "message_malformed"),
        (String::new(), 4400, "message_malformed"),
    ] {
        let mut client = Client::open(address).await;
        client.say(&message).await;
        client.reads_close(code, reason).await;
    }
}

#[tokio::test]
async fn a_handshake_with_its_credential_goes_its_usual_way() {
    let layer = patient(json()).when_missing(carriers());
    let address = serve(route(layer).0).await;
    let mut by_query = Client::open_with(address, "/ws?token=ada", "").await;
    by_query.is("ada").await;
    let mut by_header = Client::open_with(address, "/ws", "Authorization: Bearer ada\r\n").await;
    by_header.is("ada").await;
    // It is refused there too, in HTTP.
    let (_, refused) = handshake::ask(address, "/ws?token=expired", "").await;
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    let mut by_message = Client::open_with(address, "/ws?room=1", "").await;
    by_message.say(&auth("ada")).await;
    by_message.is("ada").await;
}

#[tokio::test]
async fn credentials_in_the_handshake_and_in_the_message_are_malformed() {
    let mut client = Client::open_with(server().await, "/ws?token=ada", "").await;
    client.say(&auth("ada")).await;
    client.reads_close(4400, "credentials_malformed").await;
}

#[tokio::test]
async fn what_is_no_handshake_is_not_answered_here() {
    let address = server().await;
    let (_, answer) = handshake::ask(address, "/ws", "Content-Length: 3\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn a_client_that_goes_ends_the_decision_about_it() {
    let (route, names) = route(patient(json()));
    let mut client = Client::open(serve(route).await).await;
    client.say(&auth("never")).await;
    until("the decision", || names.deciding.now() > 0).await;
    drop(client);
    names.deciding.none_left("decisions").await;
}

#[tokio::test]
async fn a_decision_that_takes_too_long_is_given_up() {
    let layer = patient(json()).answer_timeout(Duration::from_millis(50));
    let (route, names) = route(layer);
    let mut client = Client::open(serve(route).await).await;
    client.say(&auth("never")).await;
    client.reads_close(4504, "unavailable").await;
    names.deciding.none_left("decisions").await;
}

#[tokio::test]
async fn a_handler_that_never_answers_is_given_up() {
    let layer = patient(json()).answer_timeout(Duration::from_millis(50));
    let early = layer.early();
    let layers = tower::ServiceBuilder::new()
        .layer(layer)
        .layer(AuthLayer::new(Names::new()));
    let running = Gauge::default();
    let of_handler = running.clone();
    let handler = move || {
        let held = of_handler.hold();
        async move {
            std::future::pending::<()>().await;
            drop(held);
        }
    };
    let mut client = Client::open(serve(any(handler).layer(layers)).await).await;
    client.say(&auth("ada")).await;
    client.reads_close(4504, "unavailable").await;
    assert_eq!(running.ever(), 1);
    running.none_left("handlers").await;
    bounded("the task", early.wait()).await;
}

#[tokio::test]
async fn a_handler_that_takes_no_connection_after_its_101_ends_it() {
    let layer = patient(json().accepted("welcome"));
    let early = layer.early();
    let layers = tower::ServiceBuilder::new()
        .layer(layer)
        .layer(AuthLayer::new(Names::new()));
    let handler = async || StatusCode::SWITCHING_PROTOCOLS;
    let mut client = Client::open(serve(any(handler).layer(layers)).await).await;
    client.say(&auth("ada")).await;
    client.hears("welcome").await;
    let end = bounded("the end", client.0.read(&mut [0])).await;
    assert!(matches!(end, Ok(0)), "{end:?}");
    bounded("the task", early.wait()).await;
}

#[tokio::test]
async fn a_handler_that_does_not_upgrade_is_told_in_a_close_code() {
    for (status, code, reason) in [
        (StatusCode::OK, 4200, "OK"),
        (StatusCode::NOT_FOUND, 4404, "Not Found"),
        (StatusCode::FORBIDDEN, 4403, "forbidden"),
        (StatusCode::TOO_MANY_REQUESTS, 4429, "rate_limited"),
        (StatusCode::SERVICE_UNAVAILABLE, 4503, "unavailable"),
        (StatusCode::INTERNAL_SERVER_ERROR, 1011, "internal_error"),
    ] {
        let layers = tower::ServiceBuilder::new()
            .layer(patient(json()))
            .layer(AuthLayer::new(Names::new()));
        let address = serve(any(async move || status).layer(layers)).await;
        let mut client = Client::open(address).await;
        client.say(&auth("ada")).await;
        client.reads_close(code, reason).await;
    }
}

#[tokio::test]
async fn a_handler_cannot_promise_what_the_client_has_not_read() {
    for name in [SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_EXTENSIONS] {
        let layers = tower::ServiceBuilder::new()
            .layer(patient(json()))
            .layer(AuthLayer::new(Names::new()));
        let answer = async move || {
            (
                StatusCode::SWITCHING_PROTOCOLS,
                [(name, "permessage-deflate")],
            )
                .into_response()
        };
        let mut client = Client::open(serve(any(answer).layer(layers)).await).await;
        client.say(&auth("ada")).await;
        client.reads_close(1011, "internal_error").await;
    }
}

#[tokio::test]
async fn the_subprotocol_is_selected_before_the_handler_sees_the_offer() {
    let layers = tower::ServiceBuilder::new()
        .layer(patient(json()).subprotocols(["chat.v1"]))
        .layer(AuthLayer::new(Names::new()));
    let address = serve(any(echo).layer(layers)).await;
    let offer = "Sec-WebSocket-Protocol: other, chat.v1\r\nSec-WebSocket-Extensions: permessage-deflate\r\n";
    let (stream, head) = handshake::ask(address, "/ws", offer).await;
    let head = head.to_lowercase();
    assert!(
        head.contains("sec-websocket-protocol: chat.v1\r\n"),
        "{head}"
    );
    assert!(!head.contains("extensions"), "{head}");
    let mut client = Client(stream);
    client.say(&auth("ada")).await;
    client.is("ada").await;
    // None is known: none is selected, and the handler is offered none.
    let offer = "Sec-WebSocket-Protocol: graphql-transport-ws\r\n";
    let (stream, head) = handshake::ask(address, "/ws", offer).await;
    assert!(
        !head.to_lowercase().contains("sec-websocket-protocol"),
        "{head}"
    );
    let mut client = Client(stream);
    client.say(&auth("ada")).await;
    client.is("ada").await;
}

/// The user's name among the subprotocols, in each format.
const FORMATS: [(SubprotocolFormat, &str); 6] = [
    (SubprotocolFormat::Phoenix, "base64url.bearer.phx.YWRh"),
    (
        SubprotocolFormat::Kubernetes,
        "base64url.bearer.authorization.k8s.io.YWRh",
    ),
    (SubprotocolFormat::BearerPair, "bearer, ada"),
    (
        SubprotocolFormat::Jupyter,
        "v1.token.websocket.jupyter.org.ada",
    ),
    (
        SubprotocolFormat::AppSync,
        "header-eyJBdXRob3JpemF0aW9uIjoiYWRhIn0",
    ),
    (
        SubprotocolFormat::LastAfter("access_token."),
        "access_token.ada",
    ),
];

fn offer(carrying: &str) -> String {
    format!("Sec-WebSocket-Protocol: chat.v1, {carrying}\r\n")
}

fn by_subprotocol(format: SubprotocolFormat) -> Carriers {
    Carriers::builder().subprotocol(format).build().unwrap()
}

/// A server whose strategy believes these carriers.
async fn server_by(layer: FirstMessageLayer, carriers: Carriers) -> SocketAddr {
    let strategy = move |head: &mut Parts| {
        let taken = carriers.take(head);
        async move {
            let missing = || Rejection::new(RejectionKind::CredentialsMissing, "none");
            let credential = taken?.ok_or_else(missing)?;
            Ok(Grant::new(credential.as_str().to_owned()))
        }
    };
    let layers = tower::ServiceBuilder::new()
        .layer(layer)
        .layer(AuthLayer::new(strategy));
    serve(any(echo).layer(layers)).await
}

#[tokio::test]
async fn a_handshake_with_its_credential_as_a_subprotocol_goes_its_usual_way() {
    for (format, carrying) in FORMATS {
        let carriers = by_subprotocol(format);
        let layer = patient(json()).when_missing(carriers.clone());
        let address = server_by(layer, carriers).await;
        let mut client = Client::open_with(address, "/ws", &offer(carrying)).await;
        client.is("ada").await;
        let mut by_message = Client::open_with(address, "/ws", &offer("chat.v2")).await;
        by_message.say(&auth("eve")).await;
        by_message.is("eve").await;
    }
}

#[tokio::test]
async fn a_credential_as_a_subprotocol_does_not_vanish() {
    for (format, carrying) in FORMATS {
        let layer = patient(json()).subprotocols(["chat.v1"]);
        let address = server_by(layer, by_subprotocol(format)).await;
        let mut client = Client::open_with(address, "/ws", &offer(carrying)).await;
        client.say(&auth("eve")).await;
        client.reads_close(4400, "credentials_malformed").await;
        // It is the only one where the message has none.
        let mut alone = Client::open_with(address, "/ws", &offer(carrying)).await;
        alone.say(r#"{"type":"auth"}"#).await;
        alone.is("ada").await;
    }
}
