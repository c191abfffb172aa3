//! A server with a guard before its handlers, and a client that is strict about frames.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use test_support::frame::{self, Frame, masked};
use test_support::{Gauge, PATIENCE, bounded, handshake};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tower_ws_auth_socket::close::{Close, CloseCode};
use tower_ws_auth_socket::private::{
    CloseHandle, ClosingHandshake, Limits, Outcome, Protocol, UpgradeGuard, accept_key,
};

pub(crate) type Io = TokioIo<Upgraded>;
pub(crate) type Head = Response<Empty<Bytes>>;

pub(crate) fn close() -> Close {
    Close::new(CloseCode::new(4401).unwrap(), "token_expired")
}

/// Its deadline is beyond all patience: whatever ends, ends without it. And a slow client has the
/// time to read what it was told.
pub(crate) fn patient() -> Limits {
    Limits {
        deadline: 2 * PATIENCE,
        hold: Duration::from_secs(3),
        ..Limits::default()
    }
}

/// Its deadline is so far from the default that one is not taken for the other.
pub(crate) fn short() -> Limits {
    Limits {
        deadline: Duration::from_millis(400),
        hold: Duration::from_millis(100),
        ..Limits::default()
    }
}

#[derive(Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each test turns one")]
pub(crate) struct Setup {
    pub(crate) protocol: Protocol,
    /// Whether the server lets a connection be upgraded.
    pub(crate) upgrades: bool,
    pub(crate) http2: bool,
    /// Two layers, each with a guard; the close handle is the inner one's.
    pub(crate) twice: bool,
    /// Cut as soon as the request is there.
    pub(crate) early: bool,
    /// What the service answers.
    pub(crate) status: StatusCode,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            protocol: Protocol::WebSocket,
            upgrades: true,
            http2: false,
            twice: false,
            early: false,
            status: StatusCode::SWITCHING_PROTOCOLS,
        }
    }
}

pub(crate) struct Lab {
    pub(crate) address: SocketAddr,
    pub(crate) close_handles: mpsc::UnboundedReceiver<CloseHandle>,
    pub(crate) outcomes: mpsc::UnboundedReceiver<Outcome>,
    tell: mpsc::UnboundedSender<Outcome>,
    /// Values held by guards.
    pub(crate) guards: Gauge,
    /// Handlers that run, or wait for their connection.
    pub(crate) handlers: Gauge,
    /// Handlers that were told that there is no connection.
    pub(crate) failed: Gauge,
    /// Handlers that saw what they should not.
    pub(crate) panicked: Gauge,
}

impl Lab {
    pub(crate) async fn new<F>(handler: fn(Io) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::with(Setup::default(), handler).await
    }

    pub(crate) async fn with<F>(setup: Setup, handler: fn(Io) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cut, close_handles) = mpsc::unbounded_channel();
        let (tell, outcomes) = mpsc::unbounded_channel();
        let lab = Self {
            address,
            close_handles,
            outcomes,
            tell: tell.clone(),
            guards: Gauge::default(),
            handlers: Gauge::default(),
            failed: Gauge::default(),
            panicked: Gauge::default(),
        };
        let (guards, handlers) = (lab.guards.clone(), lab.handlers.clone());
        let (failed, panicked) = (lab.failed.clone(), lab.panicked.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let (setup, cut, tell) = (setup.clone(), cut.clone(), tell.clone());
                let (guards, handlers) = (guards.clone(), handlers.clone());
                let (failed, panicked) = (failed.clone(), panicked.clone());
                let (upgrades, http2) = (setup.upgrades, setup.http2);
                let service = service_fn(move |request| {
                    guarded(
                        request,
                        &setup,
                        &cut,
                        &tell,
                        &guards,
                        unmodified([&handlers, &failed, &panicked].map(Gauge::clone), handler),
                    )
                });
                let stream = TokioIo::new(stream);
                tokio::spawn(async move {
                    if http2 {
                        let _ = http2::Builder::new(TokioExecutor::new())
                            .enable_connect_protocol()
                            .serve_connection(stream, service)
                            .await;
                        return;
                    }
                    let connection = http1::Builder::new().serve_connection(stream, service);
                    if upgrades {
                        let _ = connection.with_upgrades().await;
                    } else {
                        let _ = connection.await;
                    }
                });
            }
        });
        lab
    }

    /// A lab with one client, and what ends its connection.
    pub(crate) async fn opened<F>(handler: fn(Io) -> F) -> (Self, Client, CloseHandle)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut lab = Self::new(handler).await;
        let (client, close_handle) = lab.open().await;
        (lab, client, close_handle)
    }

    /// A client, its connection open, and what ends it.
    pub(crate) async fn open(&mut self) -> (Client, CloseHandle) {
        let client = Client::open(self.address).await;
        (client, self.close_handle().await)
    }

    pub(crate) async fn close_handle(&mut self) -> CloseHandle {
        bounded("close_handle", self.close_handles.recv())
            .await
            .unwrap()
    }

    pub(crate) fn cut(&self, close_handle: &CloseHandle, limits: Limits) -> bool {
        close_handle.cut(&close(), limits, spawn(&self.tell))
    }

    /// The client reads its code, and nothing is left.
    pub(crate) async fn cut_ends(&self, mut client: Client, close_handle: &CloseHandle) {
        self.cut(close_handle, patient());
        client.reads_the_code().await;
        self.is_empty().await;
    }

    pub(crate) fn spawner(&self) -> impl FnOnce(ClosingHandshake) + Send + 'static + use<> {
        spawn(&self.tell)
    }

    pub(crate) async fn outcome(&mut self) -> Outcome {
        bounded("outcome", self.outcomes.recv()).await.unwrap()
    }

    /// Nothing is left of any connection.
    pub(crate) async fn is_empty(&self) {
        self.handlers.none_left("handlers").await;
        self.guards.none_left("guards").await;
        assert_eq!(self.panicked.now(), 0, "handlers that panicked");
    }
}

fn spawn(tell: &mpsc::UnboundedSender<Outcome>) -> impl FnOnce(ClosingHandshake) + use<> {
    let tell = tell.clone();
    move |closing_handshake| {
        tokio::spawn(async move { tell.send(closing_handshake.await) });
    }
}

fn guarded(
    request: Request<Incoming>,
    setup: &Setup,
    cut: &mpsc::UnboundedSender<CloseHandle>,
    tell: &mpsc::UnboundedSender<Outcome>,
    guards: &Gauge,
    service: impl FnOnce(Request<Incoming>) -> Head,
) -> std::future::Ready<Result<Head, Infallible>> {
    let (mut head, body) = request.into_parts();
    if head.method == Method::GET && setup.http2 {
        return std::future::ready(Ok(Head::default()));
    }
    let outer = setup.twice.then(|| {
        UpgradeGuard::interpose(&mut head, setup.protocol)
            .unwrap()
            .0
    });
    if let Some(outer) = &outer {
        outer.hold(guards.hold());
    }
    let (guard, close_handle) = UpgradeGuard::interpose(&mut head, setup.protocol).unwrap();
    guard.hold(guards.hold());
    if setup.early {
        let spawn = spawn(tell);
        assert!(
            close_handle.cut(&close(), patient(), |mut closing_handshake| {
                // Its task may run before the service has answered.
                assert!((&mut closing_handshake).now_or_never().is_none());
                spawn(closing_handshake);
            })
        );
    }
    let _ = cut.send(close_handle);
    let connect = head.method == Method::CONNECT;
    let mut response = service(Request::from_parts(head, body));
    *response.status_mut() = setup.status;
    if setup.status == StatusCode::SWITCHING_PROTOCOLS || (connect && setup.status.is_success()) {
        guard.accept();
        if let Some(outer) = outer {
            outer.accept();
        }
    } else {
        let socket = guard.reclaim();
        if setup.status == StatusCode::UNAUTHORIZED {
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            tokio::spawn(socket.closing_handshake(close().to_bytes(), patient()));
        }
    }
    std::future::ready(Ok(response))
}

/// A service as anybody writes it over hyper.
fn unmodified<F>(
    [handlers, failed, panicked]: [Gauge; 3],
    handler: fn(Io) -> F,
) -> impl FnOnce(Request<Incoming>) -> Head
where
    F: Future<Output = ()> + Send + 'static,
{
    move |mut request| {
        let mut response = Response::new(Empty::new());
        let headers = response.headers_mut();
        headers.insert("connection", HeaderValue::from_static("upgrade"));
        headers.insert("upgrade", HeaderValue::from_static("websocket"));
        if let Some(key) = request.headers().get("sec-websocket-key") {
            headers.insert("sec-websocket-accept", accept_key(key));
        }
        let one = handlers.hold();
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let _one = one;
            match upgrade.await {
                Ok(upgraded) => {
                    let handling = AssertUnwindSafe(handler(TokioIo::new(upgraded)));
                    if handling.catch_unwind().await.is_err() {
                        std::mem::forget(panicked.hold());
                    }
                }
                Err(_) => std::mem::forget(failed.hold()),
            }
        });
        response
    }
}

pub(crate) async fn server_side(io: Io) -> WebSocketStream<Io> {
    WebSocketStream::from_raw_socket(io, Role::Server, None).await
}

/// A client that reads whole, unmasked, well-formed frames or fails.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
}

impl Client {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let (client, head) = Self::ask(address).await;
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        client
    }

    pub(crate) async fn ask(address: SocketAddr) -> (Self, String) {
        let (stream, head) = handshake::ask(address, "/", "").await;
        (Self { stream }, head)
    }

    pub(crate) async fn send(&mut self, opcode: u8, payload: &[u8]) {
        let frame = masked(true, opcode, payload);
        bounded("send", self.stream.write_all(&frame))
            .await
            .unwrap();
    }

    /// Sends the beginning of a frame, and waits until the handler has read that far: it answers
    /// the ping before it, and has read both at once.
    pub(crate) async fn begins(&mut self, frame: &[u8]) {
        let mut bytes = masked(true, 9, b"");
        bytes.extend(frame);
        bounded("send", self.stream.write_all(&bytes))
            .await
            .unwrap();
        assert_eq!(self.frame().await.opcode, 10);
    }

    /// Waits until there is something to read, and reads nothing.
    pub(crate) async fn hears(&self) {
        let heard = bounded("a sound", self.stream.peek(&mut [0])).await;
        assert_eq!(heard.unwrap(), 1);
    }

    pub(crate) async fn frame(&mut self) -> Frame {
        bounded("frame", read_frame(&mut self.stream)).await
    }

    /// Reads to the close frame, answers it, and reads the end of the stream.
    pub(crate) async fn reads_the_code(&mut self) {
        self.reads_the_code_silently().await;
        self.send(8, b"\x11\x31").await;
        self.reads_the_end().await;
    }

    pub(crate) async fn reads_the_code_silently(&mut self) {
        loop {
            let frame = self.frame().await;
            if frame.opcode == 8 {
                assert_eq!(frame.payload, b"\x11\x31token_expired");
                return;
            }
        }
    }

    pub(crate) async fn reads_the_end(&mut self) {
        let mut byte = [0];
        let read = bounded("end", self.stream.read(&mut byte)).await;
        assert!(
            matches!(read, Ok(0) | Err(_)),
            "bytes after the close frame: {byte:?}"
        );
    }
}

pub(crate) async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> Frame {
    frame::read(stream).await.expect("a whole frame")
}
