//! Ten thousand refusals with each client that people use: every close code and reason is read
//! as it was meant.
#![cfg(feature = "clients")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use client_tests::{ORIGIN, Server, refusals};
use serde_json::{Value, json};
use test_support::packages;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

const COUNT: usize = 10_000;
const PATIENCE: Duration = Duration::from_secs(240);

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("scripts")
        .join(name)
}

fn node(package: &str) -> Command {
    let mut node = Command::new("node");
    node.arg(script("node.cjs"))
        .arg(package)
        .env("NODE_PATH", packages("node/node_modules", package));
    node
}

fn python() -> Command {
    let mut python = Command::new("python3");
    python
        .arg(script("python.py"))
        .env("PYTHONPATH", packages("python", "websockets"));
    python
}

async fn reads_every_refusal(mut client: Command) {
    let server = Server::start().await.unwrap();
    let refusals = refusals().unwrap();
    assert_eq!(COUNT % refusals.len(), 0);
    let job = json!({
        "base": format!("ws://{}", server.address),
        "origin": ORIGIN,
        "count": COUNT,
        "at_a_time": 64,
        "refusals": refusals,
    });
    let mut process = client
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{client:?}: {error}; `cargo xtask setup` installs it"));
    let mut input = process.stdin.take().unwrap();
    input.write_all(job.to_string().as_bytes()).await.unwrap();
    drop(input);
    let output = timeout(PATIENCE, process.wait_with_output()).await;
    let output = output.expect("the client does not end").unwrap();
    assert!(output.status.success(), "{client:?}: {}", output.status);
    let counts: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(counts, json!({ "exact": COUNT, "wrong": {} }));
    // Each of them was an upgrade and a close frame, none an HTTP status that happened to do.
    assert_eq!(server.take_converted(), COUNT);
    assert_eq!(server.called(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ws_reads_the_code_and_reason_of_ten_thousand_refusals() {
    reads_every_refusal(node("ws")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn undici_reads_the_code_and_reason_of_ten_thousand_refusals() {
    reads_every_refusal(node("undici")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pythons_websockets_reads_the_code_and_reason_of_ten_thousand_refusals() {
    reads_every_refusal(python()).await;
}
