//! Credentials that come after the handshake: in the first message, and for an open connection.

use futures_util::SinkExt;
use serde_json::json;
use test_support::http1::{Answer, ask};
use tokio_tungstenite::tungstenite::Message;

use crate::peer::{
    ORIGIN, Running, SOON, Socket, connect, end_of, next, now, refused, token, token_of,
};
use crate::upstream::Upstream;

async fn open(gateway: &Running, path: &str, fields: &[(&'static str, &str)]) -> Socket {
    let fields = fields
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()));
    let mut fields = fields.collect();
    connect(gateway.address, path, &mut fields).await.unwrap()
}

async fn say(socket: &mut Socket, message: &str) {
    socket.send(Message::text(message)).await.unwrap();
}

mod a_first_message {
    use super::*;

    const JSON: [&str; 2] = ["--first-message", "json:auth.token"];

    fn auth(token: &str) -> String {
        json!({ "auth": { "token": token } }).to_string()
    }

    #[tokio::test]
    async fn with_a_token_opens_a_connection_and_stays_here() {
        let upstream = Upstream::start().await;
        let gateway = Running::start(upstream.address, &JSON).await;
        let mut socket = open(&gateway, "/echo?room=1", &[]).await;
        // Not before its token is there.
        assert_eq!(upstream.connections(), 0);
        say(&mut socket, &auth(&token_of("ada"))).await;
        say(&mut socket, "hello").await;
        assert_eq!(next(&mut socket).await, Message::text("hello"));
        assert!(upstream.head().starts_with("GET /echo?room=1 HTTP/1.1\r\n"));
        assert_eq!(upstream.header("x-auth-user").as_deref(), Some("ada"));
        assert_eq!(upstream.header("x-auth-via").as_deref(), Some("jwt"));
        // A token in the handshake opens it at once, as ever.
        let path = format!("/echo?token={}", token_of("eve"));
        let mut direct = open(&gateway, &path, &[]).await;
        say(&mut direct, "at once").await;
        assert_eq!(next(&mut direct).await, Message::text("at once"));
        drop((socket, direct));
        gateway.is_empty_within(SOON).await;
    }

    #[tokio::test]
    async fn without_a_good_token_opens_nothing_and_reads_why() {
        let upstream = Upstream::start().await;
        let gateway = Running::start(upstream.address, &JSON).await;
        let expired = token(&json!({ "sub": "ada", "exp": now() - 60 }));
        for (message, code, reason) in [
            (auth(&expired), 4401, "token_expired"),
            (auth("a.b.c"), 4401, "token_invalid"),
            ("{}".to_owned(), 4401, "credentials_missing"),
            ("hello".to_owned(), 4400, "message_malformed"),
        ] {
            let mut socket = open(&gateway, "/echo", &[]).await;
            say(&mut socket, &message).await;
            let end = end_of(&mut socket).await;
            assert_eq!(end, Some((code, reason.to_owned())), "{message}");
        }
        // A bad one in the handshake is refused there.
        let path = format!("/echo?token={expired}");
        let direct = refused(gateway.address, &path, &[]).await;
        assert_eq!(direct, (401, "token_expired".to_owned()));
        // A foreign page is not asked for one.
        let foreign = [("origin", "https://evil.example")];
        let denied = refused(gateway.address, "/echo", &foreign).await;
        assert_eq!(denied, (403, "origin_denied".to_owned()));
        assert_eq!(upstream.connections(), 0);
        gateway.is_empty_within(SOON).await;
    }

    #[tokio::test]
    async fn that_does_not_come_is_not_waited_for() {
        let upstream = Upstream::start().await;
        let brief = [&JSON[..], &["--first-message-timeout", "0.2"]].concat();
        let gateway = Running::start(upstream.address, &brief).await;
        let mut socket = open(&gateway, "/echo", &[("origin", ORIGIN)]).await;
        let late = Some((4408, "message_timeout".to_owned()));
        assert_eq!(end_of(&mut socket).await, late);
        assert_eq!(upstream.connections(), 0);

        let mut gateway = Running::start(upstream.address, &JSON).await;
        let mut socket = open(&gateway, "/echo", &[]).await;
        gateway.tell_to_stop();
        let stopped = Some((1001, "going_away".to_owned()));
        assert_eq!(end_of(&mut socket).await, stopped);
        drop(socket);
        gateway.stopped().await;
    }

    #[tokio::test]
    async fn tells_what_the_upstream_says_after_it() {
        let upstream = Upstream::start().await;
        let gateway = Running::start(upstream.address, &JSON).await;
        for (path, code, reason) in [
            ("/403", 4403, "forbidden"),
            ("/200", 4503, "unavailable"),
            ("/gone", 4503, "unavailable"),
        ] {
            let mut socket = open(&gateway, path, &[]).await;
            say(&mut socket, &auth(&token_of("ada"))).await;
            let end = end_of(&mut socket).await;
            assert_eq!(end, Some((code, reason.to_owned())), "{path}");
        }
        gateway.is_empty_within(SOON).await;
    }

    #[tokio::test]
    async fn keeps_only_so_many_of_one_address_waiting() {
        let upstream = Upstream::start().await;
        let few = [&JSON[..], &["--first-message-per-address", "2"]].concat();
        let far = ["--first-message-timeout", "600"];
        let trusted = [&few[..], &far, &["--trust-forwarded"]].concat();
        // Whatever a client says about itself.
        for (options, one, other) in [
            ([&few[..], &far].concat(), "10.0.0.1", "10.0.0.2"),
            (trusted.clone(), "10.0.0.1", "9.9.9.9, 10.0.0.1:5"),
        ] {
            let gateway = Running::start(upstream.address, &options).await;
            let mut first = open(&gateway, "/echo", &[("x-forwarded-for", one)]).await;
            let mut second = open(&gateway, "/echo", &[("x-forwarded-for", other)]).await;
            let mut third = open(&gateway, "/echo", &[("x-forwarded-for", one)]).await;
            let evicted = Some((4503, "unavailable".to_owned()));
            assert_eq!(end_of(&mut first).await, evicted);
            for socket in [&mut second, &mut third] {
                say(socket, &auth(&token_of("ada"))).await;
                say(socket, "hello").await;
                assert_eq!(next(socket).await, Message::text("hello"));
            }
        }
        // Nobody takes the place of a client of another address.
        let gateway = Running::start(upstream.address, &trusted).await;
        let mut first = open(&gateway, "/echo", &[("x-forwarded-for", "10.0.0.1")]).await;
        for _ in 0..5 {
            drop(open(&gateway, "/echo", &[("x-forwarded-for", "10.0.0.2")]).await);
        }
        say(&mut first, &auth(&token_of("ada"))).await;
        say(&mut first, "hello").await;
        assert_eq!(next(&mut first).await, Message::text("hello"));
    }

    #[tokio::test]
    async fn may_hold_a_ticket_that_is_used_up() {
        let upstream = Upstream::start().await;
        let options = ["--strategy", "ticket", "--first-message", "plain"];
        let gateway = Running::start(upstream.address, &options).await;
        let bearer = format!("Bearer {}", token_of("ada"));
        let fields = [("Authorization", &*bearer)];
        let minted = ask(gateway.address, "POST /ticket", &fields, "").await;
        let ticket = minted.json()["ticket"].as_str().unwrap().to_owned();
        let mut socket = open(&gateway, "/echo", &[]).await;
        say(&mut socket, &ticket).await;
        say(&mut socket, "hello").await;
        assert_eq!(next(&mut socket).await, Message::text("hello"));
        assert_eq!(upstream.header("x-auth-via").as_deref(), Some("ticket"));
        let mut again = open(&gateway, "/echo", &[]).await;
        say(&mut again, &ticket).await;
        let used = Some((4401, "ticket_invalid".to_owned()));
        assert_eq!(end_of(&mut again).await, used);
    }

    #[tokio::test]
    async fn that_the_upstream_acknowledges_is_passed_on() {
        let upstream = Upstream::start().await;
        let options = ["--first-message", "graphql-ws", "--keep-credential"];
        let gateway = Running::start(upstream.address, &options).await;
        let offer = [("sec-websocket-protocol", "graphql-transport-ws")];
        let init = |token: &str| {
            let payload = json!({ "Authorization": format!("Bearer {token}") });
            json!({ "type": "connection_init", "payload": payload }).to_string()
        };
        let mut socket = open(&gateway, "/echo", &offer).await;
        let message = init(&token_of("ada"));
        say(&mut socket, &message).await;
        assert_eq!(next(&mut socket).await, Message::text(message));
        assert_eq!(upstream.header("x-auth-user").as_deref(), Some("ada"));
        let mut refused = open(&gateway, "/echo", &offer).await;
        say(&mut refused, &init("a.b.c")).await;
        let invalid = Some((4401, "token_invalid".to_owned()));
        assert_eq!(end_of(&mut refused).await, invalid);
        // The upstream would select more than the gateway has, if it read the offers.
        let offers = [
            (
                "sec-websocket-protocol",
                "chat.v2, graphql-transport-ws, chat.v1",
            ),
            ("sec-websocket-extensions", "permessage-deflate"),
        ];
        let mut socket = open(&gateway, "/deflate", &offers).await;
        let message = init(&token_of("ada"));
        say(&mut socket, &message).await;
        assert_eq!(next(&mut socket).await, Message::text(message));
        let selected = upstream.header("sec-websocket-protocol");
        assert_eq!(selected.as_deref(), Some("graphql-transport-ws"));
        assert_eq!(upstream.header("sec-websocket-extensions"), None);
        // With a token in the handshake both are its own affair.
        let path = format!("/echo?token={}", token_of("ada"));
        drop(open(&gateway, &path, &offers).await);
        let offered = upstream.header("sec-websocket-extensions");
        assert_eq!(offered.as_deref(), Some("permessage-deflate"));
    }
}

mod a_renewal {
    use super::*;

    const RENEWING: [&str; 4] = ["--renew-path", "/renew", "--renew-query", "connection"];
    const ID: &str = "b6bd4cf1-9a05-4c1a-8b6f-3d0f1f0c0a11";

    async fn renew(gateway: &Running, id: &str, token: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        let fields = [("Authorization", &*bearer), ("Origin", ORIGIN)];
        let body = json!({ "connection": id }).to_string();
        ask(gateway.address, "POST /renew", &fields, &body).await
    }

    #[tokio::test]
    async fn keeps_a_connection_open_beyond_its_first_token() {
        let upstream = Upstream::start().await;
        let gateway = Running::start(upstream.address, &RENEWING).await;
        let brief = token(&json!({ "sub": "ada", "iat": now() - 1, "exp": now() + 5 }));
        let path = format!("/echo?token={brief}&connection={ID}");
        let mut socket = open(&gateway, &path, &[]).await;
        // The name ends here, and the upstream reads what it means.
        assert!(upstream.head().starts_with("GET /echo HTTP/1.1\r\n"));
        let named = upstream.header("x-auth-connection").unwrap();
        let mut nameless = open(&gateway, &format!("/echo?token={brief}"), &[]).await;
        let other = upstream.header("x-auth-connection").unwrap();
        assert_ne!(named, other);

        // Eve has learnt the name, and no more.
        let fresh = |user: &str| token(&json!({ "sub": user, "iat": now(), "exp": now() + 600 }));
        assert_eq!(renew(&gateway, ID, &fresh("eve")).await.status, 404);
        let expired = token(&json!({ "sub": "ada", "exp": now() - 60 }));
        assert_eq!(renew(&gateway, ID, &expired).await.status, 401);
        assert_eq!(renew(&gateway, &other, &fresh("eve")).await.status, 404);
        let renewed = renew(&gateway, ID, &fresh("ada")).await;
        assert_eq!(renewed.status, 204, "{renewed:?}");
        // A page of another origin reads that, if its own is allowed.
        let permitted = renewed.field("access-control-allow-origin");
        assert_eq!(permitted, Some(ORIGIN));

        let ended = Some((4401, "token_expired".to_owned()));
        assert_eq!(end_of(&mut nameless).await, ended);
        say(&mut socket, "still here").await;
        assert_eq!(next(&mut socket).await, Message::text("still here"));
        drop((socket, nameless));
        gateway.is_empty_within(SOON).await;
    }

    #[tokio::test]
    async fn is_for_those_who_are_allowed_and_for_nobody_without_the_flag() {
        let upstream = Upstream::start().await;
        let gateway = Running::start(upstream.address, &RENEWING).await;
        let path = format!("/echo?token={}&connection={ID}", token_of("ada"));
        let socket = open(&gateway, &path, &[]).await;
        let bearer = format!("Bearer {}", token_of("ada"));
        let foreign = [
            ("Authorization", &*bearer),
            ("Origin", "https://evil.example"),
        ];
        let body = json!({ "connection": ID }).to_string();
        let answer = ask(gateway.address, "POST /renew", &foreign, &body).await;
        assert_eq!(answer.status, 403);
        let answer = ask(gateway.address, "GET /renew", &foreign[..1], "").await;
        assert_eq!(answer.status, 405);
        for (origin, status) in [(ORIGIN, 204), ("https://evil.example", 403)] {
            let asks = [
                ("Origin", origin),
                ("Access-Control-Request-Method", "POST"),
            ];
            let answer = ask(gateway.address, "OPTIONS /renew", &asks, "").await;
            assert_eq!(answer.status, status, "{answer:?}");
        }
        assert_eq!(upstream.connections(), 1);
        drop(socket);

        let gateway = Running::start(upstream.address, &[]).await;
        let path = format!("/echo?token={}&connection={ID}", token_of("ada"));
        drop(open(&gateway, &path, &[]).await);
        // The key is the upstream's own there.
        let read = format!("GET /echo?connection={ID} HTTP/1.1\r\n");
        assert!(upstream.head().starts_with(&read), "{}", upstream.head());
        assert_eq!(upstream.header("x-auth-connection"), None);
        assert_eq!(renew(&gateway, ID, &token_of("ada")).await.status, 405);
    }

    #[cfg(feature = "redis")]
    #[tokio::test]
    async fn may_reach_another_gateway_of_the_same_redis() {
        let redis = test_servers::Server::start();
        let (upstream, url) = (Upstream::start().await, redis.url());
        let shared = [&RENEWING[..], &["--redis", &url]].concat();
        let here = Running::start(upstream.address, &shared).await;
        let there = Running::start(upstream.address, &shared).await;
        // Of another Redis, and of none.
        let alone = Running::start(upstream.address, &RENEWING).await;
        let brief = token(&json!({ "sub": "ada", "iat": now() - 1, "exp": now() + 20 }));
        let path = format!("/echo?token={brief}&connection={ID}");
        let mut socket = open(&here, &path, &[]).await;
        let mut other = open(&here, &format!("/echo?token={brief}"), &[]).await;
        let fresh = |user: &str| token(&json!({ "sub": user, "iat": now(), "exp": now() + 600 }));
        // Both have to listen to Redis first.
        let renewed = async || match renew(&there, ID, &fresh("ada")).await.status {
            204 => Ok(()),
            status => Err(status),
        };
        test_support::until_ok("the other gateway renews it", renewed).await;
        assert_eq!(renew(&there, ID, &fresh("eve")).await.status, 404);
        let expired = token(&json!({ "sub": "ada", "exp": now() - 60 }));
        assert_eq!(renew(&there, ID, &expired).await.status, 401);
        assert_eq!(renew(&alone, ID, &fresh("ada")).await.status, 404);
        // A reload of secrets loses neither way.
        here.reload.now().unwrap();
        there.reload.now().unwrap();
        test_support::until_ok("it renews after a reload", renewed).await;
        let ended = Some((4401, "token_expired".to_owned()));
        assert_eq!(end_of(&mut other).await, ended);
        say(&mut socket, "still here").await;
        assert_eq!(next(&mut socket).await, Message::text("still here"));
    }

    #[tokio::test]
    async fn follows_a_token_of_a_first_message_too() {
        let upstream = Upstream::start().await;
        let both = [&RENEWING[..], &["--first-message", "plain"]].concat();
        let gateway = Running::start(upstream.address, &both).await;
        let mut socket = open(&gateway, &format!("/echo?connection={ID}"), &[]).await;
        let brief = token(&json!({ "sub": "ada", "iat": now() - 1, "exp": now() + 5 }));
        say(&mut socket, &brief).await;
        let until = now() + 7;
        let fresh = token(&json!({ "sub": "ada", "iat": now(), "exp": until }));
        // Before the strategy has decided there is no such connection.
        let renewed = async || match renew(&gateway, ID, &fresh).await.status {
            204 => Ok(()),
            status => Err(status),
        };
        test_support::until_ok("the connection is renewed", renewed).await;
        let ended = Some((4401, "token_expired".to_owned()));
        assert_eq!(end_of(&mut socket).await, ended);
        assert!(now() >= until);
    }
}
