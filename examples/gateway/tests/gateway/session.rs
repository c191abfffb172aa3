//! The session of an Express application, whose Redis the gateway shares.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use futures_util::SinkExt;
use gateway::{Gateway, Options};
use hmac::{Hmac, KeyInit as _, Mac};
use sha2::Sha256;
use test_servers::Server;
use test_support::http1::ask;
use test_support::{bounded, until_ok};
use tokio::io::AsyncReadExt;
use tokio_tungstenite::tungstenite::Message;
use tower_ws_auth::redis::{Redis, RedisRevocations};
use tower_ws_auth::{Clock, DisconnectReason, Revocations};

use crate::passing::base64;
use crate::peer::{ORIGIN, Running, SOON, Socket, connect, end_of, next, raw, refused, token_of};
use crate::upstream::Upstream;

const KEY: &str = "a session secret for these tests";

async fn start(redis: &Server, upstream: &Upstream, strategy: &str) -> Running {
    let url = redis.url();
    let options = [
        "--strategy",
        strategy,
        "--redis",
        &url,
        "--session-secret",
        KEY,
    ];
    Running::start(upstream.address, &options).await
}

/// The record as connect-redis writes it, and the cookie as express-session signs it.
async fn log_in(redis: &Server, user: &str) -> String {
    log_in_at(redis, user, "sess:", KEY).await
}

/// The same under another prefix, and with another secret.
async fn log_in_at(redis: &Server, user: &str, prefix: &str, secret: &str) -> String {
    let record = format!(r#"{{"cookie":{{"originalMaxAge":null}},"user":"{user}"}}"#);
    let () = redis.ask(&format!("SET {prefix}of-{user} {record}")).await;
    let id = format!("of-{user}");
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(id.as_bytes());
    let signature = base64(&mac.finalize().into_bytes(), *b"+/");
    let signature = signature.replace('+', "%2B").replace('/', "%2F");
    format!("connect.sid=s%3A{id}.{signature}")
}

async fn page(gateway: &Running, path: &str, cookie: &str) -> Socket {
    let cookie = format!("theme=dark; {cookie}; lang=de");
    let mut headers = vec![("origin", ORIGIN.to_owned()), ("cookie", cookie)];
    connect(gateway.address, path, &mut headers).await.unwrap()
}

#[tokio::test]
async fn its_user_is_handed_on_and_the_cookie_is_not() {
    let (redis, upstream) = (Server::start(), Upstream::start().await);
    let cookie = log_in(&redis, "ada").await;
    for strategy in ["session", "any"] {
        let gateway = start(&redis, &upstream, strategy).await;
        drop(page(&gateway, "/echo", &cookie).await);
        assert_eq!(upstream.header("x-auth-user").as_deref(), Some("ada"));
        assert_eq!(upstream.header("x-auth-via").as_deref(), Some("session"));
        assert_eq!(
            upstream.header("cookie").as_deref(),
            Some("theme=dark; lang=de")
        );
        // Without an Origin it is no page, and the cookie decides nothing.
        let alone = refused(gateway.address, "/echo", &[("cookie", &cookie)]).await;
        assert_eq!(alone.0, 403);
    }
    let gateway = start(&redis, &upstream, "session").await;
    // An attacker who can set cookies for the domain adds one. The first decides, and none travels
    // on.
    let two = format!("{cookie}; connect.sid=s%3Aother.x; connect.sid=plain");
    drop(page(&gateway, "/echo", &two).await);
    let rest = upstream.header("cookie");
    assert_eq!(rest.as_deref(), Some("theme=dark; lang=de"));

    let gateway = start(&redis, &upstream, "any").await;
    let path = format!("/echo?token={}", token_of("eve"));
    drop(page(&gateway, &path, &cookie).await);
    assert_eq!(upstream.header("x-auth-user").as_deref(), Some("eve"));
    assert_eq!(upstream.header("x-auth-via").as_deref(), Some("jwt"));
    assert_eq!(
        upstream.header("cookie").as_deref(),
        Some("theme=dark; lang=de")
    );
}

#[tokio::test]
async fn one_with_an_empty_name_never_reaches_the_upstream() {
    let (redis, upstream) = (Server::start(), Upstream::start().await);
    let cookie = log_in(&redis, "").await;
    let gateway = start(&redis, &upstream, "session").await;
    let mut socket = page(&gateway, "/echo", &cookie).await;
    let forbidden = Some((4403, "forbidden".to_owned()));
    assert_eq!(end_of(&mut socket).await, forbidden);
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn its_cookie_decides_at_once_where_a_first_message_may_hold_a_token() {
    let (redis, upstream) = (Server::start(), Upstream::start().await);
    let cookie = log_in(&redis, "ada").await;
    let url = redis.url();
    let options = [
        "--strategy",
        "any",
        "--redis",
        &url,
        "--session-secret",
        KEY,
    ];
    let options = [&options[..], &["--first-message", "plain"]].concat();
    let gateway = Running::start(upstream.address, &options).await;
    let hello = Message::text("hello");
    let mut socket = page(&gateway, "/echo", &cookie).await;
    socket.send(hello.clone()).await.unwrap();
    assert_eq!(next(&mut socket).await, hello);
    assert_eq!(upstream.header("x-auth-via").as_deref(), Some("session"));
    // Without one the message has to hold a token.
    let mut socket = page(&gateway, "/echo", "a=1").await;
    socket.send(Message::text(token_of("eve"))).await.unwrap();
    socket.send(hello.clone()).await.unwrap();
    assert_eq!(next(&mut socket).await, hello);
    assert_eq!(upstream.header("x-auth-user").as_deref(), Some("eve"));
    let mut socket = page(&gateway, "/echo", "a=1").await;
    socket.send(hello).await.unwrap();
    let invalid = Some((4401, "token_invalid".to_owned()));
    assert_eq!(end_of(&mut socket).await, invalid);
}

#[tokio::test]
async fn a_pages_own_get_needs_no_origin_and_anything_else_does() {
    let (redis, upstream) = (Server::start(), Upstream::start().await);
    let cookie = log_in(&redis, "ada").await;
    let url = redis.url();
    for strategy in ["session", "any"] {
        let options = [
            "--strategy",
            strategy,
            "--redis",
            &url,
            "--session-secret",
            KEY,
        ];
        let options = [&options[..], &["--http", "authenticate"]].concat();
        let gateway = Running::start(upstream.address, &options).await;
        let send = async |line: &str, fields: &[(&str, &str)]| {
            let fields = [&[("Cookie", &*cookie)], fields].concat();
            ask(gateway.address, line, &fields, "").await.status
        };
        let site = |site: &'static str| ("Sec-Fetch-Site", site);
        let own = [site("same-origin")];
        assert_eq!(send("GET /poll", &own).await, 200, "{strategy}");
        assert_eq!(upstream.header("x-auth-user").as_deref(), Some("ada"));
        assert_eq!(upstream.header("cookie"), None);
        assert_eq!(send("POST /poll", &[("Origin", ORIGIN)]).await, 200);
        let before = upstream.connections();
        let twice = [site("same-origin"), site("cross-site")];
        let foreign = [("Origin", "https://evil.example"), site("same-origin")];
        let socket = [
            site("same-origin"),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", test_support::handshake::KEY),
        ];
        for (line, fields) in [
            ("GET /poll", &[][..]),
            ("GET /poll", &[site("cross-site")]),
            ("GET /poll", &[site("same-site")]),
            ("GET /poll", &[site("none")]),
            ("GET /poll", &twice),
            ("GET /poll", &foreign),
            ("POST /poll", &own),
            ("DELETE /poll", &own),
            ("GET /poll", &socket),
        ] {
            assert_eq!(
                send(line, fields).await,
                403,
                "{strategy} {line} {fields:?}"
            );
        }
        assert_eq!(upstream.connections(), before);
    }
}

#[tokio::test]
async fn a_pages_own_stream_lives_as_long_as_the_session_that_is_looked_up_again() {
    let (redis, upstream) = (Server::start(), Upstream::start().await);
    let url = redis.url();
    // Each look at the session is one.
    let looks = async || {
        let text: String = redis.ask("INFO commandstats").await;
        let (_, calls) = text.split_once("cmdstat_get:calls=").unwrap();
        calls.split(',').next().unwrap().parse::<u64>().unwrap()
    };
    for strategy in ["session", "any"] {
        let options = [
            "--strategy",
            strategy,
            "--redis",
            &url,
            "--session-secret",
            KEY,
            "--session-recheck",
            "0.1",
        ];
        let options = [&options[..], &["--http", "authenticate"]].concat();
        let gateway = Running::start(upstream.address, &options).await;
        let cookie = log_in(&redis, "ada").await;
        let request = format!(
            "GET /events HTTP/1.1\r\nHost: app.example\r\nCookie: {cookie}\r\n\
             Sec-Fetch-Site: same-origin\r\n\r\n"
        );
        let (mut stream, answer) = raw(gateway.address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let before = looks().await;
        until_ok("five looks", async || looks().await >= before + 5).await;
        assert_eq!(upstream.open(), 1, "{strategy}");
        let () = redis.ask("DEL sess:of-ada").await;
        let _ = bounded("its end", stream.read_to_end(&mut Vec::new())).await;
        gateway.is_empty_within(SOON).await;
        upstream.is_empty_within(SOON).await;
    }
}

#[tokio::test]
async fn a_prefix_and_a_short_secret_of_an_old_application_are_flags() {
    const SHORT: &str = "keyboard cat";
    let (redis, upstream) = (Server::start(), Upstream::start().await);
    let url = redis.url();
    let options = [
        "--strategy",
        "session",
        "--redis",
        &url,
        "--session-secret",
        SHORT,
        "--dangerous-short-session-secret",
        "--session-prefix",
        "app:",
    ];
    let gateway = Running::start(upstream.address, &options).await;
    let cookie = log_in_at(&redis, "ada", "app:", SHORT).await;
    drop(page(&gateway, "/echo", &cookie).await);
    assert_eq!(upstream.header("x-auth-user").as_deref(), Some("ada"));
    // A record of another application, and a cookie that another secret signs.
    for (user, prefix, secret) in [("eve", "sess:", SHORT), ("bob", "app:", KEY)] {
        let cookie = log_in_at(&redis, user, prefix, secret).await;
        let mut socket = page(&gateway, "/echo", &cookie).await;
        let invalid = Some((4401, "session_invalid".to_owned()));
        assert_eq!(end_of(&mut socket).await, invalid, "{user}");
    }
    let with = [
        "gateway",
        "--upstream",
        "http://127.0.0.1:1",
        "--origin",
        ORIGIN,
    ];
    let careful = options
        .iter()
        .filter(|flag| **flag != "--dangerous-short-session-secret");
    let options = Options::try_parse_from(with.iter().chain(careful)).unwrap();
    let error = Gateway::bind(options).await.unwrap_err().to_string();
    assert!(
        error.contains("--dangerous-short-session-secret"),
        "{error}"
    );
}

#[tokio::test]
async fn a_revocation_from_elsewhere_ends_its_sockets() {
    let (redis, upstream) = (Server::start(), Upstream::start().await);
    let cookie = log_in(&redis, "ada").await;
    let gateway = start(&redis, &upstream, "session").await;
    let mut socket = page(&gateway, "/echo", &cookie).await;
    let elsewhere = Redis::connect(&redis.url()).await.unwrap();
    let store = RedisRevocations::new(elsewhere, Duration::from_secs(60));
    let revocations = Revocations::new(store);
    revocations
        .revoke("user:ada", DisconnectReason::Revoked)
        .await
        .unwrap();
    let revoked = Some((4403, "revoked".to_owned()));
    assert_eq!(end_of(&mut socket).await, revoked);
    assert_eq!(upstream.close().await, revoked);
    upstream.is_empty_within(SOON).await;
    gateway.is_empty_within(SOON).await;
}

/// In a record whose login the application has dated.
#[tokio::test]
async fn a_revocation_refuses_the_sessions_from_before_and_a_login_after_it_is_welcome() {
    let (redis, upstream) = (Server::start(), Upstream::start().await);
    let url = redis.url();
    let session = ["--strategy", "session", "--session-secret", KEY];
    let named = ["--redis", &url, "--session-login", "loggedInAt"];
    let gateway = Running::start(upstream.address, &[session, named].concat()).await;
    let cookie = log_in(&redis, "ada").await;
    let dated = async |ago: Duration| {
        let at = SystemTime::now() - ago;
        let at = at.duration_since(UNIX_EPOCH).unwrap().as_millis();
        let record = format!(r#"{{"cookie":{{}},"user":"ada","loggedInAt":{at}}}"#);
        let () = redis.ask(&format!("SET sess:of-ada {record}")).await;
    };
    let an_hour = Duration::from_secs(3600);
    dated(an_hour).await;
    drop(page(&gateway, "/echo", &cookie).await);
    // Half an hour ago.
    let elsewhere = Redis::connect(&url).await.unwrap();
    let store = RedisRevocations::new(elsewhere, an_hour);
    let then = Clock::fixed(Clock::system().unix_seconds() - 1800);
    let revocations = Revocations::with_clock(store, then);
    let revoked = revocations
        .revoke("user:ada", DisconnectReason::Revoked)
        .await;
    revoked.unwrap();
    let mut refused = page(&gateway, "/echo", &cookie).await;
    let invalid = Some((4401, "session_invalid".to_owned()));
    assert_eq!(end_of(&mut refused).await, invalid);
    dated(Duration::from_secs(60)).await;
    drop(page(&gateway, "/echo", &cookie).await);
    assert_eq!(upstream.header("x-auth-user").as_deref(), Some("ada"));
}
