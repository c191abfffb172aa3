//! A server behind the gateway that remembers every head, and misbehaves by path.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use test_support::{until_ok, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

const PAUSE_OF_A_DRIP: Duration = Duration::from_millis(20);

#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    seen: Arc<Seen>,
    killed: Arc<watch::Sender<bool>>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    open: AtomicUsize,
    heads: Mutex<Vec<String>>,
    bodies: Mutex<Vec<Vec<u8>>>,
    closes: Mutex<Vec<Option<(u16, String)>>>,
    written: AtomicUsize,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = Self {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
            killed: Arc::new(watch::Sender::new(false)),
        };
        let serving = upstream.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serving.seen.connections.fetch_add(1, Ordering::SeqCst);
                serving.seen.open.fetch_add(1, Ordering::SeqCst);
                let mut killed = serving.killed.subscribe();
                let serving = serving.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        () = serving.serve(stream) => {}
                        _ = killed.wait_for(|killed| *killed) => {}
                    }
                    serving.seen.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        upstream
    }

    /// How many connections have come.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// How many of them are open.
    pub(crate) fn open(&self) -> usize {
        self.seen.open.load(Ordering::SeqCst)
    }

    /// How many bytes `/flood` has got rid of.
    pub(crate) fn written(&self) -> usize {
        self.seen.written.load(Ordering::SeqCst)
    }

    /// The head of the latest request.
    pub(crate) fn head(&self) -> String {
        self.seen.heads.lock().unwrap().last().unwrap().clone()
    }

    /// The body of the latest request that was no handshake.
    pub(crate) fn body(&self) -> String {
        let bodies = self.seen.bodies.lock().unwrap();
        String::from_utf8(bodies.last().unwrap().clone()).unwrap()
    }

    /// The value of a header that stands once in that head.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let head = self.head();
        let mut values = head.lines().filter_map(|line| {
            let (this, value) = line.split_once(": ")?;
            this.eq_ignore_ascii_case(name).then(|| value.to_owned())
        });
        let value = values.next();
        assert_eq!(values.next(), None, "{name} stands twice");
        value
    }

    /// The first close frame that it has read, once there is one.
    pub(crate) async fn close(&self) -> Option<(u16, String)> {
        let first = async || self.seen.closes.lock().unwrap().first().cloned();
        until_ok("an end", first).await
    }

    /// Waits until no connection is left.
    pub(crate) async fn is_empty_within(&self, time: Duration) {
        let left = || format!("{} are left", self.open());
        within(time).until(left, || self.open() == 0).await;
    }

    /// Drops every connection as it stands, and each that comes.
    pub(crate) fn kill(&self) {
        self.killed.send_replace(true);
    }

    async fn serve(&self, mut stream: TcpStream) {
        let Some((head, rest)) = read_head(&mut stream).await else {
            return;
        };
        self.seen.heads.lock().unwrap().push(head.clone());
        let path = head.split(' ').nth(1).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        if !head.to_ascii_lowercase().contains("\nsec-websocket-key:") {
            return self.plain(stream, &head, rest, path).await;
        }
        if path == "/silent" {
            let _ = stream.read(&mut [0]).await;
            return;
        }
        let answer = answer(path, &head);
        // Together with the head: they must not be lost.
        if stream.write_all(&answer).await.is_err() || path == "/gone" {
            return;
        }
        if path == "/drip" {
            while stream.write_all(b"x").await.is_ok() {
                sleep(PAUSE_OF_A_DRIP).await;
            }
        }
        if path == "/stuck" {
            // Takes nothing.
            return std::future::pending().await;
        }
        if !answer.windows(12).any(|begin| begin == b"HTTP/1.1 101") {
            return;
        }
        if path == "/flood" {
            return self.flood(stream).await;
        }
        self.echo(stream, rest, path).await;
    }

    /// Answers what is no handshake with its own body, or as the path says.
    async fn plain(&self, mut stream: TcpStream, head: &str, rest: Vec<u8>, path: &str) {
        let Some(body) = read_body(&mut stream, head, rest).await else {
            return;
        };
        self.seen.bodies.lock().unwrap().push(body.clone());
        let answer = match path.rsplit('/').next().unwrap() {
            "events" => {
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n".to_vec()
            }
            "stall" => b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_vec(),
            "silent" => Vec::new(),
            // Engine.IO.
            "open" if !head.contains("sid=") => {
                b"HTTP/1.1 200 OK\r\nContent-Length: 31\r\n\r\n0{\"sid\":\"SERVER\",\"upgrades\":[]}"
                    .to_vec()
            }
            "switch" => b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                          Connection: Upgrade\r\n\r\nsecret"
                .to_vec(),
            "huge" => b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n".to_vec(),
            _ => {
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nX-Powered-By: test\r\n\
                     Connection: close, X-Hop\r\nX-Hop: 1\r\nSet-Cookie: a=1\r\n\r\n"
                );
                [head.as_bytes(), &body].concat()
            }
        };
        if stream.write_all(&answer).await.is_err() {
            return;
        }
        if path.ends_with("huge") {
            return self.flood(stream).await;
        }
        // Until the other side is gone.
        let _ = stream.read(&mut [0]).await;
    }

    async fn echo(&self, stream: TcpStream, rest: Vec<u8>, path: &str) {
        let mut socket =
            WebSocketStream::from_partially_read(stream, rest, Role::Server, None).await;
        if let Some(code) = path.strip_prefix("/close/") {
            let code = code.parse::<u16>().unwrap();
            let reason = "the server's own".into();
            let frame = CloseFrame {
                code: code.into(),
                reason,
            };
            let _ = socket.close(Some(frame)).await;
        }
        let mut close = None;
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(frame) = message {
                close = frame.map(|frame| (frame.code.into(), frame.reason.to_string()));
            } else if (message.is_text() || message.is_binary())
                && socket.send(message).await.is_err()
            {
                break;
            }
        }
        self.seen.closes.lock().unwrap().push(close);
    }

    /// Writes as fast as it is taken.
    async fn flood(&self, mut stream: TcpStream) {
        let mut frame = vec![0x82, 0x7e, 0xff, 0xff];
        frame.resize(4 + 0xffff, 0);
        while stream.write_all(&frame).await.is_ok() {
            self.seen.written.fetch_add(frame.len(), Ordering::SeqCst);
        }
    }
}

async fn read_head(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Some((String::from_utf8(bytes).unwrap(), rest));
        }
        let mut more = [0; 4096];
        match stream.read(&mut more).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&more[..count]),
        }
    }
}

/// `None` if it breaks off.
async fn read_body(stream: &mut TcpStream, head: &str, mut body: Vec<u8>) -> Option<Vec<u8>> {
    let head = head.to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse::<usize>().unwrap());
    let is_chunked = head.contains("\ntransfer-encoding: chunked");
    assert!(length == 0 || !is_chunked, "{head}");
    let is_over = |body: &[u8]| {
        if is_chunked {
            body.ends_with(b"0\r\n\r\n")
        } else {
            body.len() >= length
        }
    };
    while !is_over(&body) {
        let mut more = [0; 4096];
        match stream.read(&mut more).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => body.extend_from_slice(&more[..count]),
        }
    }
    Some(body)
}

/// The answer for a path.
fn answer(path: &str, head: &str) -> Vec<u8> {
    let accepted = accepted(head);
    let answer = match path {
        "/gone" => String::new(),
        "/200" => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned(),
        "/403" => "HTTP/1.1 403 Forbidden\r\nX-Why: banned\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\
                   Content-Length: 6\r\n\r\nbanned"
            .to_owned(),
        "/401" | "/429" | "/503" => format!(
            "HTTP/1.1 {} No\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n",
            &path[1..]
        ),
        "/chunked" => "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n\
                       4\r\nlost\r\n0\r\n\r\n"
            .to_owned(),
        "/long" => format!(
            "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 100000\r\n\r\n{}",
            "x".repeat(100_000)
        ),
        "/wrong" => accepted.replace("Accept: ", "Accept: A") + "secret",
        "/twice" => accepted.replace("Set-Cookie: a=1", "Sec-WebSocket-Accept: other"),
        "/bare" => accepted.replace("Upgrade: websocket\r\nConnection: Upgrade, X-Hop\r\n", ""),
        "/h2c" => accepted.replace("Upgrade: websocket", "Upgrade: h2c"),
        "/length" => accepted.replace(
            "Set-Cookie: a=1",
            "Content-Length: 3\r\nTransfer-Encoding: chunked",
        ),
        // Compresses if it may.
        "/deflate" if head.contains("permessage-deflate") => accepted.replace(
            "Set-Cookie: a=1",
            "Sec-WebSocket-Extensions: permessage-deflate",
        ),
        "/hints" => {
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".to_owned()
                + &accepted
        }
        "/ssh" => "SSH-2.0-OpenSSH_9.9\r\n\r\n".to_owned(),
        "/split" => accepted.replace("Set-Cookie: a=1", "X-A: 1\rSet-Cookie: b=2"),
        "/head" => format!(
            "HTTP/1.1 404 Not Found\r\nX-A: {}\r\n\r\n",
            "x".repeat(1 << 20)
        ),
        "/drip" => "HTTP/1.1 101 S".to_owned(),
        _ => accepted,
    };
    let behind: &[u8] = if path == "/early" {
        b"\x81\x05early"
    } else {
        b""
    };
    [answer.as_bytes(), behind].concat()
}

fn accepted(head: &str) -> String {
    let field = |name: &str| {
        let prefix = format!("{name}: ");
        head.lines().find_map(|line| {
            let at = line.get(..prefix.len())?;
            at.eq_ignore_ascii_case(&prefix)
                .then(|| line[prefix.len()..].to_owned())
        })
    };
    let key = field("sec-websocket-key").unwrap();
    let offered = field("sec-websocket-protocol").unwrap_or_default();
    let selected = offered.split(", ").find(|offer| *offer == "chat.v2");
    let selected = selected.map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n"));
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade, X-Hop\r\n\
         X-Hop: 1\r\nSet-Cookie: a=1\r\nSec-WebSocket-Accept: {}\r\n{}\r\n",
        derive_accept_key(key.as_bytes()),
        selected.unwrap_or_default()
    )
}
