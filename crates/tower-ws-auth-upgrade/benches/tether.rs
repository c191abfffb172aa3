//! What a tether costs: setting it up, keeping it, and traffic through it.
//!
//! Plain and tethered connections take turns in one run; what counts is the median of the ratios
//! within the rounds. Other load on the machine disturbs wall time, so the server thread's own CPU time stands beside
//! it where the system tells it (Linux).
#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a program for developers"
)]

use std::convert::Infallible;
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tower_ws_auth_upgrade::{Protocol, Tether};

const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";

fn main() {
    // `cargo test --benches` passes it.
    let quick = std::env::args().any(|argument| argument == "--test");
    set_up(if quick { 1 } else { 31 });
    memory();
    traffic(if quick { 1 } else { 41 });
}

/// One upgrade by hyper, from the request in memory to the handler's connection.
fn upgrade(tethered: bool) -> Upgraded {
    let (tell, told) = mpsc::channel();
    let service = service_fn(|request: Request<Incoming>| {
        let (mut head, body) = request.into_parts();
        let tether = tethered.then(|| {
            let (tether, cutter) = Tether::interpose(&mut head, Protocol::WebSocket).unwrap();
            black_box(cutter);
            tether
        });
        tell.send(hyper::upgrade::on(Request::from_parts(head, body)))
            .unwrap();
        if let Some(tether) = tether {
            tether.accept();
        }
        let mut response = Response::new(String::new());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        async { Ok::<_, Infallible>(response) }
    });
    let mut connection = http1::Builder::new()
        .serve_connection(TokioIo::new(Memory(REQUEST)), service)
        .with_upgrades();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut connection).poll(&mut cx).is_ready());
    let mut on: OnUpgrade = told.recv().unwrap();
    match Pin::new(&mut on).poll(&mut cx) {
        Poll::Ready(Ok(upgraded)) => upgraded,
        _ => unreachable!("the upgrade is there"),
    }
}

fn set_up(rounds: usize) {
    const EACH: u32 = 2000;
    let allocations =
        |tethered| allocation_counter::measure(|| drop(upgrade(tethered))).count_total;
    let mut times = Pairs::default();
    for _ in 0..rounds {
        times.round(|tethered| {
            let began = Instant::now();
            for _ in 0..EACH {
                black_box(upgrade(tethered));
            }
            began.elapsed() / EACH
        });
    }
    let (plain, tethered) = times.medians();
    println!(
        "set-up        hyper {plain:?}, tethered {tethered:?}: + {:?}",
        tethered.saturating_sub(plain)
    );
    let (plain, tethered) = (allocations(false), allocations(true));
    println!(
        "allocations   hyper {plain}, tethered {tethered}: + {}",
        tethered - plain
    );
}

/// Bytes of an open connection whose handler has begun to read.
fn memory() {
    const CONNECTIONS: usize = 1000;
    let bytes = |tethered| {
        let mut kept = Vec::with_capacity(CONNECTIONS);
        let info = allocation_counter::measure(|| {
            for _ in 0..CONNECTIONS {
                let mut upgraded = TokioIo::new(upgrade(tethered));
                let mut bytes = [0; 8];
                let mut cx = Context::from_waker(Waker::noop());
                let mut buffer = ReadBuf::new(&mut bytes);
                assert!(
                    Pin::new(&mut upgraded)
                        .poll_read(&mut cx, &mut buffer)
                        .is_pending()
                );
                kept.push(upgraded);
            }
        });
        info.bytes_current / i64::try_from(CONNECTIONS).unwrap()
    };
    let (plain, tethered) = (bytes(false), bytes(true));
    println!(
        "bytes held    hyper {plain}, tethered {tethered}: + {}",
        tethered - plain
    );
}

fn traffic(rounds: usize) {
    let (address, clock) = server();
    for (name, size, count) in [
        ("16 B", 16, 3000_u32),
        ("64 KiB", 64 << 10, 400),
        ("1 MiB", 1 << 20, 20),
    ] {
        let (mut wall, mut cpu) = (Pairs::default(), Pairs::default());
        for round in 0..=rounds {
            // New connections in each round: where a connection's buffers happen to lie is worth
            // more than what is measured here.
            let mut clients = [false, true].map(|tethered| Client::new(address, tethered, size));
            for client in &mut clients {
                for _ in 0..5 {
                    client.echo();
                }
            }
            let mut spent = [Duration::ZERO; 2];
            let walls = both(round, |tethered| {
                let before = clock.now();
                let began = Instant::now();
                for _ in 0..count {
                    clients[usize::from(tethered)].echo();
                }
                let took = began.elapsed() / count;
                spent[usize::from(tethered)] = clock.now().saturating_sub(before) / count;
                took
            });
            // The first round warms up.
            if round > 0 {
                wall.push(walls);
                cpu.push(spent);
            }
        }
        wall.print(&format!("{name} echo, wall"));
        cpu.print(&format!("{name} echo, server CPU"));
    }
}

/// Takes turns in who comes first.
fn both(round: usize, mut measure: impl FnMut(bool) -> Duration) -> [Duration; 2] {
    if round.is_multiple_of(2) {
        let plain = measure(false);
        [plain, measure(true)]
    } else {
        let tethered = measure(true);
        [measure(false), tethered]
    }
}

#[derive(Default)]
struct Pairs(Vec<[Duration; 2]>);

impl Pairs {
    fn round(&mut self, measure: impl FnMut(bool) -> Duration) {
        let pair = both(self.0.len(), measure);
        self.push(pair);
    }

    fn push(&mut self, pair: [Duration; 2]) {
        self.0.push(pair);
    }

    fn medians(&self) -> (Duration, Duration) {
        let median = |index: usize| {
            let mut times: Vec<_> = self.0.iter().map(|pair| pair[index]).collect();
            times.sort_unstable();
            times[times.len() / 2]
        };
        (median(0), median(1))
    }

    fn print(&self, name: &str) {
        let (plain, tethered) = self.medians();
        let mut ratios: Vec<f64> = self
            .0
            .iter()
            .map(|[plain, tethered]| tethered.as_secs_f64() / plain.as_secs_f64())
            .collect();
        ratios.sort_unstable_by(f64::total_cmp);
        println!(
            "{name:24} plain {plain:>10.2?}, tethered {tethered:>10.2?}, ratio of medians {:.3}, \
             median of ratios {:.3}",
            tethered.as_secs_f64() / plain.as_secs_f64(),
            ratios[ratios.len() / 2],
        );
    }
}

/// An echo server in a thread of its own: the path says whether it is tethered.
fn server() -> (SocketAddr, Clock) {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send((listener.local_addr().unwrap(), Clock::of_this_thread()))
                .unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let connection = http1::Builder::new()
                    .serve_connection(
                        TokioIo::new(stream),
                        service_fn(async |request| Ok::<_, Infallible>(serve(request))),
                    )
                    .with_upgrades();
                tokio::spawn(connection);
            }
        });
    });
    told.recv().unwrap()
}

fn serve(request: Request<Incoming>) -> Response<String> {
    let (mut head, body) = request.into_parts();
    if head.uri.path() == "/tethered" {
        let (tether, _) = Tether::interpose(&mut head, Protocol::WebSocket).unwrap();
        tether.accept();
    }
    tokio::spawn(echo(hyper::upgrade::on(Request::from_parts(head, body))));
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response
}

async fn echo(upgrade: OnUpgrade) {
    let io = TokioIo::new(upgrade.await.unwrap());
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
    while let Some(Ok(message)) = socket.next().await {
        if message.is_binary() {
            socket.send(message).await.unwrap();
        }
    }
}

struct Client {
    stream: TcpStream,
    frame: Vec<u8>,
    answer: Vec<u8>,
}

impl Client {
    fn new(address: SocketAddr, tethered: bool, size: usize) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let path = if tethered { "/tethered" } else { "/plain" };
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
        )
        .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        let mut frame = vec![0x82];
        let header = match size {
            0..=125 => {
                frame.push(0x80 | u8::try_from(size).unwrap());
                2
            }
            126..=65_535 => {
                frame.push(0xfe);
                frame.extend(u16::try_from(size).unwrap().to_be_bytes());
                4
            }
            _ => {
                frame.push(0xff);
                frame.extend((size as u64).to_be_bytes());
                10
            }
        };
        frame.extend([1, 2, 3, 4]);
        frame.resize(frame.len() + size, 7);
        Self {
            stream,
            frame,
            answer: vec![0; header + size],
        }
    }

    fn echo(&mut self) {
        self.stream.write_all(&self.frame).unwrap();
        self.stream.read_exact(&mut self.answer).unwrap();
    }
}

/// The CPU time of one thread; zero where the system does not tell it.
struct Clock(PathBuf);

impl Clock {
    fn of_this_thread() -> Self {
        let thread = std::fs::read_link("/proc/thread-self").unwrap_or_default();
        Self(PathBuf::from("/proc").join(thread).join("schedstat"))
    }

    fn now(&self) -> Duration {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        let nanos = text.split(' ').next().and_then(|word| word.parse().ok());
        Duration::from_nanos(nanos.unwrap_or_default())
    }
}

/// A request, and then a client that says nothing.
struct Memory(&'static [u8]);

impl AsyncRead for Memory {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0.is_empty() {
            return Poll::Pending;
        }
        buffer.put_slice(std::mem::take(&mut self.0));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Memory {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
