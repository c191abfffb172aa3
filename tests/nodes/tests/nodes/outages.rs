//! Redis is killed, stopped, slow or full: handshakes are refused in time, open sockets live on,
//! and everything works again when Redis does, in the same processes.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use node_tests::{Node, Socket};
use test_servers::{Proxy, Server};
use test_support::{Stopwatch, until_ok};

use crate::{PROGRAM, refused, two};

/// A second for Redis, 0.3 for the brake on refused browsers, and some for the machine. While that
/// stands still no time passes.
const IN_TIME: Duration = Duration::from_secs(2);

/// A visitor's connections and credentials from before the outage.
struct Visitor {
    cookie: String,
    token: String,
    ticket: String,
    open: Vec<Socket>,
}

impl Visitor {
    async fn of(nodes: [&Node; 2]) -> Self {
        let cookie = nodes[0].login("ada").await;
        let token = nodes[0].token(&cookie, 600).await;
        let mut open = Vec::new();
        for node in nodes {
            let ticket = nodes[0].ticket(&cookie, None).await;
            open.push(node.open_page("/session", &cookie).await);
            open.push(node.open(&format!("/jwt?token={token}")).await);
            open.push(node.open(&format!("/ticket?ticket={ticket}")).await);
        }
        Self {
            ticket: nodes[0].ticket(&cookie, None).await,
            cookie,
            token,
            open,
        }
    }

    /// Nothing passes at this node, and every answer is in time.
    async fn is_refused_by(&self, node: &Node) {
        let jwt = |door: &str| format!("/{door}?token={}", self.token);
        let ticket = |door: &str| format!("/{door}?ticket={}", self.ticket);
        let explicit = [jwt("jwt"), jwt("any"), ticket("ticket"), ticket("any")];
        let programs = explicit.iter().map(async |path| {
            let plain = in_time(path, node.refusal(path)).await;
            assert_eq!(plain, refused(503, "unavailable"), "{path}");
            let page = in_time(path, node.page_refusal(path, "")).await;
            assert_eq!(page, refused(4503, "unavailable"), "{path}");
        });
        let pages = ["/session", "/any"].map(async |path| {
            let page = in_time(path, node.page_refusal(path, &self.cookie)).await;
            assert_eq!(page, refused(4503, "unavailable"), "{path}");
        });
        let user = r#"{"user":"ada"}"#;
        let posts = ["/login", "/ticket", "/token", "/revoke"].map(async |path| {
            let answer = in_time(path, node.post(path, &self.cookie, user)).await;
            let answer = (answer.status, answer.body);
            assert_eq!(answer, refused(503, "unavailable"), "{path}");
        });
        tokio::join!(join_all(programs), join_all(pages), join_all(posts));
    }

    async fn lives_on(&mut self) {
        for socket in &mut self.open {
            socket.is_alive().await;
        }
    }
}

async fn in_time<T>(what: &str, answer: impl Future<Output = T>) -> T {
    let began = Stopwatch::start();
    let answer = answer.await;
    let took = began.elapsed();
    assert!(took < IN_TIME, "{what} took {took:?}");
    answer
}

/// Waits until both nodes admit a new visitor everywhere, which must be within two seconds.
async fn lets_in(nodes: [&Node; 2]) {
    let began = Stopwatch::start();
    for node in nodes {
        let login = async || node.post("/login", "", r#"{"user":"eve"}"#).await.status == 204;
        until_ok("a login", login).await;
    }
    Visitor::of(nodes).await.lives_on().await;
    let took = began.elapsed();
    println!("all ways in work again after {took:?}");
    assert!(took < IN_TIME, "{took:?}");
}

/// Both nodes refuse for a while, and again and again.
async fn refuse(nodes: [&Node; 2], visitor: &mut Visitor, at_least: Duration) {
    let began = Instant::now();
    loop {
        tokio::join!(
            visitor.is_refused_by(nodes[0]),
            visitor.is_refused_by(nodes[1]),
        );
        let socket = &mut visitor.open[0];
        let denied = in_time("join", socket.join("ticket-1", Some(&visitor.ticket))).await;
        assert_eq!(denied["reason"], "unavailable", "{denied}");
        visitor.lives_on().await;
        if began.elapsed() >= at_least {
            return;
        }
    }
}

#[tokio::test]
async fn a_redis_that_is_killed() {
    let (mut server, a, b) = two(&[]).await;
    let mut visitor = Visitor::of([&a, &b]).await;
    for _ in 0..2 {
        server.kill();
        refuse([&a, &b], &mut visitor, Duration::from_secs(5)).await;
        server.start_again();
        lets_in([&a, &b]).await;
        // It came back empty, and knows no session and no ticket.
        let page = b.page_refusal("/session", &visitor.cookie).await;
        assert_eq!(page, refused(4401, "session_invalid"));
        let plain = a
            .refusal(&format!("/ticket?ticket={}", visitor.ticket))
            .await;
        assert_eq!(plain, refused(401, "ticket_invalid"));
        visitor.lives_on().await;
        visitor = Visitor::of([&a, &b]).await;
    }
}

#[tokio::test]
async fn a_redis_that_is_stopped() {
    let (server, a, b) = two(&[]).await;
    let mut visitor = Visitor::of([&a, &b]).await;
    server.pause();
    refuse([&a, &b], &mut visitor, Duration::from_secs(3)).await;
    server.resume();
    lets_in([&a, &b]).await;
    b.open_page("/session", &visitor.cookie)
        .await
        .is_alive()
        .await;
    // Late commands have closed nothing.
    visitor.lives_on().await;
}

/// The store does not say whether the session is gone, and it may be, so its connections end.
#[tokio::test]
async fn a_logout_while_redis_is_stopped_ends_the_sockets_here_and_can_be_said_again() {
    let (server, a, b) = two(&[]).await;
    let cookie = a.login("ada").await;
    let here = a.open_page("/session", &cookie).await;
    let there = b.open_page("/session", &cookie).await;
    server.pause();
    let answer = in_time("/logout", a.post("/logout", &cookie, "")).await;
    let answer = (answer.status, answer.body);
    assert_eq!(answer, refused(503, "unavailable"));
    assert_eq!(here.end().await, refused(4401, "session_ended"));
    server.resume();
    lets_in([&a, &b]).await;
    a.logout(&cookie).await;
    assert_eq!(there.end().await, refused(4401, "session_ended"));
}

#[tokio::test]
async fn a_redis_that_is_slow() {
    let (server, a, b) = two(&[]).await;
    let mut visitor = Visitor::of([&a, &b]).await;
    let pause = Duration::from_secs(5);
    let began = Instant::now();
    let () = server.ask("CLIENT PAUSE 5000 ALL").await;
    refuse([&a, &b], &mut visitor, Duration::ZERO).await;
    assert!(began.elapsed() < pause, "{:?}", began.elapsed());
    tokio::time::sleep_until((began + pause).into()).await;
    lets_in([&a, &b]).await;
    visitor.lives_on().await;
}

#[tokio::test]
async fn a_redis_that_is_cut_off() {
    let server = Server::start();
    let proxy = Proxy::to(server.port()).await;
    let a = Node::start(PROGRAM, &server.url(), &[]).await;
    let b = Node::start(PROGRAM, &proxy.url(), &[]).await;
    let mut visitor = Visitor::of([&a, &b]).await;
    proxy.silence();
    // The connection is given up with the first answer that does not come.
    let path = format!("/jwt?token={}", visitor.token);
    let plain = in_time("/jwt", b.refusal(&path)).await;
    assert_eq!(plain, refused(503, "unavailable"));
    lets_in([&a, &b]).await;
    visitor.lives_on().await;
}

/// Redis still answers commands that only read or delete, so a client with a credential is
/// admitted. Everything that needs a write is refused.
#[tokio::test]
async fn a_redis_that_is_full() {
    let (server, a, b) = two(&[]).await;
    let mut visitor = Visitor::of([&a, &b]).await;
    let bob = a.login("bob").await;
    let () = server.ask("CONFIG SET maxmemory-policy noeviction").await;
    let () = server.ask("CONFIG SET maxmemory 1").await;
    for node in [&a, &b] {
        let user = r#"{"user":"bob"}"#;
        for (path, body, answer) in [
            ("/login", user, refused(503, "unavailable")),
            ("/ticket", "", refused(429, "rate_limited")),
            ("/revoke", user, refused(503, "unavailable")),
        ] {
            let full = in_time(path, node.post(path, &bob, body)).await;
            assert_eq!((full.status, full.body), answer, "{path}");
        }
        // Nothing is written for a token.
        let token = in_time("/token", node.token(&visitor.cookie, 60)).await;
        for token in [&token, &visitor.token] {
            let path = format!("/jwt?token={token}");
            in_time("/jwt", node.open(&path)).await.is_alive().await;
        }
        let page = node.open_page("/session", &visitor.cookie);
        in_time("/session", page).await.is_alive().await;
    }
    let path = format!("/ticket?ticket={}", visitor.ticket);
    in_time("/ticket", b.open(&path)).await.is_alive().await;
    let again = in_time("/ticket", a.refusal(&path)).await;
    assert_eq!(again, refused(401, "ticket_invalid"));
    let () = server.ask("CONFIG SET maxmemory 0").await;
    lets_in([&a, &b]).await;
    visitor.lives_on().await;
}
