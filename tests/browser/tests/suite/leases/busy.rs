//! A page whose sockets are refused or ended while they send up to 4 MiB: each close is clean, and
//! the connection that they share goes on as before.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;

use super::server::Server;
use crate::browser::{Browser, Kind};
use crate::transport::Transport;
use test_support::{of_tier, until_done};

/// The size of the messages that a socket sends as soon as it is open.
const MESSAGE: usize = 64 << 10;
/// As many of them as stay below 4 MiB with their frames.
const FULL: usize = 63;
/// Those of a refused socket whose connection is looked at.
const SOME: usize = 30;

/// Firefox delays the next socket by up to 60 s after 24 unclean closes. Without that delay it
/// takes less than this, on a slow machine too.
const AT_ONCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_busy_socket_in_chromium_reads_its_code_in_a_clean_close() {
    Browser::run(Kind::Chromium, every_busy_socket_reads_its_code).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_busy_socket_in_firefox_reads_its_code_in_a_clean_close() {
    Browser::run(Kind::Firefox, every_busy_socket_reads_its_code).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn busy_refusals_in_chromium_hold_up_nothing_on_their_connection() {
    Browser::run(Kind::Chromium, busy_refusals_hold_up_nothing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn busy_refusals_in_firefox_hold_up_nothing_on_their_connection() {
    Browser::run(Kind::Firefox, busy_refusals_hold_up_nothing).await;
}

async fn every_busy_socket_reads_its_code(browser: &Browser) {
    for transport in Transport::ALL {
        let server = Server::start(transport).await;
        let origin = transport.origin(server.address);
        browser.client.goto(&origin).await.unwrap();
        let base = transport.sockets(server.address);
        let each = of_tier(4, 40);
        let refused = (0..each).map(|index| format!("{base}/ws/echo?refused={index}"));
        let ended = (0..each).map(|index| format!("{base}/ws/once?user=busy{index}"));
        let urls: Vec<_> = refused.chain(ended).collect();

        let began = Instant::now();
        let closes = closes_of(browser, &urls, FULL, false).await.closes;
        let clean = closes.iter().filter(|close| close.was_clean).count();
        let took = began.elapsed();
        println!(
            "{transport:?}: {} sockets in {took:?}, {clean} clean",
            urls.len()
        );
        for close in &closes {
            close.assert_expected(browser.kind);
        }
        server.requests.assert_sockets(urls.len(), transport);
    }
}

async fn busy_refusals_hold_up_nothing(browser: &Browser) {
    let transport = Transport::Http2;
    let server = Server::start(transport).await;
    let origin = transport.origin(server.address);
    browser.client.goto(&origin).await.unwrap();
    let base = transport.sockets(server.address);
    // Each socket of the same path, by which Firefox counts.
    let url = format!("{base}/ws/echo?refused=busy");
    let urls = vec![url; of_tier(30, 100)];

    let began = Instant::now();
    let Seen { closes, posts } = closes_of(browser, &urls, SOME, true).await;
    println!("{} refusals in {:?}", urls.len(), began.elapsed());
    for close in &closes {
        close.assert_expected(browser.kind);
    }
    assert_eq!(posts.len(), urls.len());
    let longest = posts.iter().copied().fold(0.0, f64::max);
    println!("the longest of {} POSTs: {longest} ms", posts.len());
    assert!(Duration::from_secs_f64(longest / 1000.0) < AT_ONCE);

    let next = format!("{base}/ws/echo?user=next");
    let after = browser.client.execute(AFTER, vec![next.into()]).await;
    let After { opened, posted } = serde_json::from_value(after.unwrap()).unwrap();
    println!("the next socket opened after {opened} ms, a POST took {posted} ms");
    assert!(Duration::from_secs_f64(opened / 1000.0) < AT_ONCE);
    assert!(Duration::from_secs_f64(posted / 1000.0) < AT_ONCE);
    server.requests.assert_sockets(urls.len() + 1, transport);
    server.requests.assert_one_connection();
}

/// The page's observations when all its sockets are closed.
async fn closes_of(browser: &Browser, urls: &[String], messages: usize, posting: bool) -> Seen {
    let arguments = [json!(urls), json!(messages), json!(MESSAGE), json!(posting)];
    let page = &browser.client;
    page.execute(SCRIPT, arguments.to_vec()).await.unwrap();
    let seen = until_done("all closes", async || {
        let mut now = page.execute("return window.seen", vec![]).await.unwrap();
        if now["done"] == urls.len() {
            return Ok(now);
        }
        Err(now["closes"].take())
    });
    serde_json::from_value(seen.await).unwrap()
}

#[derive(Debug, Deserialize)]
struct Seen {
    closes: Vec<Close>,
    /// How long the POSTs beside the sockets took, in milliseconds.
    posts: Vec<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Close {
    url: String,
    opened: bool,
    code: u16,
    reason: String,
    was_clean: bool,
    /// Bytes that the browser had not sent when the socket was closed.
    unsent: u64,
}

impl Close {
    fn assert_expected(&self, kind: Kind) {
        let expected = if self.url.contains("refused") {
            (4401, "credentials_missing")
        } else {
            (4403, "revoked")
        };
        assert!(self.opened, "{self:?}");
        assert_eq!((self.code, &*self.reason), expected, "{self:?}");
        // Chromium discards what it has not sent when the close frame arrives, and then calls the
        // close unclean, whatever the server does. Firefox sends it first.
        let discarded = kind == Kind::Chromium && self.unsent > 0;
        assert!(self.was_clean || discarded, "{self:?}");
    }
}

/// Opens the sockets, a few at a time. Each sends all its messages as soon as it is open.
const SCRIPT: &str = r"
const [urls, messages, size, posting] = arguments;
const seen = { done: 0, closes: [], posts: [] };
const message = new Uint8Array(size);
const posted = async () => {
  const began = performance.now();
  const answer = await fetch('/length', { method: 'POST', body: message });
  if (await answer.text() !== `${size}`) throw new Error('a POST was not answered');
  seen.posts.push(performance.now() - began);
};
let next = 0;
const one = () => {
  if (next === urls.length) return;
  const url = urls[next++];
  const socket = new WebSocket(url);
  let opened = false, answered = null;
  socket.onopen = () => {
    opened = true;
    for (let n = 0; n < messages; n++) socket.send(message);
    // Beside what the socket sends, on the same connection.
    if (posting) answered = posted();
  };
  socket.onclose = async ({ code, reason, wasClean }) => {
    seen.closes.push({ url, opened, code, reason, wasClean, unsent: socket.bufferedAmount });
    await answered;
    seen.done++;
    one();
  };
};
window.seen = seen;
for (let n = 0; n < 5; n++) one();
";

#[derive(Debug, Deserialize)]
struct After {
    opened: f64,
    posted: f64,
}

/// Opens one more socket, and then sends one more POST; returns how long each took.
const AFTER: &str = r"
const [url] = arguments;
const timed = async (action) => {
  const began = performance.now();
  await action();
  return performance.now() - began;
};
const open = () => new Promise((resolve, reject) => {
  const socket = new WebSocket(url);
  socket.onopen = resolve;
  socket.onclose = ({ code }) => reject(new Error(`closed with ${code}`));
});
const post = async () => {
  const answer = await fetch('/length', { method: 'POST', body: new Uint8Array(65536) });
  await answer.text();
};
return (async () => ({ opened: await timed(open), posted: await timed(post) }))();
";
