//! A page whose sockets are cut under traffic reads why.

mod busy;
mod server;

use std::cell::RefCell;
use std::time::Duration;

use futures_util::future::join_all;
use serde::Deserialize;
use tokio::time::sleep;
use tower_ws_auth::lease::DisconnectReason;

use self::server::Server;
use crate::browser::{Browser, Kind};
use crate::transport::Transport;
use test_support::{of_tier, until, until_ok};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_socket_in_chromium_reads_its_code_and_its_reason_in_a_clean_close() {
    Browser::run(Kind::Chromium, every_socket_reads_why_it_ends).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_socket_in_firefox_reads_its_code_and_its_reason_in_a_clean_close() {
    Browser::run(Kind::Firefox, every_socket_reads_why_it_ends).await;
}

async fn every_socket_reads_why_it_ends(browser: &Browser) {
    for transport in Transport::ALL {
        println!("{transport:?}");
        let server = Server::start(transport).await;
        // Browsers open sockets over HTTP/2 on a connection that they have, and where the server
        // has said that they may.
        let origin = transport.origin(server.address);
        browser.client.goto(&origin).await.unwrap();
        let sockets = cut_at_random(&server, browser, &transport.sockets(server.address)).await;
        server.requests.assert_sockets(sockets, transport);
    }
}

/// Opens sockets from the page and cuts them; returns how many.
async fn cut_at_random(server: &Server, browser: &Browser, base: &str) -> usize {
    // Sockets for each way to end and each handler.
    let each = of_tier(2, 8);
    let mut urls = Vec::new();
    let mut revoked = Vec::new();
    for index in 0..each {
        for path in ["echo", "duplex"] {
            let url = format!("{base}/ws/{path}");
            let user = match (path, index % 2) {
                ("duplex", 1) => format!("quiet{index}"),
                _ => format!("{path}{index}"),
            };
            let ms = 1000 + index * 337 % 1500;
            urls.push(format!("{url}?user=expires-{user}&ms={ms}"));
            urls.push(format!("{url}?user=revoked-{user}"));
            urls.push(format!("{url}?user=all&of={user}"));
            urls.push(format!("{url}?refused={user}"));
            revoked.push((format!("user:revoked-{user}"), index * 571 % 3500));
        }
    }
    let sockets = urls.len();
    let arguments = vec![urls.into(), server::FILL.into()];
    browser.client.execute(SCRIPT, arguments).await.unwrap();
    seen_until(browser, Seen::is_under_way).await;

    let revoking = revoked.iter().map(async |(key, ms)| {
        sleep(Duration::from_millis(*ms)).await;
        let revoked = server.revocations.revoke(key, DisconnectReason::Revoked);
        revoked.await.unwrap();
    });
    join_all(revoking).await;
    let banned = DisconnectReason::application(4999, "banned").unwrap();
    let revoked = server.revocations.revoke("user:all", banned);
    revoked.await.unwrap();

    let seen = seen_until(browser, Seen::is_closed).await;
    assert_eq!(seen.len(), sockets);
    for socket in &seen {
        let expected = if socket.is("expires") {
            (4401, "token_expired")
        } else if socket.is("revoked") {
            (4403, "revoked")
        } else if socket.is("all") {
            (4999, "banned")
        } else {
            (4401, "credentials_missing")
        };
        let close = socket.close.as_ref().unwrap();
        assert_eq!((close.code, &*close.reason), expected, "{socket:?}");
        assert!(socket.opened && !socket.torn, "{socket:?}");
        // Chromium calls no close clean that left words of the page unsaid. Firefox says them first.
        let unsaid = browser.kind == Kind::Chromium && close.unsent > 0 && !socket.is("quiet");
        assert!(close.was_clean || unsaid, "{socket:?}");
        assert!(socket.bytes == 0 || !socket.is("refused"), "{socket:?}");
    }
    let bytes: u64 = seen.iter().map(|socket| socket.bytes).sum();
    println!("{sockets} sockets have read {bytes} bytes");
    let leases = server.layer.leases();
    let left = || format!("{} handlers, {leases:?}", server.running());
    let nothing = || server.running() == 0 && leases.is_empty() && server.revocations.is_empty();
    until(left, nothing).await;
    sockets
}

/// The observations of the page's sockets, once they all match.
async fn seen_until(browser: &Browser, so: impl Fn(&Seen) -> bool) -> Vec<Seen> {
    let last: RefCell<Vec<Seen>> = RefCell::default();
    let left = || {
        let last = last.borrow();
        let left: Vec<_> = last.iter().filter(|socket| !so(socket)).collect();
        format!("{left:?}")
    };
    until_ok(left, async || {
        let seen = browser.client.execute("return window.seen", vec![]).await;
        last.replace(serde_json::from_value(seen.unwrap()).unwrap());
        last.borrow().iter().all(&so)
    })
    .await;
    last.into_inner()
}

/// The observations of one socket of the page.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Seen {
    url: String,
    opened: bool,
    bytes: u64,
    torn: bool,
    close: Option<Close>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Close {
    code: u16,
    reason: String,
    was_clean: bool,
    /// The bytes that the page had written and the browser had not sent at the close.
    unsent: u64,
}

impl Seen {
    fn is(&self, what: &str) -> bool {
        self.url.contains(what)
    }

    /// In the middle of its traffic. One that expires may be over by then: the later ones wait
    /// until the earlier ones are open, as long as that takes.
    fn is_under_way(&self) -> bool {
        let over = self.close.is_some();
        self.opened && (self.bytes > 0 || over && (self.is("expires") || self.is("refused")))
    }

    fn is_closed(&self) -> bool {
        self.close.is_some()
    }
}

/// Opens sockets that write messages of any size, but for the quiet ones.
const SCRIPT: &str = r"
const [urls, fill] = arguments;
const size = () =>
  Math.random() < 0.1 ? 65536 + Math.random() * 60000 : Math.random() * 3000;
window.seen = urls.map((url) => {
  const seen = { url, opened: false, bytes: 0, torn: false, close: null };
  const socket = new WebSocket(url);
  socket.binaryType = 'arraybuffer';
  const talk = () => {
    if (socket.readyState !== WebSocket.OPEN) return;
    if (socket.bufferedAmount === 0) socket.send(new Uint8Array(size()).fill(fill));
    setTimeout(talk, Math.random() * 50);
  };
  socket.onopen = () => {
    seen.opened = true;
    if (!url.includes('quiet')) talk();
  };
  socket.onmessage = ({ data }) => {
    seen.bytes += data.byteLength;
    seen.torn ||= new Uint8Array(data).some((byte) => byte !== fill);
  };
  socket.onclose = ({ code, reason, wasClean }) => {
    seen.close = { code, reason, wasClean, unsent: socket.bufferedAmount };
  };
  return seen;
});
";
