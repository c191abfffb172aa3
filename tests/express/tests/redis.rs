//! A real Express with connect-redis and the chat, on one Redis: they share their sessions.
#![cfg(all(feature = "node", feature = "redis"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod app;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use app::App;
use chat::{Chat, Options};
use clap::Parser;
use http::HeaderMap;
use http::header::COOKIE;
use node_tests::Node;
use serde_json::{Value, json};
use test_servers::Server;
use tower_ws_auth::redis::{Redis, RedisSessions};
use tower_ws_auth::session::{
    Replaced, Secrets, SessionId, SessionStore, Sessions, SessionsBuilder, StoreFuture,
    StoredSession,
};

async fn chat(server: &Server) -> Node {
    let options = ["chat", "--listen", "127.0.0.1:0", "--redis", &server.url()];
    let secret = ["--session-secret", Node::SESSION_SECRET];
    let options = Options::try_parse_from(options.into_iter().chain(secret)).unwrap();
    let chat = Chat::bind(options).await.unwrap();
    let node = Node::at(chat.address());
    tokio::spawn(chat.serve(std::future::pending()));
    node
}

async fn user_at(app: &App, cookie: &str) -> Value {
    app.node.post("/me", cookie, "").await.json()
}

async fn login_at(app: &App, user: &str) -> String {
    let answer = app.node.post(&format!("/login/{user}"), "", "").await;
    assert_eq!(answer.status, 204, "{answer:?}");
    answer.cookie().unwrap()
}

const INVALID: (u16, &str) = (4401, "session_invalid");

async fn refusal(chat: &Node, cookie: &str) -> (u16, String) {
    chat.page_refusal("/session", cookie).await
}

#[tokio::test]
async fn a_session_of_express_opens_a_socket_here_until_it_is_logged_out_there() {
    let server = Server::start();
    let (app, chat) = tokio::join!(App::start(&server, None), chat(&server));
    let cookie = login_at(&app, "ada").await;
    for path in ["/session", "/any"] {
        let mut socket = chat.open_page(path, &cookie).await;
        assert_eq!(socket.welcome["user"], "ada");
        assert_eq!(socket.welcome["via"], "session");
        socket.is_alive().await;
    }
    // The other uses of a session.
    let ticket = chat.ticket(&cookie, None).await;
    let socket = chat.open(&format!("/ticket?ticket={ticket}")).await;
    assert_eq!(socket.welcome["user"], "ada");

    let other = login_at(&app, "ada").await;
    let answer = app.node.post("/logout", &cookie, "").await;
    assert_eq!(answer.status, 204);
    let (code, reason) = refusal(&chat, &cookie).await;
    assert_eq!((code, reason.as_str()), INVALID);
    assert_eq!(chat.post("/ticket", &cookie, "").await.status, 401);
    chat.open_page("/session", &other).await;
}

#[tokio::test]
async fn a_session_of_this_side_is_one_at_express_until_it_is_logged_out_here() {
    let server = Server::start();
    let (app, chat) = tokio::join!(App::start(&server, None), chat(&server));
    let cookie = chat.login("zoe").await;
    assert_eq!(user_at(&app, &cookie).await, "zoe");
    // Express has touched it, and may have written it: it still is one here.
    let mut socket = chat.open_page("/session", &cookie).await;
    assert_eq!(socket.welcome["user"], "zoe");
    let relogin = app.node.post("/login/eve", &cookie, "").await;
    assert_eq!(relogin.status, 204);
    let eve = chat.open_page("/session", &cookie).await;
    assert_eq!(eve.welcome["user"], "eve", "Express has changed the record");
    socket.is_alive().await;

    chat.logout(&cookie).await;
    assert_eq!(socket.end().await, (4401, "session_ended".to_owned()));
    assert_eq!(user_at(&app, &cookie).await, Value::Null);
}

#[tokio::test]
async fn a_cookie_signed_by_another_secret_is_refused_on_both_sides() {
    let server = Server::start();
    let (app, chat) = tokio::join!(App::start(&server, None), chat(&server));
    for cookie in [login_at(&app, "ada").await, chat.login("ada").await] {
        let (value, signature) = cookie.rsplit_once('.').unwrap();
        let forged = format!("{value}.{}", "A".repeat(signature.len()));
        assert_eq!(user_at(&app, &forged).await, Value::Null);
        let (code, reason) = refusal(&chat, &forged).await;
        assert_eq!((code, reason.as_str()), INVALID);
    }
}

/// connect-redis prolongs the time to live in Redis by a touch, and leaves `cookie.expires` in the
/// record as it was. Here the record counts, unless the sessions are built to leave that to the
/// store.
#[tokio::test]
async fn one_that_express_prolongs_by_a_touch_ends_here_at_the_expires_of_its_record() {
    let server = Server::start();
    let max_age = Duration::from_secs(8);
    let (app, chat) = tokio::join!(App::start(&server, Some(max_age)), chat(&server));
    let began = Instant::now();
    let cookie = login_at(&app, "ada").await;
    let created = Instant::now();
    let socket = chat.open_page("/session", &cookie).await;
    let expires_at = socket.welcome["expires_at"].as_u64();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let left = expires_at.unwrap().saturating_sub(now.as_secs());
    assert!((1..=9).contains(&left), "{left} s");

    let keys: Vec<String> = server.ask("KEYS sess:*").await;
    let ttl = async || {
        let ttl: i64 = server.ask(&format!("PTTL {}", keys[0])).await;
        ttl
    };
    let record = async || {
        let record: String = server.ask(&format!("GET {}", keys[0])).await;
        record
    };
    let written = record().await;
    tokio::time::sleep_until((created + Duration::from_secs(5)).into()).await;
    let before = ttl().await;
    assert!(before < 3_500, "{before}");
    assert_eq!(user_at(&app, &cookie).await, "ada");
    let after = ttl().await;
    assert!(after > 4_500, "a touch prolongs it: {before} to {after} ms");
    assert_eq!(record().await, written, "and it does not write the record");

    // The socket ends with the record's time, and no other one opens.
    let (code, reason) = socket.end().await;
    let ended = created.elapsed();
    assert_eq!((code, reason.as_str()), (4401, "session_ended"));
    // The touch would have let it live for thirteen.
    assert!(ended < Duration::from_secs(12), "{ended:?}");
    assert!(began.elapsed() > Duration::from_millis(7_500), "{ended:?}");
    let (code, reason) = refusal(&chat, &cookie).await;
    assert_eq!((code, reason.as_str()), INVALID);

    // Whereas there it lives on, and here for who asks the store alone.
    assert_eq!(user_at(&app, &cookie).await, "ada");
    let mut headers = HeaderMap::new();
    headers.insert(COOKIE, cookie.parse().unwrap());
    for (by_store, found) in [(false, None), (true, Some(json!("ada")))] {
        let sessions = sessions(&server, by_store).await;
        let session = sessions.load(&headers).await.unwrap();
        assert_eq!(session.map(|session| session["user"].clone()), found);
    }
}

async fn sessions(server: &Server, by_store: bool) -> Sessions<Value> {
    let redis = Redis::connect(&server.url()).await.unwrap();
    let secrets = Secrets::express([Node::SESSION_SECRET]).unwrap();
    let sessions = Sessions::builder(secrets, RedisSessions::new(redis));
    let sessions = if by_store {
        sessions.expiry_by_store()
    } else {
        sessions
    };
    sessions.build().unwrap()
}

/// The cookie in a request's headers.
fn with(cookie: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(COOKIE, cookie.parse().unwrap());
    headers
}

/// A ban of a user refuses what was logged in before, on either side.
mod a_login_of_express {
    use tower_ws_auth::{DisconnectReason, MemoryRevocations, Revocations};

    use super::*;

    async fn revocable(
        server: &Server,
        configure: impl FnOnce(SessionsBuilder<Value>) -> SessionsBuilder<Value>,
    ) -> (Sessions<Value>, Revocations) {
        let redis = Redis::connect(&server.url()).await.unwrap();
        let secrets = Secrets::express([Node::SESSION_SECRET]).unwrap();
        let day = Duration::from_secs(24 * 3600);
        // Express runs on this machine too.
        let revocations = Revocations::builder(MemoryRevocations::new(day, 100));
        let revocations = revocations.allowed_skew(Duration::ZERO).build();
        let sessions = Sessions::builder(secrets, RedisSessions::new(redis))
            .revocations(revocations.clone())
            .revocable_by(|record: &Value| {
                record["user"].as_str().map(|user| format!("user:{user}"))
            });
        (configure(sessions).build().unwrap(), revocations)
    }

    #[tokio::test]
    async fn is_compared_with_a_ban_by_the_field_that_dates_it() {
        let server = Server::start();
        let app = App::start(&server, None).await;
        let (sessions, revocations) = revocable(&server, |b| b.login_field("loggedInAt")).await;
        for form in ["number", "date"] {
            let login = async || {
                let path = format!("/dated-login/ada/{form}");
                let answer = app.node.post(&path, "", "").await;
                answer.cookie().unwrap()
            };
            let before = login().await;
            assert!(sessions.load(&with(&before)).await.unwrap().is_some());
            revocations
                .revoke("user:ada", DisconnectReason::Revoked)
                .await
                .unwrap();
            assert!(sessions.load(&with(&before)).await.unwrap().is_none());
            // As soon as the milliseconds of JavaScript say that it is later.
            let again = async {
                loop {
                    let after = login().await;
                    if sessions.load(&with(&after)).await.unwrap().is_some() {
                        return;
                    }
                }
            };
            let again = tokio::time::timeout(Duration::from_secs(60), again).await;
            again.expect("a new login is not welcome");
            assert!(sessions.load(&with(&before)).await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn without_a_date_counts_as_older() {
        let server = Server::start();
        let app = App::start(&server, None).await;
        let (sessions, revocations) = revocable(&server, |builder| builder).await;
        let ada = login_at(&app, "ada").await;
        let bob = login_at(&app, "bob").await;
        assert!(sessions.load(&with(&ada)).await.unwrap().is_some());
        revocations
            .revoke("user:ada", DisconnectReason::Revoked)
            .await
            .unwrap();
        for ada in [&ada, &login_at(&app, "ada").await] {
            assert!(sessions.load(&with(ada)).await.unwrap().is_none());
        }
        assert!(sessions.load(&with(&bob)).await.unwrap().is_some());
    }
}

/// The store, in which Express answers a request right after a record was read.
struct Meanwhile {
    store: RedisSessions,
    app: Node,
    /// The cookie of the one who loses a right, and only once.
    cookie: Arc<Mutex<Option<String>>>,
}

impl SessionStore for Meanwhile {
    fn create<'a>(
        &'a self,
        id: &'a SessionId,
        record: &'a str,
        ttl: Duration,
    ) -> StoreFuture<'a, bool> {
        self.store.create(id, record, ttl)
    }

    fn load<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredSession>> {
        Box::pin(async {
            let loaded = self.store.load(id).await;
            let cookie = self.cookie.lock().unwrap().take();
            if let Some(cookie) = cookie {
                let answer = self.app.post("/admin/false", &cookie, "").await;
                assert_eq!(answer.status, 204);
            }
            loaded
        })
    }

    fn replace<'a>(
        &'a self,
        id: &'a SessionId,
        expected: &'a str,
        record: &'a str,
        ttl: Duration,
    ) -> StoreFuture<'a, Replaced> {
        self.store.replace(id, expected, record, ttl)
    }

    fn touch<'a>(&'a self, id: &'a SessionId, ttl: Duration) -> StoreFuture<'a, bool> {
        self.store.touch(id, ttl)
    }

    fn take<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<String>> {
        self.store.take(id)
    }
}

#[tokio::test]
async fn a_concurrent_write_by_express_survives_a_change_here() {
    let server = Server::start();
    let hour = Duration::from_secs(3600);
    let app = App::start(&server, Some(hour)).await;
    let redis = Redis::connect(&server.url()).await.unwrap();
    let taken_away = Arc::new(Mutex::new(None));
    let store = Meanwhile {
        store: RedisSessions::new(redis.clone()),
        app: app.node.clone(),
        cookie: Arc::clone(&taken_away),
    };
    let secrets = Secrets::express([Node::SESSION_SECRET]).unwrap();
    let sessions: Sessions<Value> = Sessions::builder(secrets, store).build().unwrap();
    for change in ["touch", "save", "regenerate"] {
        let cookie = login_at(&app, "ada").await;
        let answer = app.node.post("/admin/true", &cookie, "").await;
        assert_eq!(answer.status, 204);
        let take_it_away = || *taken_away.lock().unwrap() = Some(cookie.clone());
        if change != "touch" {
            take_it_away();
        }
        let mut loaded = sessions.load(&with(&cookie)).await.unwrap().unwrap();
        assert_eq!(loaded["admin"], true);
        loaded["color"] = json!("blue");
        let now = match change {
            "touch" => {
                take_it_away();
                sessions.touch(&mut loaded).await.unwrap();
                cookie
            }
            "save" => {
                sessions.save(&mut loaded).await.unwrap();
                cookie
            }
            _ => {
                let (_, cookie) = sessions.regenerate(loaded).await.unwrap();
                cookie
                    .to_str()
                    .unwrap()
                    .split(';')
                    .next()
                    .unwrap()
                    .to_owned()
            }
        };
        let now = sessions.load(&with(&now)).await.unwrap().unwrap();
        assert_eq!(now["admin"], false, "{change}");
        assert_eq!(now["color"] == "blue", change != "touch");
    }
}
