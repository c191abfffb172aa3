//! A request to one node renews a connection of the other.

use std::time::Instant;

use node_tests::{Node, Socket};
use serde_json::json;
use socket_tests::PATIENCE;
use test_servers::Server;

use crate::two;

/// The answer of this node, once both hear from Redis.
async fn renew(node: &Node, token: &str, socket: &Socket, expected: u16) -> String {
    let began = Instant::now();
    let body = json!({ "connection": socket.welcome["connection"] }).to_string();
    loop {
        let path = format!("/ws/renew?token={token}");
        let answer = node.post(&path, "", &body).await;
        if answer.status == expected || began.elapsed() > PATIENCE {
            assert_eq!(answer.status, expected, "{answer:?}");
            return answer.body;
        }
    }
}

#[tokio::test]
async fn a_connection_on_the_other_node_is_renewed_for_its_user_alone() {
    let (_server, a, b) = two(&[]).await;
    for (holder, asked) in [(&a, &b), (&b, &a), (&a, &a)] {
        let cookie = holder.login("ada").await;
        let token = holder.token(&cookie, 600).await;
        let socket = holder.open(&format!("/jwt?token={token}")).await;
        // As old as the other, and it ends sooner: an end that can be seen.
        let short = asked.token(&cookie, 5).await;
        renew(asked, &short, &socket, 204).await;
        assert_eq!(socket.end().await, (4401, "token_expired".to_owned()));
    }
    let cookie = a.login("ada").await;
    let token = a.token(&cookie, 600).await;
    let mut socket = a.open(&format!("/jwt?token={token}")).await;
    let eve = b.login("eve").await;
    let eves = b.token(&eve, 600).await;
    let text = renew(&b, &eves, &socket, 404).await;
    assert_eq!(text, "connection_unknown");
    socket.is_alive().await;
}

/// How many commands Redis has carried out for the nodes, without those that keep connections.
async fn commands(server: &Server) -> u64 {
    let stats: String = server.ask("INFO commandstats").await;
    let of_line = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let name = name.split('|').next()?;
        let keeps = [
            "auth",
            "client",
            "hello",
            "info",
            "ping",
            "select",
            "subscribe",
        ];
        let calls: u64 = rest.split(',').next()?.parse().ok()?;
        (!keeps.contains(&name)).then_some(calls)
    };
    stats.lines().filter_map(of_line).sum()
}

/// The node that decides asks about revocations. Between two nodes a question and an answer are
/// published too.
#[tokio::test]
async fn a_renewal_by_a_token_costs_one_command_and_three_across() {
    let (server, a, b) = two(&[]).await;
    let cookie = a.login("ada").await;
    let token = a.token(&cookie, 600).await;
    let socket = a.open(&format!("/jwt?token={token}")).await;
    // From now on both nodes hear each other.
    renew(&b, &token, &socket, 204).await;
    for (node, expected) in [(&a, 1), (&b, 3)] {
        let before = commands(&server).await;
        renew(node, &token, &socket, 204).await;
        assert_eq!(commands(&server).await - before, expected);
    }
}
