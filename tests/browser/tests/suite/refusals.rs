//! A page reads the code and the reason of every refusal.

use std::time::Instant;

use client_tests::{Server, refusals};
use serde_json::json;

use crate::browser::{Browser, Kind};
use crate::transport::Transport;
use test_support::{of_tier, until_done};

/// Chromium slows a page down the more of its sockets are connecting: with 32 of them it opened 11
/// a second, with 5 about 80. Those that are open cost nothing.
const CONNECTING: usize = 5;
const AT_A_TIME: usize = 32;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chromium_reads_the_code_and_reason_of_every_refusal() {
    Browser::run(Kind::Chromium, every_refusal_is_read).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn firefox_reads_the_code_and_reason_of_every_refusal() {
    Browser::run(Kind::Firefox, every_refusal_is_read).await;
}

async fn every_refusal_is_read(browser: &Browser) {
    let count = match std::env::var("BROWSER_REFUSALS") {
        Ok(count) => count.parse().expect("BROWSER_REFUSALS is a number"),
        Err(_) => of_tier(100, 1_000),
    };
    for transport in Transport::ALL {
        every_refusal_is_read_over(transport, count, browser).await;
    }
}

async fn every_refusal_is_read_over(transport: Transport, count: usize, browser: &Browser) {
    let (server, router, listener) = Server::bind().await.unwrap();
    let requests = transport.serve(router, listener);
    let refusals = serde_json::to_value(refusals().unwrap()).unwrap();
    let page = &browser.client;
    page.goto(&transport.origin(server.address)).await.unwrap();

    let began = Instant::now();
    let numbers = [count, CONNECTING, AT_A_TIME].map(|number| json!(number));
    let base = transport.sockets(server.address).into();
    let arguments = [&[base, refusals][..], &numbers].concat();
    page.execute(SCRIPT, arguments).await.unwrap();
    let counts = until_done("all refusals", async || {
        let now = page.execute("return window.counts", vec![]).await.unwrap();
        if now["done"] == count {
            Ok(now)
        } else {
            Err(now)
        }
    });
    let counts = counts.await;
    let took = began.elapsed();
    println!("{transport:?}: {} refusals in {took:?}", counts["done"]);

    let expected = json!({ "exact": count, "unopened": 0, "wrong": {}, "done": count });
    assert_eq!(counts, expected, "{transport:?}");
    // Each of them was an upgrade and a close frame, and none more than that.
    assert_eq!(server.take_converted(), count);
    assert_eq!(server.called(), 0);
    requests.assert_sockets(count, transport);
}

/// Opens the sockets, so many at a time, and counts what each is told.
const SCRIPT: &str = r"
const [base, refusals, count, mostConnecting, atATime] = arguments;
const counts = { done: 0, exact: 0, unopened: 0, wrong: {} };
let next = 0, connecting = 0, here = 0;
const more = () => {
  while (next < count && connecting < mostConnecting && here < atATime) one();
};
const one = () => {
  const { target, code, reason } = refusals[next++ % refusals.length];
  const socket = new WebSocket(base + target);
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
