//! Socket.IO 4 with its default client, in an Express application whose sessions are in Redis.

use std::time::Duration;

use serde_json::{Value, json};
use test_servers::Server;
use test_support::http1::ask;
use tower_ws_auth::redis::{Redis, RedisRevocations};
use tower_ws_auth::{DisconnectReason, Revocations};

use crate::node::Node;
use crate::peer::{ORIGIN, Running, SOON, now, token_of};

const KEY: &str = "a session secret for these tests";
const PATHS: &str = "/socket.io=authenticate,/login=pass,/logout=pass,/logout-at-once=pass";

struct Scene {
    /// Of Socket.IO.
    version: u8,
    redis: Server,
    app: Node,
    gateway: Running,
}

impl Scene {
    async fn start(strategy: &str) -> Self {
        Self::rechecking(strategy, "0.2").await
    }

    /// Looks sessions up again that often.
    async fn rechecking(strategy: &str, seconds: &str) -> Self {
        let further = ["--session-recheck", seconds, "--path", PATHS];
        Self::with(4, strategy, &further).await
    }

    async fn with(version: u8, strategy: &str, further: &[&str]) -> Self {
        let redis = Server::start();
        let options = json!({ "url": redis.url(), "secret": KEY, "version": version }).to_string();
        let app = Node::run("socket_io.cjs", &["server", &options]);
        let (app, upstream) = app.listening().await;
        let url = redis.url();
        let options = [
            "--strategy",
            strategy,
            "--redis",
            &url,
            "--session-secret",
            KEY,
            "--client-protocol",
            "socket-io",
        ];
        let options = [&options[..], further].concat();
        let gateway = Running::start(upstream, &options).await;
        Self {
            version,
            redis,
            app,
            gateway,
        }
    }

    /// The cookie that Express sets at its login.
    async fn log_in(&self, user: &str) -> String {
        let login = format!("POST /login/{user}");
        ask(self.gateway.address, &login, &[], "")
            .await
            .cookie()
            .unwrap()
    }

    /// Waits until the application has noticed the end of that many WebSockets. Between two polls it
    /// notices the end of a polling client by its ping timeout alone.
    async fn has_lost(&mut self, user: &str, mut sockets: usize) {
        while sockets > 0 {
            let line = self.app.line().await;
            assert_eq!(line["user"], user, "{line}");
            sockets -= usize::from(line["left"] == "transport close");
        }
    }

    /// The default client with further options of its own.
    fn client(&self, with: &Value) -> Node {
        let url = format!("http://{}", self.gateway.address);
        let options = json!({ "url": url, "with": with, "version": self.version }).to_string();
        Node::run("socket_io.cjs", &["client", &options])
    }

    fn page(&self, cookie: &str, transports: &[&str]) -> Node {
        let fields = json!({ "Origin": ORIGIN, "Cookie": cookie });
        self.client(&json!({ "extraHeaders": fields, "transports": transports }))
    }
}

const DEFAULT: &[&str] = &["polling", "websocket"];

#[tokio::test]
async fn a_logged_in_user_comes_by_polling_and_by_websocket_and_both_end_at_logout() {
    let mut scene = Scene::start("session").await;
    let cookie = scene.log_in("ada").await;
    let mut upgraded = scene.page(&cookie, DEFAULT);
    let said = json!({ "answer": "ada said hi", "transport": "websocket" });
    assert_eq!(upgraded.line().await, said);
    let came = json!({ "user": "ada", "via": "session", "transport": "polling" });
    assert_eq!(scene.app.line().await, came);
    let mut polling = scene.page(&cookie, &["polling"]);
    let said = json!({ "answer": "ada said hi", "transport": "polling" });
    assert_eq!(polling.line().await, said);
    assert_eq!(scene.app.line().await, came);
    let mut direct = scene.page(&cookie, &["websocket"]);
    let said = json!({ "answer": "ada said hi", "transport": "websocket" });
    assert_eq!(direct.line().await, said);
    scene.app.line().await;

    // Another login stays.
    let other = scene.log_in("eve").await;
    let mut eve = scene.page(&other, DEFAULT);
    assert_eq!(eve.line().await["answer"], "eve said hi");
    scene.app.line().await;

    let logout = [("Cookie", &*cookie)];
    let answer = ask(scene.gateway.address, "POST /logout", &logout, "").await;
    assert_eq!(answer.status, 204);
    for client in [&mut upgraded, &mut direct, &mut polling] {
        let left = client.line().await;
        assert_eq!(left["left"], "io server disconnect", "{left}");
    }
    scene.has_lost("ada", 2).await;
    let mut again = scene.page(&cookie, DEFAULT);
    let refused = again.line().await;
    assert_eq!(refused["error"], "session_invalid", "{refused}");
    drop((upgraded, polling, direct, eve));
    scene.gateway.is_empty_within(SOON).await;
    drop(scene.redis);
}

#[tokio::test]
async fn two_redis_commands_of_a_logout_end_its_clients_at_once() {
    let mut scene = Scene::rechecking("session", "0").await;
    let (ada, eve) = (scene.log_in("ada").await, scene.log_in("eve").await);
    let mut socket = scene.page(&ada, DEFAULT);
    let mut polling = scene.page(&ada, &["polling"]);
    let mut other = scene.page(&eve, DEFAULT);
    for client in [&mut socket, &mut polling, &mut other] {
        assert!(client.line().await["answer"].is_string());
    }
    for _ in 0..3 {
        scene.app.line().await;
    }
    let cookie = [("Cookie", &*ada)];
    let answer = ask(scene.gateway.address, "POST /logout-at-once", &cookie, "").await;
    assert_eq!(answer.status, 204);
    let left = socket.line().await;
    assert_eq!(left["left"], "io server disconnect", "{left}");
    let left = polling.line().await;
    assert_eq!(left["left"], "io server disconnect", "{left}");
    scene.has_lost("ada", 1).await;
    let refused = scene.page(&ada, DEFAULT).line().await;
    assert_eq!(refused["error"], "session_invalid", "{refused}");
    // Nobody else has noticed.
    let mut again = scene.page(&eve, DEFAULT);
    assert_eq!(again.line().await["answer"], "eve said hi");
    drop((socket, polling, other, again));
    scene.gateway.is_empty_within(SOON).await;
}

#[tokio::test]
async fn a_client_without_a_login_reads_why_in_connect_error() {
    let scene = Scene::start("session").await;
    let forged = "connect.sid=s%3Aada.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for (cookie, reason) in [
        ("theme=dark", "credentials_missing"),
        (forged, "session_invalid"),
    ] {
        for transports in [DEFAULT, &["polling"], &["websocket"]] {
            let refused = scene.page(cookie, transports).line().await;
            assert_eq!(refused["error"], reason, "{transports:?}: {refused}");
            assert_eq!(refused["data"]["reason"], reason);
        }
    }
    // Without an Origin a cookie decides nothing.
    let cookie = scene.log_in("ada").await;
    let fields = json!({ "extraHeaders": { "Cookie": cookie } });
    let refused = scene.client(&fields).line().await;
    assert_eq!(refused["status"], 403, "{refused}");
    assert_eq!(refused["text"], "origin_denied");
    scene.gateway.is_empty_within(SOON).await;
}

#[tokio::test]
async fn a_token_travels_in_the_query_or_in_a_header_and_in_auth_it_comes_too_late() {
    let mut scene = Scene::start("any").await;
    let token = token_of("ada");
    let bearer = format!("Bearer {token}");
    for with in [
        json!({ "query": { "token": token } }),
        json!({ "extraHeaders": { "Authorization": bearer } }),
    ] {
        let mut client = scene.client(&with);
        let said = json!({ "answer": "ada said hi", "transport": "websocket" });
        assert_eq!(client.line().await, said);
        let came = scene.app.line().await;
        assert_eq!(
            (&came["user"], &came["via"]),
            (&json!("ada"), &json!("jwt"))
        );
        drop(client);
        assert_eq!(scene.app.line().await["user"], "ada");
    }
    let expired = crate::peer::token(&json!({ "sub": "ada", "exp": now() - 60 }));
    for (with, reason) in [
        (json!({ "query": { "token": expired } }), "token_expired"),
        // Socket.IO sends it after the handshake.
        (json!({ "auth": { "token": token } }), "credentials_missing"),
    ] {
        let refused = scene.client(&with).line().await;
        assert_eq!(refused["error"], reason, "{refused}");
    }
    // A revocation ends a poll that waits for a message, and a WebSocket.
    let query = json!({ "token": token });
    let mut polling = scene.client(&json!({ "query": query, "transports": ["polling"] }));
    let mut socket = scene.client(&json!({ "query": query }));
    assert_eq!(polling.line().await["answer"], "ada said hi");
    assert_eq!(socket.line().await["answer"], "ada said hi");
    let elsewhere = Redis::connect(&scene.redis.url()).await.unwrap();
    let store = RedisRevocations::new(elsewhere, Duration::from_secs(60));
    let revoked = Revocations::new(store)
        .revoke("user:ada", DisconnectReason::Revoked)
        .await;
    revoked.unwrap();
    let left = polling.line().await;
    assert_eq!(left["left"], "io server disconnect", "{left}");
    let left = socket.line().await;
    assert_eq!(left["left"], "io server disconnect", "{left}");
    drop((polling, socket));
    scene.gateway.is_empty_within(SOON).await;
}

/// Its `auth` is the first message of a client that does not poll.
#[tokio::test]
async fn a_token_in_auth_is_read_from_the_first_packet_of_a_websocket() {
    let options = [
        "--first-message",
        "socket-io",
        "--keep-credential",
        "--path",
        PATHS,
    ];
    let mut scene = Scene::with(4, "any", &options).await;
    let token = token_of("ada");
    let auth = |token: &str| json!({ "auth": { "token": token }, "transports": ["websocket"] });
    let mut client = scene.client(&auth(&token));
    let said = json!({ "answer": "ada said hi", "transport": "websocket" });
    assert_eq!(client.line().await, said);
    // The application reads the token as well.
    let came = json!({ "user": "ada", "via": "jwt", "transport": "websocket", "token": 3 });
    assert_eq!(scene.app.line().await, came);
    let expired = crate::peer::token(&json!({ "sub": "ada", "exp": now() - 60 }));
    for (with, reason) in [
        (auth(&expired), "token_expired"),
        (auth("a.b.c"), "token_invalid"),
        (
            json!({ "transports": ["websocket"] }),
            "credentials_missing",
        ),
        // A poll has no first message.
        (json!({ "auth": { "token": token } }), "credentials_missing"),
    ] {
        let refused = scene.client(&with).line().await;
        assert_eq!(refused["error"], reason, "{with}: {refused}");
        assert_eq!(refused["data"]["reason"], reason, "{with}: {refused}");
    }
    // A token in the query decides at once, and its connection ends as any.
    let query = json!({ "query": { "token": token }, "transports": ["websocket"] });
    let mut direct = scene.client(&query);
    assert_eq!(direct.line().await, said);
    assert_eq!(scene.app.line().await["user"], "ada");
    let elsewhere = Redis::connect(&scene.redis.url()).await.unwrap();
    let store = RedisRevocations::new(elsewhere, Duration::from_secs(60));
    let revoked = Revocations::new(store)
        .revoke("user:ada", DisconnectReason::Revoked)
        .await;
    revoked.unwrap();
    for client in [&mut client, &mut direct] {
        let left = client.line().await;
        assert_eq!(left["left"], "io server disconnect", "{left}");
    }
    drop((client, direct));
    scene.gateway.is_empty_within(SOON).await;
}

/// Its sessions of polling have no signature of the gateway.
#[tokio::test]
async fn socket_io_2_needs_the_transport_websocket() {
    let mut scene = Scene::with(2, "any", &["--path", PATHS]).await;
    let query = json!({ "token": token_of("ada") });
    let mut client = scene.client(&json!({ "query": query, "transports": ["websocket"] }));
    let said = json!({ "answer": "ada said hi", "transport": "websocket" });
    assert_eq!(client.line().await, said);
    let came = json!({ "user": "ada", "via": "jwt", "transport": "websocket" });
    assert_eq!(scene.app.line().await, came);
    drop(client);
    assert_eq!(scene.app.line().await["user"], "ada");
    let cookie = scene.log_in("eve").await;
    let mut page = scene.page(&cookie, &["websocket"]);
    assert_eq!(page.line().await["answer"], "eve said hi");
    drop(page);
    // It knows no packet for a reason, and its events do not show the close code.
    for with in [
        json!({ "transports": ["websocket"] }),
        json!({ "query": query }),
        json!({ "query": query, "transports": ["polling"] }),
    ] {
        let refused = scene.client(&with).line().await;
        let is_over = refused["left"].is_string() || refused["error"].is_string();
        assert!(is_over && refused["answer"].is_null(), "{with}: {refused}");
    }
    scene.gateway.is_empty_within(SOON).await;
}
