//! `FirstMessageLayer` and renewals with the libraries that send their credential in a message.
#![cfg(feature = "clients")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::time::{Duration, SystemTime};

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use axum::{Extension, Router};
use client_tests::Page;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use test_support::now;
use tokio::net::TcpListener;
use tower::{Service, ServiceExt};
use tower_ws_auth::jwt::{Jwt, JwtEncoder, Key, SigningKey};
use tower_ws_auth::lease::{Lease, LeaseLayer, RenewalFormat, RenewalMessages};
use tower_ws_auth::{AuthLayer, Authenticated, CloseFrameLayer, FirstMessageLayer, MessageFormat};

const SECRET: [u8; 32] = [7; 32];

#[derive(Clone, Serialize, Deserialize)]
struct Claims {
    sub: String,
}

fn token(user: &str, lives: u64) -> String {
    let encoder = JwtEncoder::new(SigningKey::hs256(SECRET).unwrap());
    let claims = json!({ "sub": user, "iat": now() - 60, "exp": now() + lives });
    encoder.encode(&claims).unwrap()
}

fn expired() -> String {
    let encoder = JwtEncoder::new(SigningKey::hs256(SECRET).unwrap());
    let claims = json!({ "sub": "ada", "iat": now() - 120, "exp": now() - 60 });
    encoder.encode(&claims).unwrap()
}

/// Answers a message of its protocol for this user.
type Speech = fn(&str, user: &str, lease: &Lease) -> Vec<String>;

async fn handler(
    upgrade: WebSocketUpgrade,
    user: Authenticated<Claims>,
    lease: Lease,
    Extension(renewals): Extension<RenewalMessages<Jwt<Claims>>>,
    Extension(speech): Extension<Speech>,
) -> Response {
    let upgrade = upgrade.protocols(["v12.stomp"]);
    let name = user.sub.clone();
    upgrade.on_upgrade(async move |socket| {
        speak(socket, &name, &lease, renewals, speech).await;
    })
}

async fn speak(
    mut socket: WebSocket,
    name: &str,
    lease: &Lease,
    mut renewals: RenewalMessages<Jwt<Claims>>,
    speech: Speech,
) {
    while let Some(Ok(Message::Text(text))) = socket.recv().await {
        let renewals = renewals.ready().await.unwrap();
        let renewed = renewals.call((lease.clone(), text.to_string())).await;
        let answers = match renewed.unwrap() {
            Some(answer) if answer.contains("error") => vec![answer],
            // What the client can tell of the end that has moved.
            Some(answer) => vec![
                answer,
                json!({ "push": { "message": { "data": left(lease) } } }).to_string(),
            ],
            None => speech(&text, name, lease),
        };
        for answer in answers {
            if socket.send(Message::text(answer)).await.is_err() {
                return;
            }
        }
    }
}

/// Whether the connection has more than an hour.
fn left(lease: &Lease) -> Value {
    let hour = SystemTime::now() + Duration::from_secs(3600);
    json!({ "long": lease.until().unwrap() > hour })
}

/// A server whose handler knows nothing of first messages.
async fn server(format: MessageFormat, speech: Speech) -> u16 {
    let jwt = || {
        Jwt::<Claims>::builder(Key::hs256(SECRET).unwrap())
            .build()
            .unwrap()
    };
    let lease = LeaseLayer::expiry_only().renewable_by(|claims: &Claims| claims.sub.clone());
    let renewals = lease.leases().renewals(jwt()).unwrap();
    let renewals = renewals.messages(RenewalFormat::centrifugo());
    let layers = tower::ServiceBuilder::new()
        .layer(CloseFrameLayer::new())
        .layer(FirstMessageLayer::new(format))
        .layer(AuthLayer::new(jwt()))
        .layer(lease);
    let app = Router::new()
        .route("/{*path}", any(handler).layer(layers))
        .layer((Extension(renewals), Extension(speech)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, app).await });
    port
}

fn page(library: &str, port: u16, tokens: &[String]) -> Page {
    let job = json!({ "library": library, "port": port, "tokens": tokens });
    Page::open("first_message.cjs", &job, library)
}

/// As Home Assistant does it: nothing of the handshake is left for the handler.
fn home_assistant(text: &str, user: &str, _: &Lease) -> Vec<String> {
    let command: Value = serde_json::from_str(text).unwrap();
    assert_ne!(command["type"], "auth", "the layer has answered it");
    let result = match command["type"].as_str() {
        Some("auth/current_user") => json!({ "id": "1", "name": user }),
        _ => Value::Null,
    };
    let answer =
        json!({ "id": command["id"], "type": "result", "success": true, "result": result });
    vec![answer.to_string()]
}

#[tokio::test]
async fn home_assistants_client_logs_in_and_reads_a_refusal_as_one() {
    let format = || MessageFormat::home_assistant("2025.11.3");
    let port = server(format(), home_assistant).await;
    let mut ada = page("home-assistant-js-websocket", port, &[token("ada", 600)]);
    let connected = json!({ "event": "connected", "version": "2025.11.3", "name": "ada" });
    ada.shows(&[connected]).await;
    for (bad, error) in [
        // It never comes back after that.
        ("a.b.c".to_owned(), "invalid_auth"),
        // It may come back with a fresh one.
        (expired(), "cannot_connect"),
    ] {
        let mut refused = page("home-assistant-js-websocket", port, &[bad]);
        let error = json!({ "event": "error", "error": error });
        refused.shows(&[error]).await;
    }
    // A connection that ends with its token is opened anew with a fresh one.
    let tokens = [token("ada", 8), token("ada", 600)];
    let mut brief = page("home-assistant-js-websocket", port, &tokens);
    brief
        .shows(&[
            json!({ "event": "connected", "name": "ada" }),
            json!({ "event": "disconnected" }),
            json!({ "event": "refresh" }),
            json!({ "event": "ready" }),
        ])
        .await;
}

fn centrifugo(text: &str, user: &str, _: &Lease) -> Vec<String> {
    let command: Value = serde_json::from_str(text).unwrap_or_default();
    if command.get("connect").is_none() {
        return Vec::new();
    }
    // It refreshes after a second.
    let connect = json!({
        "client": "c1", "version": "1", "expires": true, "ttl": 1, "data": { "name": user },
    });
    vec![json!({ "id": command["id"], "connect": connect }).to_string()]
}

#[tokio::test]
async fn centrifuges_client_connects_by_its_first_command_and_refreshes_on_the_open_connection() {
    let port = server(MessageFormat::centrifugo(), centrifugo).await;
    let tokens = [token("ada", 600), token("ada", 7200)];
    let mut ada = page("centrifuge", port, &tokens);
    ada.shows(&[
        json!({ "event": "connected", "client": "c1", "data": { "name": "ada" } }),
        // The lease ends with the second token.
        json!({ "event": "message", "data": { "long": true } }),
    ])
    .await;
    // The token of another user renews nothing, and it stops.
    let tokens = [token("ada", 600), token("eve", 7200)];
    let mut eve = page("centrifuge", port, &tokens);
    eve.shows(&[
        json!({ "event": "connected", "data": { "name": "ada" } }),
        json!({ "event": "disconnected", "code": 103 }),
    ])
    .await;
    let mut refused = page("centrifuge", port, &["a.b.c".to_owned()]);
    let invalid = refused.next().await;
    assert_eq!(invalid["event"], "disconnected", "{invalid}");
}

fn stomp(text: &str, user: &str, _: &Lease) -> Vec<String> {
    let is_connect = text.starts_with("CONNECT\n") || text.starts_with("STOMP\n");
    let connected = || format!("CONNECTED\nversion:1.2\nheart-beat:0,0\nuser-name:{user}\n\n\0");
    is_connect.then(connected).into_iter().collect()
}

#[tokio::test]
async fn stomps_client_connects_by_its_passcode() {
    let port = server(MessageFormat::stomp("passcode"), stomp).await;
    let mut ada = page("@stomp/stompjs", port, &[token("ada", 600)]);
    ada.shows(&[json!({ "event": "connected", "name": "ada" })])
        .await;
    let mut refused = page("@stomp/stompjs", port, &[expired()]);
    let closed = json!({ "event": "closed", "code": 4401, "reason": "token_expired" });
    refused.shows(&[closed]).await;
}
