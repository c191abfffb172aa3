//! Revoked on one node, over on all.

use std::time::{Duration, Instant};

use node_tests::{Node, Socket};
use test_servers::{Proxy, Server};
use test_support::Stopwatch;

use crate::{PROGRAM, refused, two};

/// A socket by every way in.
async fn by_all_ways(node: &Node, cookie: &str) -> Vec<(&'static str, Socket)> {
    let jwt = format!("token={}", node.token(cookie, 600).await);
    let tickets = (
        node.ticket(cookie, None).await,
        node.ticket(cookie, None).await,
    );
    vec![
        ("jwt", node.open(&format!("/jwt?{jwt}")).await),
        (
            "ticket",
            node.open(&format!("/ticket?ticket={}", tickets.0)).await,
        ),
        ("session", node.open_page("/session", cookie).await),
        ("any by jwt", node.open(&format!("/any?{jwt}")).await),
        (
            "any by ticket",
            node.open(&format!("/any?ticket={}", tickets.1)).await,
        ),
        ("any by session", node.open_page("/any", cookie).await),
    ]
}

#[tokio::test]
async fn closes_only_the_sockets_of_that_user_on_every_node() {
    let (_server, a, b) = two(&[]).await;
    let (ada, eve) = (a.login("ada").await, b.login("eve").await);
    let mut hers = Vec::new();
    let mut others = Vec::new();
    for node in [&a, &b] {
        hers.extend(by_all_ways(node, &ada).await);
        others.extend(by_all_ways(node, &eve).await);
    }
    let began = Stopwatch::start();
    a.revoke(&ada, "ada").await;
    let ends = hers.into_iter().map(async |(way, socket)| {
        assert_eq!(socket.end().await, refused(4403, "revoked"), "{way}");
    });
    futures_util::future::join_all(ends).await;
    let took = began.elapsed();
    println!("12 sockets on two nodes ended {took:?} after the request to revoke");
    assert!(took < Duration::from_secs(5), "{took:?}");
    for (_, socket) in &mut others {
        socket.is_alive().await;
    }
}

#[tokio::test]
async fn refuses_earlier_credentials_and_accepts_later_ones() {
    let (_server, a, b) = two(&[]).await;
    let cookie = a.login("ada").await;
    let token = a.token(&cookie, 600).await;
    let mut tickets = Vec::new();
    for _ in 0..6 {
        tickets.push(a.ticket(&cookie, None).await);
    }
    let channel = a.ticket(&cookie, Some("ticket-1")).await;
    a.revoke(&cookie, "ada").await;

    let old = cookie;
    let cookie = b.login("ada").await;
    for (node, minting) in [(&b, &a), (&a, &b), (&b, &b), (&a, &a)] {
        let young = minting.token(&cookie, 600).await;
        node.open(&format!("/jwt?token={young}"))
            .await
            .is_alive()
            .await;
        let young = minting.ticket(&cookie, None).await;
        node.open(&format!("/ticket?ticket={young}"))
            .await
            .is_alive()
            .await;
    }
    for node in [&b, &a] {
        for path in ["/session", "/any"] {
            let page = node.page_refusal(path, &old).await;
            assert_eq!(page, refused(4401, "session_invalid"));
        }
        for path in ["/token", "/ticket", "/revoke"] {
            let answer = node.post(path, &old, r#"{"user":"ada"}"#).await;
            let answer = (answer.status, answer.body);
            assert_eq!(answer, refused(401, "session_invalid"), "{path}");
        }
        for path in ["jwt", "any"] {
            let path = format!("/{path}?token={token}");
            assert_eq!(node.refusal(&path).await, refused(401, "token_invalid"));
            let page = node.page_refusal(&path, "").await;
            assert_eq!(page, refused(4401, "token_invalid"));
        }
        let mut next = || tickets.pop().unwrap();
        let [plain, page, any] = [next(), next(), next()].map(|ticket| format!("?ticket={ticket}"));
        let plain = node.refusal(&format!("/ticket{plain}")).await;
        assert_eq!(plain, refused(401, "ticket_invalid"));
        let page = node.page_refusal(&format!("/ticket{page}"), "").await;
        assert_eq!(page, refused(4401, "ticket_invalid"));
        let any = node.refusal(&format!("/any{any}")).await;
        assert_eq!(any, refused(401, "ticket_invalid"));

        let mut socket = node.open_page("/session", &cookie).await;
        let denied = socket.join("ticket-1", Some(&channel)).await;
        assert_eq!(denied["reason"], "ticket_invalid", "{denied}");
        socket.is_alive().await;
    }
}

#[tokio::test]
async fn by_a_logout_closes_the_sockets_of_that_session_alone() {
    let (_server, a, b) = two(&[]).await;
    let (first, second) = (a.login("ada").await, a.login("ada").await);
    let minted = async |cookie: &str| {
        let token = a.token(cookie, 600).await;
        // A credential minted for a session ends with it.
        b.open(&format!("/jwt?token={token}")).await
    };
    let hers = [
        b.open_page("/session", &first).await,
        b.open_page("/any", &first).await,
        a.open_page("/session", &first).await,
        minted(&first).await,
    ];
    let mut others = [
        b.open_page("/session", &second).await,
        a.open_page("/any", &second).await,
        minted(&second).await,
    ];
    a.logout(&first).await;
    for socket in hers {
        assert_eq!(socket.end().await, refused(4401, "session_ended"));
    }
    for socket in &mut others {
        socket.is_alive().await;
    }
    // A login as another user ends it as well.
    let answer = b.post("/login", &second, r#"{"user":"eve"}"#).await;
    assert_eq!(answer.status, 204);
    for socket in others {
        assert_eq!(socket.end().await, refused(4401, "session_ended"));
    }
}

#[tokio::test]
async fn takes_effect_on_a_node_that_was_cut_off_when_it_is_back() {
    const PAUSE: Duration = Duration::from_millis(100);
    let server = Server::start();
    let proxy = Proxy::to(server.port()).await;
    let a = Node::start(PROGRAM, &server.url(), &[]).await;
    let b = Node::start(PROGRAM, &proxy.url(), &[]).await;
    let (ada, eve) = (a.login("ada").await, a.login("eve").await);
    let token = a.token(&ada, 600).await;
    let path = format!("/jwt?token={token}");
    let mut hers = b.open(&path).await;
    let mut session = b.open_page("/session", &eve).await;
    let mut bystander = b.open_page("/session", &a.login("bob").await).await;

    proxy.sever();
    a.revoke(&ada, "ada").await;
    a.logout(&eve).await;
    // It has not heard of it, and asks in vain.
    let deaf = Duration::from_secs(3);
    let began = Instant::now();
    while began.elapsed() < deaf {
        for socket in [&mut hers, &mut session, &mut bystander] {
            socket.is_alive().await;
        }
        assert_eq!(b.refusal(&path).await, refused(503, "unavailable"));
        tokio::time::sleep(PAUSE).await;
    }
    proxy.mend();
    let began = Stopwatch::start();
    assert_eq!(hers.end().await, refused(4403, "revoked"));
    assert_eq!(session.end().await, refused(4401, "session_ended"));
    let took = began.elapsed();
    println!("what was revoked in {deaf:?} of silence ended {took:?} after it");
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(b.refusal(&path).await, refused(401, "token_invalid"));
    bystander.is_alive().await;
}
