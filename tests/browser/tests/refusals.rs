//! A page in real Chromium reads the code and the reason of every refusal.
//!
//! Chromium opens about 80 sockets a second for one page, so the suite is content with a tenth of
//! what the other clients do; `CHROMIUM_REFUSALS=10000` has it do all of it, in two minutes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "browser")]

mod driver;

use std::time::{Duration, Instant};

use client_tests::{Server, refusals};
use driver::browser;
use serde_json::{Value, json};
use tokio::time::sleep;

/// Without the environment's word.
const COUNT: usize = 1_000;
/// Chromium slows a page down the more of its sockets are connecting: with 32 of them it opened 11
/// a second, with 5 about 80. Those that are open cost nothing.
const CONNECTING: usize = 5;
const AT_A_TIME: usize = 32;
const LIMIT: Duration = Duration::from_secs(170);

/// Opens the sockets, so many at a time, and counts what each is told.
const SCRIPT: &str = r"
const [refusals, count, mostConnecting, atATime] = arguments;
const counts = { done: 0, exact: 0, unopened: 0, wrong: {} };
let next = 0, connecting = 0, here = 0;
const more = () => {
  while (next < count && connecting < mostConnecting && here < atATime) one();
};
const one = () => {
  const { target, code, reason } = refusals[next++ % refusals.length];
  const socket = new WebSocket('ws://' + location.host + target);
  let opened = false;
  connecting++;
  here++;
  socket.onopen = () => { opened = true; connecting--; more(); };
  socket.onclose = (event) => {
    if (!opened) { counts.unopened++; connecting--; }
    if (event.wasClean && event.code === code && event.reason === reason) {
      counts.exact++;
    } else {
      const seen = `${target.slice(0, 20)}: ${event.code} ${event.reason} ${event.wasClean}`;
      counts.wrong[seen] = (counts.wrong[seen] ?? 0) + 1;
    }
    counts.done++;
    here--;
    more();
  };
};
window.counts = counts;
more();
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chromium_reads_the_code_and_reason_of_every_refusal() {
    let count = std::env::var("CHROMIUM_REFUSALS").map_or(COUNT, |count| count.parse().unwrap());
    let server = Server::start().await.unwrap();
    let refusals = serde_json::to_value(refusals().unwrap()).unwrap();
    let (page, _driver) = browser(&[]).await;
    page.goto(&format!("http://{}/", server.address))
        .await
        .unwrap();

    let began = Instant::now();
    let numbers = [count, CONNECTING, AT_A_TIME].map(|number| json!(number));
    let arguments = [&[refusals][..], &numbers].concat();
    page.execute(SCRIPT, arguments).await.unwrap();
    let mut counts = Value::Null;
    while counts["done"] != count && began.elapsed() < LIMIT {
        sleep(Duration::from_millis(500)).await;
        counts = page.execute("return window.counts", vec![]).await.unwrap();
    }
    println!("{} refusals in {:?}", counts["done"], began.elapsed());
    // First of all: Chromium outlives a test that fails.
    page.close().await.unwrap();

    let expected = json!({ "exact": count, "unopened": 0, "wrong": {}, "done": count });
    assert_eq!(counts, expected);
    // Each of them was an upgrade and a close frame, and none more than that.
    assert_eq!(server.take_converted(), count);
    assert_eq!(server.called(), 0);
}
