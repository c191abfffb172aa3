//! The recipe for Socket.IO with the real client: its default transports begin with polling.
#![cfg(feature = "clients")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::routing::any;
use client_tests::Page;
use serde_json::{Value, json};
use test_support::of_tier;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tower::util::MapRequestLayer;
use tower_ws_auth::channel::{ConnectPacket, Join, NamespaceAuth};

/// The recipe, and how many connections of Engine.IO were begun there.
struct Server {
    port: u16,
    begun: Arc<AtomicUsize>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let begun = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&begun);
        let counting = MapRequestLayer::new(move |request: Request| {
            let query = request.uri().query().unwrap_or_default();
            if query.contains("EIO=4") && !query.contains("sid=") {
                count.fetch_add(1, Ordering::SeqCst);
            }
            request
        });
        let app = socket_io::app(&format!("http://127.0.0.1:{port}")).unwrap();
        let app = app.layer(counting);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { port, begun }
    }

    fn open(&self, mut job: Value) -> Page {
        job["port"] = self.port.into();
        Page::open("socket_io.cjs", &job, "socket.io-client")
    }
}

const TRANSPORTS: [&[&str]; 2] = [&["polling"], &["websocket"]];

#[tokio::test]
async fn a_user_who_is_logged_in_connects_by_polling_and_is_upgraded() {
    let server = Server::start().await;
    let mut page = server.open(json!({ "user": "ada" }));
    let mut names = Vec::new();
    while names.len() < 3 {
        let event = page.next().await;
        names.push(event["event"].as_str().unwrap().to_owned());
        if event["event"] == "welcome" {
            assert_eq!(event["name"], "ada");
        }
        if event["event"] == "upgrade" {
            assert_eq!(event["name"], "websocket");
        }
    }
    names.sort();
    assert_eq!(names, ["connect", "upgrade", "welcome"]);
    page.leaves().await;
}

#[tokio::test]
async fn a_stranger_reads_why_and_does_not_come_back() {
    for transports in [json!(null), json!(["polling"]), json!(["websocket"])] {
        for namespace in ["/", "/admin"] {
            let server = Server::start().await;
            let job = json!({ "transports": transports, "namespace": namespace });
            let mut page = server.open(job);
            page.shows(&[json!({
                "event": "connect_error",
                "message": "credentials_missing",
                "data": { "reason": "credentials_missing" },
            })])
            .await;
            sleep(Duration::from_millis(of_tier(1000, 10_000))).await;
            assert_eq!(server.begun.load(Ordering::SeqCst), 1, "{transports}");
            page.leaves().await;
        }
    }
}

#[tokio::test]
async fn a_namespace_for_administrators_is_for_them_alone() {
    for transports in TRANSPORTS {
        let server = Server::start().await;
        let job =
            |user: &str| json!({ "user": user, "namespace": "/admin", "transports": transports });
        let mut root = server.open(job("root"));
        root.shows(&[json!({ "event": "connect" }), json!({ "event": "welcome" })])
            .await;
        let mut ada = server.open(job("ada"));
        ada.shows(&[json!({ "event": "connect_error", "message": "forbidden" })])
            .await;
        ada.leaves().await;
        root.leaves().await;
    }
}

#[tokio::test]
async fn a_reconnect_carries_the_fresh_auth() {
    for transports in TRANSPORTS {
        let server = Server::start().await;
        let mut page = server.open(json!({
            "user": "ada", "namespace": "/feed", "auth": true, "transports": transports,
        }));
        page.shows(&[
            json!({ "event": "auth", "fresh": false }),
            json!({ "event": "connect_error", "message": "token_expired" }),
            json!({ "event": "auth", "fresh": true }),
            json!({ "event": "connect" }),
            json!({ "event": "welcome", "name": "ada" }),
        ])
        .await;
        page.leaves().await;
    }
}

#[tokio::test]
async fn a_logout_and_a_ban_end_both_transports() {
    for transports in TRANSPORTS {
        for (command, reason) in [("logout", "session_ended"), ("ban", "revoked")] {
            let server = Server::start().await;
            let mut page = server.open(json!({ "user": "ada", "transports": transports }));
            page.shows(&[json!({ "event": "connect" }), json!({ "event": "welcome" })])
                .await;
            page.command(command).await;
            let ended = page.next().await;
            assert_eq!(ended["event"], "auth_ended", "{ended}");
            // The next poll may come behind the revocation: it is refused.
            let reasons = [reason, "session_invalid"];
            assert!(
                reasons.map(Value::from).contains(&ended["reason"]),
                "{ended}"
            );
            page.shows(&[json!({
                "event": "disconnect",
                "reason": "io server disconnect",
                "active": false,
            })])
            .await;
            // It does not come back by itself, and is refused if the application insists.
            page.command("connect").await;
            let refused = page.next().await;
            assert_eq!(refused["event"], "connect_error", "{refused}");
            assert_eq!(refused["data"]["reason"], "session_invalid", "{refused}");
            page.leaves().await;
        }
    }
}

#[tokio::test]
async fn nobody_uses_the_session_of_somebody_else() {
    let server = Server::start().await;
    let mut page = server.open(json!({ "user": "ada", "transports": ["polling"] }));
    page.shows(&[json!({ "event": "connect" }), json!({ "event": "welcome" })])
        .await;
    page.command("steal").await;
    page.shows(&[json!({
        "event": "stolen",
        "answers": [400, 400, 400],
        "bare": 400,
        "text": r#"{"code":1,"message":"Session ID unknown"}"#,
    })])
    .await;
    // Its owner has not noticed.
    let mut bob = server.open(json!({ "user": "bob", "transports": ["websocket"] }));
    bob.shows(&[json!({ "event": "connect" })]).await;
    page.command("say").await;
    loop {
        let event = bob.next().await;
        if event["event"] == "said" {
            assert_eq!(event["text"], "hello");
            break;
        }
    }
    page.leaves().await;
}

/// A server of our own, whose namespace `/admin` is for a token in `auth`.
async fn speak(mut socket: WebSocket) {
    const OPEN: &str = r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
    let namespaces = NamespaceAuth::new(|join: &Join<(), Option<String>>| {
        join.channel() == "/" || join.credential().is_some()
    });
    let namespaces = namespaces.credential(|auth| auth.contains("token").then(|| auth.to_owned()));
    socket.send(Message::text(OPEN)).await.unwrap();
    while let Some(Ok(message)) = socket.recv().await {
        let Some(packet) = message.to_text().ok().and_then(ConnectPacket::read) else {
            continue;
        };
        let answer = namespaces.connect((), &packet, "b").await;
        socket.send(Message::text(answer.packet())).await.unwrap();
    }
}

#[tokio::test]
async fn a_namespace_of_a_server_of_our_own_is_refused_with_message_and_data() {
    let upgrade = async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(speak);
    let app = Router::new().route("/socket.io/", any(upgrade));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, app).await });
    for (namespace, event) in [
        ("/", json!({ "event": "connect" })),
        (
            "/admin",
            json!({
                "event": "connect_error",
                "message": "forbidden",
                "data": { "reason": "forbidden" },
            }),
        ),
    ] {
        let job = json!({ "port": port, "namespace": namespace, "transports": ["websocket"] });
        let mut page = Page::open("socket_io.cjs", &job, "socket.io-client");
        page.shows(&[event]).await;
        page.leaves().await;
    }
}
