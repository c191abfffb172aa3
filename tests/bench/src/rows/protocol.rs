//! Row 15: refused clients that are told in the language of their library.

use std::future::ready;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::routing::any;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tower::ServiceBuilder;
use tower_ws_auth::{AuthLayer, ClientProtocol, CloseFrameLayer, Grant, Rejection, RejectionKind};

use super::connection::{CLOSE, Client, REQUEST, Says, serve};
use super::socket::{Answer, Talk, on_loopback, on_loopback_by, runtime, server};
use crate::Case;

const KEPT: usize = 500;

pub(super) fn cases() -> Vec<Case> {
    let talking = |protocol: fn() -> ClientProtocol| move || refusing(protocol());
    vec![
        Case::clocked("protocol/close", move || {
            on_loopback(talking(ClientProtocol::plain), Talk::polite())
        }),
        Case::clocked("protocol/socket-io", move || {
            let server = talking(ClientProtocol::socket_io);
            on_loopback_by(server, socket_io)
        }),
        Case::clocked("protocol/socket-io-axum", || {
            on_loopback_by(axum, socket_io)
        }),
        Case::clocked("protocol/round-trip", || {
            let mut two = on_loopback_by(echo, |address| echoed(address, 2));
            let mut one = on_loopback_by(echo, |address| echoed(address, 1));
            move || two() - one()
        }),
        Case::call("protocol/default", || {
            in_memory(CloseFrameLayer::new().reject_delay(Duration::ZERO))
        }),
        Case::call("protocol/detect", || {
            let layer = CloseFrameLayer::new().reject_delay(Duration::ZERO);
            in_memory(layer.client_protocol(ClientProtocol::detect()))
        }),
        held(),
    ]
}

fn refused(_: &mut Parts) -> std::future::Ready<Result<Grant<()>, Rejection>> {
    ready(Err(Rejection::new(RejectionKind::Forbidden, "")))
}

/// Without the reject delay, which costs no CPU time.
fn refusing(protocol: ClientProtocol) -> server!() {
    let layer = CloseFrameLayer::new().reject_delay(Duration::ZERO);
    behind(layer.client_protocol(protocol))
}

fn behind(layer: CloseFrameLayer) -> server!() {
    ServiceBuilder::new()
        .layer(layer)
        .layer(AuthLayer::new(refused))
        .service_fn(async |_: Request<Incoming>| Answer::Ok(Response::new(Empty::new())))
}

const OPEN: &str =
    r#"0{"sid":"-","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;

/// As applications do it by hand.
fn axum() -> server!() {
    let handler = async |upgrade: WebSocketUpgrade| {
        upgrade.on_upgrade(async |mut socket: WebSocket| {
            let error = r#"44{"message":"forbidden","data":{"reason":"forbidden"}}"#;
            let _ = socket.send(Message::text(OPEN)).await;
            socket.recv().await;
            let _ = socket.send(Message::text(error)).await;
            while let Some(Ok(_)) = socket.recv().await {}
        })
    };
    Router::new().route("/ws", any(handler))
}

/// Repeats each message, at the price of a socket alone.
fn echo() -> server!() {
    ServiceBuilder::new().service_fn(repeat)
}

/// Repeats all that comes behind a handshake.
pub(super) async fn repeat(mut request: Request<Incoming>) -> Answer {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut stream = hyper_util::rt::TokioIo::new(upgrade.await.unwrap());
        let mut buffer = [0; 512];
        loop {
            let count = tokio::io::AsyncReadExt::read(&mut stream, &mut buffer).await;
            let Ok(count @ 1..) = count else {
                return;
            };
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, &buffer[..count]).await;
        }
    });
    let mut response = Response::new(Empty::new());
    *response.status_mut() = http::StatusCode::SWITCHING_PROTOCOLS;
    Answer::Ok(response)
}

/// A text of a client, masked with zeros.
const CONNECT: &[u8] = b"\x81\x82\0\0\0\x0040";

/// A connection, and what the server has said.
struct Told(TcpStream, Vec<u8>);

impl Told {
    fn begin(address: SocketAddr, request: &[u8]) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        let patience = Some(Duration::from_secs(10));
        stream.set_read_timeout(patience).unwrap();
        stream.write_all(request).unwrap();
        let mut told = Self(stream, Vec::with_capacity(512));
        told.read_to(b"\r\n\r\n");
        told
    }

    fn read_to(&mut self, end: &[u8]) {
        let mut buffer = [0; 512];
        while !self.1.windows(end.len()).any(|window| window == end) {
            let count = self.0.read(&mut buffer).unwrap();
            assert!(count > 0, "{:?}", String::from_utf8_lossy(&self.1));
            self.1.extend_from_slice(&buffer[..count]);
        }
    }
}

/// As socket.io-client: it asks for its namespace, and closes once that is refused.
fn socket_io(address: SocketAddr) {
    let mut told = Told::begin(address, REQUEST);
    told.read_to(b"\"maxPayload\":1000000}");
    told.0.write_all(CONNECT).unwrap();
    told.read_to(b"\"reason\":\"forbidden\"}}");
    told.0.write_all(CLOSE).unwrap();
    let mut rest = Vec::new();
    told.0.read_to_end(&mut rest).unwrap();
}

fn echoed(address: SocketAddr, times: u8) {
    let mut told = Told::begin(address, REQUEST);
    for n in 0..times {
        // Not a part of the response's head.
        let message = [b'<', b'0' + n, b'>'];
        told.0.write_all(&message).unwrap();
        told.read_to(&message);
    }
}

fn in_memory(layer: CloseFrameLayer) -> impl FnMut() {
    let runtime = runtime();
    let service = behind(layer);
    let gone = Arc::new(Notify::new());
    move || {
        runtime.block_on(async {
            serve(Client::new(Says::AfterFrame(CLOSE), &gone), service.clone()).await;
            gone.notified().await;
        });
    }
}

/// Clients of Phoenix that were refused in their channel, and stay.
fn held() -> Case {
    #[expect(clippy::cast_precision_loss, reason = "five hundred")]
    Case::kept("protocol/phoenix-held", KEPT as f64, || {
        let runtime = runtime();
        let service = runtime.block_on(async { refusing(ClientProtocol::phoenix_held()) });
        let told = Arc::<AtomicUsize>::default();
        let begin = {
            let told = Arc::clone(&told);
            move |runtime: &Runtime, count| {
                let before = told.load(Ordering::Relaxed);
                runtime.block_on(async {
                    for _ in 0..count {
                        serve(Channel::new(&told), service.clone()).await;
                    }
                    // Lets each task run until it waits.
                    for _ in 0..10 {
                        tokio::task::yield_now().await;
                    }
                });
                assert_eq!(told.load(Ordering::Relaxed) - before, count);
            }
        };
        // For state that the runtime and the layer keep for all of them.
        begin(&runtime, KEPT / 10);
        move || {
            begin(&runtime, KEPT);
            (runtime, begin)
        }
    })
}

/// Joins a channel, and counts the answer. It never leaves.
struct Channel {
    to_send: &'static [u8],
    read: Vec<u8>,
    reader: Option<Waker>,
    told: Arc<AtomicUsize>,
}

impl Channel {
    /// `["1","1","a","phx_join",{}]`, masked with zeros.
    const JOIN: &[u8] = b"\x81\x9b\0\0\0\0[\"1\",\"1\",\"a\",\"phx_join\",{}]";

    fn new(told: &Arc<AtomicUsize>) -> Self {
        Self {
            to_send: REQUEST,
            read: Vec::new(),
            reader: None,
            told: Arc::clone(told),
        }
    }
}

impl AsyncRead for Channel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.to_send.is_empty() {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = self.to_send.len().min(buffer.remaining());
        let (now, later) = self.to_send.split_at(count);
        buffer.put_slice(now);
        self.to_send = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Channel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.read.extend_from_slice(bytes);
        let has = |part: &[u8]| self.read.windows(part.len()).any(|window| window == part);
        if has(b"\"phx_reply\"") {
            self.told.fetch_add(1, Ordering::Relaxed);
            // What the client keeps is not the server's.
            self.read = Vec::new();
        } else if has(b"\r\n\r\n") {
            self.read = Vec::new();
            self.to_send = Self::JOIN;
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
