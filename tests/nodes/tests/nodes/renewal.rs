//! A request to one node renews a connection of the other.

use std::time::Instant;

use node_tests::{Node, Socket};
use serde_json::json;
use socket_tests::PATIENCE;

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
