//! Row E6: clients that send their credential in the first message, or nothing.
//!
//! Whole handshakes with one are in [`whole`](super::whole). Here a client says nothing behind its
//! handshake, or goes on after it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::Notify;
use tower::{BoxError, Service, ServiceBuilder};
use tower_ws_auth::CloseFrameLayer;
use tower_ws_auth::first_message::{FirstMessageLayer, MessageFormat};
use tower_ws_auth::jwt::JwtLayer;
use tower_ws_auth::lease::LeaseLayer;

use super::accept::{origins, request};
use super::close::kept;
use super::connection::{CLOSE, Client, REQUEST, Says, serve};
use super::jwt::jwt;
use super::protocol::repeat;
use super::socket::{runtime, server};
use super::whole::{in_memory, message};
use crate::Case;

/// A masked text frame of 32 bytes. The handler repeats what it reads.
const ECHO: &[u8] = b"\x81\x9a\0\0\0\0a message that is repeated";
/// In one call.
const ECHOES: usize = 100;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::call("message/silent", || {
            let layer = || layer().timeout(Duration::ZERO);
            in_memory(
                move || behind(layer()),
                vec![REQUEST],
                Says::AfterFrame(CLOSE),
            )
        }),
        Case::call("message/evicted", evicted),
        kept("message/waiting-kept", || behind(layer())),
        Case::call("message/echo", || {
            echoes(behind(layer()), REQUEST, message())
        }),
        Case::call("query/echo", || echoes(by_query(), request(true), b"")),
        Case::call("leased/echo", || echoes(leased(), request(true), b"")),
    ]
}

/// For clients that say nothing, without the reject delay, which costs no CPU time.
fn layer() -> FirstMessageLayer {
    FirstMessageLayer::new(MessageFormat::json("token"))
        .timeout(Duration::from_secs(3600))
        .reject_delay(Duration::ZERO)
}

fn behind(layer: FirstMessageLayer) -> server!() {
    ServiceBuilder::new()
        .layer(CloseFrameLayer::new())
        .layer(origins())
        .layer(layer)
        .layer(JwtLayer::new(jwt()))
        .service_fn(repeat)
}

fn by_query() -> server!() {
    ServiceBuilder::new()
        .layer(CloseFrameLayer::new())
        .layer(origins())
        .layer(JwtLayer::new(jwt()))
        .service_fn(repeat)
}

fn leased() -> server!() {
    ServiceBuilder::new()
        .layer(CloseFrameLayer::new())
        .layer(origins())
        .layer(JwtLayer::new(jwt()))
        .layer(LeaseLayer::expiry_only())
        .service_fn(repeat)
}

/// Each client takes the only place, and so the one before it is told to go.
fn evicted() -> impl FnMut() {
    let runtime = runtime();
    let service = behind(layer().max_waiting(1));
    let gone = Arc::new(Notify::new());
    let open = {
        let gone = Arc::clone(&gone);
        move || serve(Client::new(Says::AfterFrame(CLOSE), &gone), service.clone())
    };
    runtime.block_on(open());
    move || {
        runtime.block_on(async {
            open().await;
            gone.notified().await;
        });
    }
}

/// Messages on a connection that is open, after this first one.
fn echoes<S, B>(service: S, request: &'static [u8], first: &'static [u8]) -> impl FnMut()
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let runtime = runtime();
    let mut client = runtime.block_on(async {
        let (mut client, server) = duplex(4096);
        tokio::spawn(serve(server, service));
        client.write_all(request).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        client.write_all(first).await.unwrap();
        client
    });
    move || {
        runtime.block_on(async {
            for _ in 0..ECHOES {
                echo(&mut client).await;
            }
        });
    }
}

async fn echo(client: &mut DuplexStream) {
    client.write_all(ECHO).await.unwrap();
    let mut answer = [0; ECHO.len()];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, ECHO);
}
