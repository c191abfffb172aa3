//! A logout at the identity provider ends the connections of its user on every node.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use node_tests::Node;
use serde_json::json;
use socket_tests::Provider;
use test_support::{Stopwatch, http1, of_tier};

use crate::two;

/// So many sockets end, and so long it may take until the last of them has read why.
const SHORT: usize = 200;
const LONG: usize = 1_000;
const BOUND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_at_the_provider_ends_many_sockets_on_two_nodes_within_a_second() {
    let count = of_tier(SHORT, LONG);
    // The nodes inherit it.
    rlimit::increase_nofile_limit(4_096).unwrap();
    let provider = Provider::start().await;
    let (_server, a, b) = two(&["--oidc-issuer", &provider.issuer, "--jwt-audience", "chat"]).await;
    let open = async |node: &Node, user: &str| {
        let token = provider.token(user, "one of many");
        node.open(&format!("/jwt?token={token}")).await
    };
    let mut others = [open(&a, "eve").await, open(&b, "eve").await];
    let nodes = (0..count).map(|n| if n % 2 == 0 { &a } else { &b });
    let opening = stream::iter(nodes.map(|node| open(node, "ada")));
    let sockets: Vec<_> = opening.buffer_unordered(16).collect().await;
    let ends = sockets.into_iter().map(|socket| tokio::spawn(socket.end()));
    let ends: Vec<_> = ends.collect();

    let began = Stopwatch::start();
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let body = provider.logout("1", &json!({ "sub": "ada" }));
    let answer = http1::ask(a.address, "POST /backchannel-logout", &form, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answered = began.elapsed();
    for end in ends {
        assert_eq!(end.await.unwrap(), (4401, "session_ended".to_owned()));
    }
    let took = began.elapsed();
    println!(
        "{count} sockets on two nodes: answered in {answered:?}, the last one told in {took:?}"
    );
    assert!(took < BOUND, "{took:?}");
    for other in &mut others {
        other.is_alive().await;
    }
}
