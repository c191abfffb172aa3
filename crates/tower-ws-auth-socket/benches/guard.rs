//! What a guard costs: setting it up, keeping it, and traffic through it.
//!
//! Plain and guarded connections take turns in one run; what counts is the median of the ratios
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
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use test_support::at_once;
use test_support::bench::{Client, Pairs, ThreadTime};
use test_support::memory::reading;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tower_ws_auth_socket::private::{Protocol, UpgradeGuard};

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
fn upgrade(guarded: bool) -> Upgraded {
    let (tell, told) = mpsc::channel();
    let service = service_fn(|request: Request<Incoming>| {
        let (mut head, body) = request.into_parts();
        let guard = guarded.then(|| {
            let (guard, close_handle) =
                UpgradeGuard::interpose(&mut head, Protocol::WebSocket).unwrap();
            black_box(close_handle);
            guard
        });
        tell.send(hyper::upgrade::on(Request::from_parts(head, body)))
            .unwrap();
        if let Some(guard) = guard {
            guard.accept();
        }
        let mut response = Response::new(String::new());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        async { Ok::<_, Infallible>(response) }
    });
    test_support::memory::serve(REQUEST, service);
    at_once(told.recv().unwrap()).unwrap()
}

fn set_up(rounds: usize) {
    const EACH: u32 = 2000;
    let allocations = |guarded| allocation_counter::measure(|| drop(upgrade(guarded))).count_total;
    let mut times = Pairs::default();
    for round in 0..rounds {
        times.push(both(round, |guarded| {
            let began = Instant::now();
            for _ in 0..EACH {
                black_box(upgrade(guarded));
            }
            began.elapsed() / EACH
        }));
    }
    let [plain, guarded] = times.medians();
    println!(
        "set-up        hyper {plain:?}, guarded {guarded:?}: + {:?}",
        guarded.saturating_sub(plain)
    );
    let (plain, guarded) = (allocations(false), allocations(true));
    println!(
        "allocations   hyper {plain}, guarded {guarded}: + {}",
        guarded - plain
    );
}

/// Bytes of an open connection whose handler has begun to read.
fn memory() {
    const CONNECTIONS: usize = 1000;
    let bytes = |guarded| {
        let mut kept = Vec::with_capacity(CONNECTIONS);
        let info = allocation_counter::measure(|| {
            for _ in 0..CONNECTIONS {
                kept.push(reading(upgrade(guarded)));
            }
        });
        info.bytes_current / i64::try_from(CONNECTIONS).unwrap()
    };
    let (plain, guarded) = (bytes(false), bytes(true));
    println!(
        "bytes held    hyper {plain}, guarded {guarded}: + {}",
        guarded - plain
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
            let mut clients = ["/plain", "/guarded"].map(|path| {
                let request = format!(
                    "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
                );
                Client::connect(address, request.as_bytes(), size)
            });
            for client in &mut clients {
                client.echo(5);
            }
            let mut spent = [Duration::ZERO; 2];
            let walls = both(round, |guarded| {
                let before = clock.now();
                let began = Instant::now();
                clients[usize::from(guarded)].echo(count);
                let took = began.elapsed() / count;
                spent[usize::from(guarded)] = clock.now().saturating_sub(before) / count;
                took
            });
            // The first round warms up.
            if round > 0 {
                wall.push(walls);
                cpu.push(spent);
            }
        }
        print(&format!("{name} echo, wall"), &wall);
        print(&format!("{name} echo, server CPU"), &cpu);
    }
}

/// Takes turns in who comes first.
fn both(round: usize, mut measure: impl FnMut(bool) -> Duration) -> [Duration; 2] {
    if round.is_multiple_of(2) {
        let plain = measure(false);
        [plain, measure(true)]
    } else {
        let guarded = measure(true);
        [measure(false), guarded]
    }
}

fn print(name: &str, pairs: &Pairs) {
    let [plain, guarded] = pairs.medians();
    println!(
        "{name:24} plain {plain:>10.2?}, guarded {guarded:>10.2?}, ratio of medians {:.3}, \
         median of ratios {:.3}",
        guarded.as_secs_f64() / plain.as_secs_f64(),
        pairs.ratio(),
    );
}

/// An echo server in a thread of its own: the path says whether it is guarded.
fn server() -> (SocketAddr, ThreadTime) {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send((listener.local_addr().unwrap(), ThreadTime::of_this_thread()))
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
    if head.uri.path() == "/guarded" {
        let (guard, _) = UpgradeGuard::interpose(&mut head, Protocol::WebSocket).unwrap();
        guard.accept();
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
