//! Client libraries that people use, at pinned versions, in Node and Python: each sees the reason
//! through its own API, and comes back as often as it should. `tests/browser` has those of pages.
#![cfg(feature = "clients")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::Path;
use std::process::Stdio;

use client_tests::libraries::{self, Library, LibraryServer, PATIENCE};
use serde_json::Value;
use test_support::{of_tier, packages};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

async fn in_a_program(library: Library) {
    let play = async |_: &LibraryServer, job: &Value| lines(library.name, job).await;
    let cases = || library.sees_every_reason_and_comes_back_as_it_should(play);
    // All of them wait more than they compute.
    tokio::join!(
        cases(),
        library.a_crowd_sees_the_reason_and_keeps_the_attempts(play),
    );
    for _ in 1..of_tier(1, 3) {
        cases().await;
    }
}

fn script(library: &str) -> Command {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let package = match library {
        "python-socketio" => "socketio",
        name => name.strip_suffix("-5").unwrap_or(name),
    };
    if ["gql", "python-socketio"].contains(&library) {
        let mut python = Command::new("python3");
        python
            .arg(scripts.join("libraries.py"))
            .env("PYTHONPATH", packages("python", package));
        return python;
    }
    let mut node = Command::new("node");
    node.arg(scripts.join("libraries.cjs"))
        .env("NODE_PATH", packages("node/node_modules", package));
    node
}

async fn lines(library: &str, job: &Value) -> Vec<String> {
    let mut process = script(library)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("node or python3; `cargo xtask setup` installs them");
    let mut input = process.stdin.take().unwrap();
    input.write_all(job.to_string().as_bytes()).await.unwrap();
    drop(input);
    let output = timeout(PATIENCE, process.wait_with_output()).await;
    let output = output.expect("the client does not end").unwrap();
    serde_json::from_slice(&output.stdout).expect("lines of the script")
}

#[tokio::test]
async fn socket_io() {
    in_a_program(libraries::SOCKET_IO).await;
}

#[tokio::test]
async fn socket_io_with_two_namespaces() {
    in_a_program(libraries::SOCKET_IO_WITH_TWO_NAMESPACES).await;
}

#[tokio::test]
async fn phoenix_1_7() {
    in_a_program(libraries::PHOENIX_1_7).await;
}

#[tokio::test]
async fn phoenix_1_8_15() {
    in_a_program(libraries::PHOENIX_1_8_15).await;
}

#[tokio::test]
async fn phoenix_1_8_16() {
    in_a_program(libraries::PHOENIX_1_8_16).await;
}

#[tokio::test]
async fn graphql_ws() {
    in_a_program(libraries::GRAPHQL_WS).await;
}

#[tokio::test]
async fn apollo_client() {
    in_a_program(libraries::APOLLO_CLIENT).await;
}

#[tokio::test]
async fn subscriptions_transport_ws() {
    in_a_program(libraries::SUBSCRIPTIONS_TRANSPORT_WS).await;
}

#[tokio::test]
async fn action_cable() {
    in_a_program(libraries::ACTION_CABLE).await;
}

#[tokio::test]
async fn any_cable() {
    in_a_program(libraries::ANY_CABLE).await;
}

#[tokio::test]
async fn signalr() {
    in_a_program(libraries::SIGNALR).await;
}

#[tokio::test]
async fn centrifugo() {
    in_a_program(libraries::CENTRIFUGO).await;
}

#[tokio::test]
async fn pusher() {
    in_a_program(libraries::PUSHER).await;
}

#[tokio::test]
async fn stomp() {
    in_a_program(libraries::STOMP).await;
}

#[tokio::test]
async fn mqtt_3() {
    in_a_program(libraries::MQTT_3).await;
}

#[tokio::test]
async fn mqtt_5() {
    in_a_program(libraries::MQTT_5).await;
}

#[tokio::test]
async fn nats() {
    in_a_program(libraries::NATS).await;
}

#[tokio::test]
async fn python_socketio() {
    in_a_program(libraries::PYTHON_SOCKETIO).await;
}

#[tokio::test]
async fn gql() {
    in_a_program(libraries::GQL).await;
}

#[tokio::test]
async fn socket_io_2() {
    in_a_program(libraries::SOCKET_IO_2).await;
}

#[tokio::test]
async fn socket_io_2_with_two_namespaces() {
    in_a_program(libraries::SOCKET_IO_2_WITH_TWO_NAMESPACES).await;
}
