//! Two processes of the chat and one Redis behave as one chat.
#![cfg(feature = "redis")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod clocks;
mod cut_off;
mod logout;
mod margin;
mod outages;
mod race;
mod renewal;
mod revocation;
mod sharing;
mod stopped;
mod storm;
mod tls;

use node_tests::Node;
use test_servers::Server;

const PROGRAM: &str = env!("CARGO_BIN_EXE_node");

/// A Redis, and two nodes on it.
async fn two(options: &[&str]) -> (Server, Node, Node) {
    let server = Server::start();
    let url = server.url();
    let (a, b) = tokio::join!(
        Node::start(PROGRAM, &url, options),
        Node::start(PROGRAM, &url, options),
    );
    (server, a, b)
}

fn refused(code: u16, token: &str) -> (u16, String) {
    (code, token.to_owned())
}
