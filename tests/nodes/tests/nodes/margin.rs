//! A revocation with a margin after one without.

use std::time::Duration;

use node_tests::{Node, Socket};
use test_servers::Server;
use tower_ws_auth::redis::{Redis, RedisRevocations};
use tower_ws_auth::{DisconnectReason, Revocations};

use crate::{PROGRAM, refused};

/// The user of the node in Redis, who may be kept from hearing anything.
const USER: &str = "ACL SETUSER node";

/// A session of the user and a token, and a socket by each.
async fn sockets(node: &Node, user: &str) -> (String, Vec<Socket>) {
    let cookie = node.login(user).await;
    let token = node.token(&cookie, 600).await;
    let sockets = vec![
        node.open_page("/session", &cookie).await,
        node.open(&format!("/jwt?token={token}")).await,
    ];
    (token, sockets)
}

async fn are_alive(sockets: &mut [Socket]) {
    for socket in sockets {
        socket.is_alive().await;
    }
}

#[tokio::test]
async fn is_left_to_nothing_from_before_a_revocation_that_its_node_has_missed() {
    let server = Server::start();
    let () = server
        .ask(&format!("{USER} on >secret ~* +@all allchannels"))
        .await;
    let url = format!("redis://node:secret@127.0.0.1:{}", server.port());
    let node = Node::start(PROGRAM, &url, &[]).await;
    let redis = Redis::connect(&server.url()).await.unwrap();
    let day = Duration::from_secs(24 * 3600);
    let elsewhere = Revocations::new(RedisRevocations::new(redis, day));

    let (_, mut old) = sockets(&node, "ada").await;
    let (_, mut eve) = sockets(&node, "eve").await;
    // The subscription is closed, and there is no other. Commands go on.
    let () = server.ask(&format!("{USER} resetchannels")).await;
    let revoked = elsewhere.revoke("user:ada", DisconnectReason::Revoked);
    revoked.await.unwrap();
    let (token, mut between) = sockets(&node, "ada").await;
    let within = Duration::from_secs(1000);
    let revoked = elsewhere.revoke_within("user:ada", DisconnectReason::Revoked, within);
    revoked.await.unwrap();
    // The node has heard of neither.
    are_alive(&mut old).await;

    let () = server.ask(&format!("{USER} allchannels")).await;
    for socket in old {
        assert_eq!(socket.end().await, refused(4403, "revoked"));
    }
    are_alive(&mut between).await;
    are_alive(&mut eve).await;
    // The credentials of these are refused at once.
    let again = node.refusal(&format!("/jwt?token={token}")).await;
    assert_eq!(again, refused(401, "token_invalid"));
    // Nothing stands in the way of another revocation.
    let revoked = elsewhere.revoke("user:ada", DisconnectReason::Revoked);
    revoked.await.unwrap();
    for socket in between {
        assert_eq!(socket.end().await, refused(4403, "revoked"));
    }
    are_alive(&mut eve).await;
}
