//! One address opens sockets and says nothing, as fast as it can. The clients of another are served.

use std::collections::VecDeque;
use std::future::{Ready, ready};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::routing::any;
use http::request::Parts;
use test_support::frame::{self, TEXT, masked};
use test_support::{PATIENCE, bounded, handshake, of_tier, until};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tower::ServiceBuilder;
use tower_ws_auth::credential::MessageCredential;
use tower_ws_auth::first_message::{FirstMessageLayer, MessageFormat};
use tower_ws_auth::{AuthLayer, Grant, Rejection, RejectionKind};

use crate::ALONE;
use crate::clients::{allow_descriptors, back_to, idle};

/// Places in all. Each handshake beyond it takes one from somebody.
const PLACES: usize = 128;
const BY_ADDRESS: usize = 32;
/// Clients that say who they are.
const GOOD: usize = 20;
/// Handshakes of the flood that are under way at a time.
const AT_ONCE: usize = 16;

/// Two addresses of the loopback network.
const FLOOD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

fn auth(head: &mut Parts) -> Ready<Result<Grant<String>, Rejection>> {
    let found = head.extensions.remove::<MessageCredential>();
    let missing = Rejection::new(RejectionKind::CredentialsMissing, "no message");
    ready(match found {
        Some(found) => Ok(Grant::new(found.as_str().to_owned())),
        None => Err(missing),
    })
}

async fn echo(upgrade: WebSocketUpgrade) -> axum::response::Response {
    upgrade.on_upgrade(async |mut socket| {
        while let Some(Ok(message)) = socket.recv().await {
            if socket.send(message).await.is_err() {
                return;
            }
        }
    })
}

async fn serve(layer: FirstMessageLayer) -> SocketAddr {
    let layers = ServiceBuilder::new()
        .layer(layer)
        .layer(AuthLayer::new(auth));
    let router = Router::new().route("/ws", any(echo).layer(layers));
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

/// A client of this address, after its handshake.
async fn open(from: Ipv4Addr, server: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let connecting = socket.connect(server);
    let mut stream = bounded("a connection", connecting).await.unwrap();
    let request = handshake::head("/ws", "");
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = bounded("a head", handshake::read_head(&mut stream)).await;
    assert!(head.unwrap().starts_with("HTTP/1.1 101"));
    stream
}

async fn say(stream: &mut TcpStream, text: &str) {
    let message = masked(true, TEXT, text.as_bytes());
    stream.write_all(&message).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_silent_handshakes_from_one_address_keeps_no_client_of_another_out() {
    let _alone = ALONE.lock().await;
    allow_descriptors(4_000);
    let layer = FirstMessageLayer::new(MessageFormat::json("token"))
        .timeout(2 * PATIENCE)
        .max_waiting(PLACES)
        .max_waiting_by_address(BY_ADDRESS)
        .reject_delay(Duration::ZERO);
    let early = layer.early();
    let server = serve(layer).await;
    let (idle_tasks, idle_descriptors) = idle().await;

    let (opened, over) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
    let flood: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (opened, over) = (Arc::clone(&opened), Arc::clone(&over));
            tokio::spawn(async move {
                // It keeps what it has, as long as it may: the newest of them have a place.
                let mut held = VecDeque::new();
                while !over.load(Ordering::Relaxed) {
                    held.push_back(open(FLOOD, server).await);
                    opened.fetch_add(1, Ordering::Relaxed);
                    if held.len() > 2 * BY_ADDRESS {
                        held.pop_front();
                    }
                }
                held
            })
        })
        .collect();
    // Each waits until the flood has come by all places since its handshake, and more than once.
    let behind = of_tier(2, 20) * PLACES;
    let clients: Vec<_> = (0..GOOD)
        .map(|number| {
            let opened = Arc::clone(&opened);
            tokio::spawn(async move {
                let mut client = open(OTHER, server).await;
                let from = opened.load(Ordering::Relaxed);
                let passed = || opened.load(Ordering::Relaxed) - from > behind;
                until("the flood", passed).await;
                say(&mut client, r#"{"token":"ada"}"#).await;
                let text = format!("client {number}");
                say(&mut client, &text).await;
                let answer = bounded("its echo", frame::read(&mut client)).await.unwrap();
                assert_eq!((answer.opcode, &*answer.payload), (TEXT, text.as_bytes()));
                client
            })
        })
        .collect();
    let mut good = Vec::new();
    for client in clients {
        good.push(client.await.unwrap());
    }
    let waiting = early.waiting();
    assert!(waiting <= BY_ADDRESS, "{waiting} wait");
    let opened = opened.load(Ordering::Relaxed);
    println!("{GOOD} clients were served beside {opened} silent handshakes");

    over.store(true, Ordering::Relaxed);
    for client in flood {
        drop(client.await.unwrap());
    }
    drop(good);
    bounded("the last silent client", early.wait()).await;
    assert_eq!(early.waiting(), 0);
    back_to(idle_tasks, idle_descriptors).await;
}
