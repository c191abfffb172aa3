//! A page in real Chromium whose sockets are cut under traffic reads why, over HTTP/1.1 and HTTP/2.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "browser")]

mod driver;
mod server;

use std::time::{Duration, Instant};

use driver::{PATIENCE, browser};
use futures_util::future::join_all;
use http::Version;
use serde::Deserialize;
use server::Server;
use tokio::time::sleep;
use tower_ws_auth::lease::Ending;

/// Of each of the ways to end, over each of the two handlers.
const EACH: u64 = 8;

/// What a socket of the page has seen.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Seen {
    url: String,
    opened: bool,
    code: u16,
    reason: String,
    was_clean: bool,
    /// What the page had written, and the browser had not sent when it was told.
    unsent: u64,
    bytes: u64,
    torn: bool,
}

/// Opens sockets that write messages of any size, and waits until all are closed.
const SCRIPT: &str = r"
const [urls, fill, done] = arguments;
const size = () => Math.random() < 0.1 ? 65536 + Math.random() * 60000 : Math.random() * 3000;
const closed = (url) => new Promise((resolve) => {
  const seen = { url, opened: false, bytes: 0, torn: false };
  const socket = new WebSocket(url);
  socket.binaryType = 'arraybuffer';
  const talk = () => {
    if (socket.readyState !== WebSocket.OPEN) return;
    if (socket.bufferedAmount === 0) socket.send(new Uint8Array(size()).fill(fill));
    setTimeout(talk, Math.random() * 50);
  };
  socket.onopen = () => { seen.opened = true; talk(); };
  socket.onmessage = ({ data }) => {
    seen.bytes += data.byteLength;
    seen.torn ||= new Uint8Array(data).some((byte) => byte !== fill);
  };
  socket.onclose = ({ code, reason, wasClean }) =>
    resolve({ ...seen, code, reason, wasClean, unsent: socket.bufferedAmount });
});
Promise.all(urls.map(closed)).then(done);
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_socket_over_http1_reads_its_code_and_its_reason_in_a_clean_close() {
    let server = Server::http1().await;
    let (browser, _driver) = browser(&[]).await;
    let origin = format!("http://{}", server.address);
    browser.goto(&origin).await.unwrap();
    cut_at_random(&server, &browser, &origin.replacen("http", "ws", 1)).await;
    for asked in server.asked() {
        assert_eq!(asked.version, Version::HTTP_11, "{asked:?}");
    }
    browser.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_socket_over_http2_reads_its_code_and_its_reason_in_a_clean_close() {
    let server = Server::http2().await;
    let (browser, _driver) = browser(&["--ignore-certificate-errors"]).await;
    let origin = format!("https://{}", server.address);
    // Chromium opens WebSockets over HTTP/2 on a connection that it has, and where the server has
    // said that it may.
    browser.goto(&origin).await.unwrap();
    let sockets = cut_at_random(&server, &browser, &origin.replacen("http", "ws", 1)).await;
    let asked = server.asked();
    let connects = asked.iter().filter(|asked| asked.path.starts_with("/ws/"));
    for asked in connects.clone() {
        // Otherwise it falls back to HTTP/1.1, and says nothing.
        assert_eq!(asked.version, Version::HTTP_2, "{asked:?}");
        assert_eq!(asked.protocol.as_deref(), Some("websocket"), "{asked:?}");
    }
    assert_eq!(connects.count(), sockets);
    browser.close().await.unwrap();
}

/// Opens sockets from the page and cuts them; returns how many.
async fn cut_at_random(server: &Server, browser: &fantoccini::Client, origin: &str) -> usize {
    let mut urls = Vec::new();
    let mut revoked = Vec::new();
    for index in 0..EACH {
        for path in ["echo", "duplex"] {
            let url = format!("{origin}/ws/{path}");
            let (user, ms) = (format!("{path}{index}"), 5000 + index * 337 % 1500);
            urls.push(format!("{url}?user=expires-{user}&ms={ms}"));
            urls.push(format!("{url}?user=revoked-{user}"));
            urls.push(format!("{url}?user=all"));
            urls.push(format!("{url}?refused"));
            revoked.push((format!("user:revoked-{user}"), 200 + index * 571 % 3500));
        }
    }
    let sockets = urls.len();
    let leases = sockets * 3 / 4;
    let cutting = async {
        // All are open at once: no end comes before.
        let began = Instant::now();
        while server.layer.leases().len() < leases || server.running() < leases {
            assert!(began.elapsed() < PATIENCE, "{:?}", server.layer.leases());
            sleep(Duration::from_millis(5)).await;
        }
        let revoking = revoked.iter().map(async |(key, ms)| {
            sleep(Duration::from_millis(*ms)).await;
            let revoked = server.revocations.revoke(key, Ending::Revoked);
            revoked.await.unwrap();
        });
        join_all(revoking).await;
        let banned = Ending::application(4999, "banned").unwrap();
        let revoked = server.revocations.revoke("user:all", banned);
        revoked.await.unwrap();
    };
    let arguments = vec![urls.into(), server::FILL.into()];
    let (seen, ()) = tokio::join!(browser.execute_async(SCRIPT, arguments), cutting);
    let seen: Vec<Seen> = serde_json::from_value(seen.unwrap()).unwrap();
    assert_eq!(seen.len(), sockets);
    for socket in &seen {
        let expected = if socket.url.contains("expires") {
            (4401, "token_expired")
        } else if socket.url.contains("revoked") {
            (4403, "revoked")
        } else if socket.url.contains("all") {
            (4999, "banned")
        } else {
            (4401, "credentials_missing")
        };
        assert_eq!(
            (socket.code, socket.reason.as_str()),
            expected,
            "{socket:?}"
        );
        assert!(socket.opened && !socket.torn, "{socket:?}");
        // Chromium calls no close clean that left words of the page unsaid.
        assert!(socket.was_clean || socket.unsent > 0, "{socket:?}");
        assert_eq!(
            socket.bytes > 0,
            expected.1 != "credentials_missing",
            "{socket:?}"
        );
    }
    let clean = seen.iter().filter(|socket| socket.was_clean).count();
    // The slower the machine, the more is unsaid.
    assert!(clean > sockets / 2, "{clean} of {sockets} are clean");
    let bytes: u64 = seen.iter().map(|socket| socket.bytes).sum();
    println!("{sockets} sockets have read {bytes} bytes; {clean} are closed cleanly");
    let began = Instant::now();
    while server.running() > 0
        || !server.layer.leases().is_empty()
        || !server.revocations.is_empty()
    {
        assert!(began.elapsed() < PATIENCE, "{:?}", server.layer.leases());
        sleep(Duration::from_millis(5)).await;
    }
    sockets
}
