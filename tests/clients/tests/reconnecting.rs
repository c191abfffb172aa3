//! The reconnecting client of `clients/js` against a running chat: it obeys every code, and comes
//! back when it should.
#![cfg(feature = "clients")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use chat::{Chat, Options};
use clap::Parser;
use client_tests::Page;
use serde_json::{Value, json};
use test_support::packages;
use tokio::process::Command;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tower_ws_auth::Clock;

const PATIENCE: Duration = Duration::from_secs(60);
/// The life of a token. Only the test's own clock ends one.
const TTL: u64 = 600;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients/js")
}

/// A chat whose clock the test moves.
struct Server {
    address: SocketAddr,
    ahead: Arc<AtomicU64>,
    shutdown: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Server {
    async fn start(address: SocketAddr) -> Self {
        let options = Options::try_parse_from([
            "chat",
            "--listen",
            &address.to_string(),
            "--hold-ms",
            "0",
            "--jwt-secret",
            "a secret of thirty-two bytes, or more",
            "--session-secret",
            "a secret of sixteen bytes, or more",
        ]);
        let ahead = Arc::new(AtomicU64::new(0));
        let seconds = Arc::clone(&ahead);
        let clock = Clock::from_fn(move || {
            SystemTime::now() + Duration::from_secs(seconds.load(Ordering::SeqCst))
        });
        let chat = Chat::bind_with_clock(options.unwrap(), clock)
            .await
            .unwrap();
        let address = chat.address();
        let (shutdown, told) = oneshot::channel();
        let served = tokio::spawn(async move {
            let told = async move {
                // A sender that is dropped ends it too.
                let _ = told.await;
            };
            chat.serve(told).await.unwrap();
        });
        Self {
            address,
            ahead,
            shutdown,
            served,
        }
    }

    fn pass(&self, seconds: u64) {
        self.ahead.fetch_add(seconds, Ordering::SeqCst);
    }
}

fn open(server: &Server, token: Option<Value>) -> Page {
    open_with("undici", "undici", server, token)
}

/// With a socket of this package: its own, or with an `Origin`.
fn open_with(package: &str, socket: &str, server: &Server, token: Option<Value>) -> Page {
    let mut job = json!({
        "port": server.address.port(),
        "ttl": TTL,
        "module": folder().join("reconnect.js"),
        "package": package,
        "socket": socket,
    });
    if let Some(token) = token {
        job["token"] = token;
    }
    Page::open("reconnecting.mjs", &job, package)
}

fn welcome(attempts: u64) -> Value {
    json!({ "event": "welcome", "attempts": attempts, "user": "ada", "protocol": "chat.v1" })
}

fn any() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

#[tokio::test]
async fn a_token_that_expires_while_open_is_refreshed_at_once() {
    let server = Server::start(any()).await;
    let mut page = open(&server, None);
    page.shows(&[welcome(1)]).await;
    server.pass(TTL + 1);
    page.shows(&[
        json!({ "event": "close", "code": 4401, "reason": "token_expired", "wasClean": true }),
        json!({ "event": "refresh", "attempts": 1, "reason": "token_expired" }),
        welcome(2),
    ])
    .await;
}

#[tokio::test]
async fn an_invalid_token_is_refreshed_once() {
    let server = Server::start(any()).await;
    for package in ["undici", "ws"] {
        let mut page = open_with(package, package, &server, Some(json!("a.b.c")));
        page.shows(&[
            json!({ "event": "close", "code": 4401, "reason": "token_invalid", "wasClean": true }),
            json!({ "event": "refresh", "attempts": 1, "reason": "token_invalid" }),
            welcome(2),
        ])
        .await;
    }
}

/// `ws` emits an error, which must not end the process.
#[tokio::test]
async fn a_socket_without_an_origin_sees_no_reason_and_backs_off() {
    let server = Server::start(any()).await;
    let mut page = open_with("ws", "bare", &server, Some(json!("a.b.c")));
    page.shows(&[
        json!({ "event": "close", "attempts": 1, "code": 1006, "reason": "" }),
        json!({ "event": "waiting", "attempts": 1, "code": 1006 }),
        json!({ "event": "close", "attempts": 2, "code": 1006, "reason": "" }),
    ])
    .await;
}

#[tokio::test]
async fn without_a_credential_it_stops_and_asks_for_a_login() {
    let server = Server::start(any()).await;
    let mut page = open(&server, Some(Value::Null));
    page.shows(&[
        json!({ "event": "close", "code": 4401, "reason": "credentials_missing" }),
        json!({ "event": "stopped", "attempts": 1, "advice": "log in" }),
    ])
    .await;
    page.leaves().await;
}

#[tokio::test]
async fn a_revoked_client_stops_and_one_that_insists_is_refused() {
    let server = Server::start(any()).await;
    let mut page = open(&server, None);
    page.shows(&[welcome(1)]).await;
    page.command("revoke").await;
    page.shows(&[
        json!({ "event": "close", "code": 4403, "reason": "revoked" }),
        json!({ "event": "stopped", "attempts": 1, "advice": "not allowed" }),
    ])
    .await;
    page.command("connect").await;
    page.shows(&[json!({ "event": "close", "attempts": 2, "code": 4401 })])
        .await;
}

#[tokio::test]
async fn a_server_that_goes_down_is_waited_for() {
    let server = Server::start(any()).await;
    let mut page = open(&server, None);
    page.shows(&[welcome(1)]).await;
    let address = server.address;
    server.shutdown.send(()).unwrap();
    page.shows(&[
        json!({ "event": "close", "code": 1001, "reason": "going_away" }),
        json!({ "event": "waiting", "attempts": 1, "code": 1001 }),
    ])
    .await;
    timeout(PATIENCE, server.served).await.unwrap().unwrap();
    let server = Server::start(address).await;
    // It may have tried in between, and then it has backed off.
    let event = loop {
        let event = page.next().await;
        if !["close", "waiting"].contains(&event["event"].as_str().unwrap()) {
            break event;
        }
    };
    assert_eq!(
        (&event["event"], &event["user"]),
        (&json!("welcome"), &json!("ada"))
    );
    drop(server);
}

#[tokio::test]
async fn its_types_accept_a_use_and_refuse_mistakes() {
    let modules = packages("node/node_modules", "typescript");
    let output = Command::new("node")
        .arg(modules.join("typescript/bin/tsc"))
        .args(["--noEmit", "--strict", "--target", "es2022"])
        .args(["--lib", "es2022,dom", "--module", "nodenext"])
        .arg(folder().join("types.test.mts"))
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}
