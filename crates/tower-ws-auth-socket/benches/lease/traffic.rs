//! Echoes over loopback, beside a server without leases.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use hyper::server::conn::http1;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use test_support::bench::{Client, Pairs, ThreadTime};
use tokio::net::TcpListener;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::stack::{REQUEST, Stack, stack};

pub(crate) fn measure(rounds: usize) {
    let (addresses, clock) = servers();
    for (name, size, count, goal) in [
        ("16 B", 16, 3000_u32, "1.00"),
        ("64 KiB", 64 << 10, 400, "1.05"),
    ] {
        let (mut wall, mut cpu) = (Pairs::default(), Pairs::default());
        for round in 0..=rounds {
            // New connections in each round: where their buffers happen to lie is worth more than
            // what is measured here.
            let mut clients = addresses.map(|address| Client::connect(address, REQUEST, size));
            let mut spent = [Duration::ZERO; 2];
            let mut times = [Duration::ZERO; 2];
            for turn in [round, round + 1] {
                let side = turn % 2;
                clients[side].echo(5);
                let (before, began) = (clock.now(), Instant::now());
                clients[side].echo(count);
                times[side] = began.elapsed() / count;
                spent[side] = clock.now().saturating_sub(before) / count;
            }
            // The first round warms up.
            if round > 0 {
                wall.push(times);
                cpu.push(spent);
            }
        }
        for (what, pairs) in [("wall", wall), ("server's CPU", cpu)] {
            let [plain, leased] = pairs.medians();
            println!(
                "{name} echo, {what}: without {plain:.2?}, with {leased:.2?}, ratio {:.3} \
                 (goal: {goal})",
                pairs.ratio()
            );
        }
    }
}

/// Two echo servers in one thread of its own, without and with leases.
fn servers() -> ([SocketAddr; 2], ThreadTime) {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut addresses = Vec::new();
            for leased in [false, true] {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                addresses.push(listener.local_addr().unwrap());
                let stack = stack(leased, |upgrade| drop(tokio::spawn(echo(upgrade))));
                tokio::spawn(serve(listener, stack));
            }
            let addresses = [addresses[0], addresses[1]];
            tell.send((addresses, ThreadTime::of_this_thread()))
                .unwrap();
            std::future::pending::<()>().await;
        });
    });
    told.recv().unwrap()
}

async fn serve(listener: TcpListener, stack: Stack) {
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).unwrap();
        let service = TowerToHyperService::new(stack.clone());
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection.with_upgrades());
    }
}

async fn echo(upgrade: OnUpgrade) {
    let io = TokioIo::new(upgrade.await.unwrap());
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
    while let Some(Ok(message)) = socket.next().await {
        if message.is_binary() && socket.send(message).await.is_err() {
            return;
        }
    }
}
