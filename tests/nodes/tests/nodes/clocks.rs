//! A revocation takes effect for any clocks of the nodes, and for any delay on their ways to Redis.

use std::time::Duration;

use futures_util::future::join_all;
use node_tests::{LongWay, Node};
use socket_tests::Answer;
use test_servers::Server;
use tokio::time::{sleep, timeout};

use crate::{PROGRAM, refused};

/// News of a revocation arrives within the longest way, and the close frame some time after it.
const SOON: Duration = Duration::from_secs(20);
/// A logout comes between handshakes.
const BETWEEN_THEM: Duration = Duration::from_millis(100);

async fn node(server: &Server, way: u64, wrong: i64) -> Node {
    let way = LongWay::to(server.port(), Duration::from_millis(way)).await;
    Node::start_with_clock(PROGRAM, &way.url(), wrong).await
}

/// The end that a page reads, which must come soon.
async fn end(node: &Node, path: &str, cookie: &str) -> Answer {
    let end = timeout(SOON, node.end_of_page(path, cookie)).await;
    end.unwrap_or_else(|_| panic!("a socket at {path} survived"))
}

/// Handshakes on one node while the session is logged out on another.
async fn a_logout_meets_handshakes(here: &Node, there: &Node) {
    let cookie = here.login("ada").await;
    let handshakes = (0..10).map(async |n| {
        sleep(Duration::from_millis(40) * n).await;
        let path = if n % 2 == 0 { "/session" } else { "/any" };
        match end(there, path, &cookie).await {
            Answer::Closed(4401, reason, messages) => match &*reason {
                "session_invalid" => assert!(messages.is_empty(), "{messages:?}"),
                // A welcome at most: the end may come before the handler has said anything.
                "session_ended" => assert!(messages.len() <= 1, "{messages:?}"),
                other => panic!("{other}"),
            },
            // A command has a second, of which the way takes a third: a busy machine the rest.
            Answer::Closed(4503, reason, messages) => {
                assert_eq!((&*reason, messages.len()), ("unavailable", 0));
            }
            other => panic!("{other:?}"),
        }
    });
    let logout = async {
        sleep(BETWEEN_THEM).await;
        here.logout(&cookie).await;
        // And from now on there is none.
        for node in [here, there] {
            let refusal = node.page_refusal("/session", &cookie).await;
            assert_eq!(refusal, refused(4401, "session_invalid"));
        }
    };
    tokio::join!(join_all(handshakes), logout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_socket_survives_a_logout() {
    let server = Server::start();
    let ways = [(0, 150), (150, 0), (50, 150), (150, 50), (5, 50)];
    for ((one, other), wrong) in ways.into_iter().zip([0, 60, -60, 0, 60]) {
        let (here, there) = tokio::join!(node(&server, one, 0), node(&server, other, wrong));
        let rounds = (0..8).map(|_| a_logout_meets_handshakes(&here, &there));
        join_all(rounds).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ban_refuses_earlier_credentials_and_no_later_ones() {
    let server = Server::start();
    for (one, other, wrong) in [(0, 0, 60), (150, 5, -60)] {
        let (a, b) = tokio::join!(node(&server, one, 0), node(&server, other, wrong));
        for (issuer, revoker) in [(&a, &b), (&b, &a)] {
            let cookie = issuer.login("ada").await;
            let token = issuer.token(&cookie, 600).await;
            let jwt = format!("/jwt?token={token}");
            let ticket = issuer.ticket(&cookie, None).await;
            let open = tokio::join!(
                issuer.open(&jwt),
                issuer.open_page("/session", &cookie),
                revoker.open_page("/session", &cookie),
            );
            revoker.revoke(&cookie, "ada").await;
            // Refused at once, on every node.
            join_all([&a, &b].map(async |node| {
                let page = node.page_refusal("/session", &cookie).await;
                assert_eq!(page, refused(4401, "session_invalid"));
                assert_eq!(node.refusal(&jwt).await, refused(401, "token_invalid"));
            }))
            .await;
            let ticket = issuer.refusal(&format!("/ticket?ticket={ticket}")).await;
            assert_eq!(ticket, refused(401, "ticket_invalid"));
            for socket in [open.0, open.1, open.2] {
                let end = timeout(SOON, socket.end()).await.expect("it survived");
                assert_eq!(end, refused(4403, "revoked"));
            }
            // A new login is accepted at once, on either node, and so is a credential minted for
            // it.
            for (login, minting) in [(&a, &b), (&b, &a)] {
                let cookie = login.login("ada").await;
                let jwt = format!("/jwt?token={}", minting.token(&cookie, 600).await);
                let ticket = minting.ticket(&cookie, None).await;
                let ticket = format!("/ticket?ticket={ticket}");
                let mut open = tokio::join!(
                    a.open_page("/session", &cookie),
                    b.open_page("/session", &cookie),
                    a.open(&jwt),
                    b.open(&jwt),
                    login.open(&ticket),
                );
                for socket in [
                    &mut open.0,
                    &mut open.1,
                    &mut open.2,
                    &mut open.3,
                    &mut open.4,
                ] {
                    socket.is_alive().await;
                }
            }
        }
    }
}
