//! The minted upgrade relies on what hyper does, not on what it promises. This pins it for the
//! version in the lock file.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};

use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use test_support::handshake::read_head;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::coop;
use tower_ws_auth_socket::close::{Close, CloseCode};
use tower_ws_auth_socket::private::{CloseHandle, Limits, Outcome, Protocol, UpgradeGuard};

const ADVICE: &str = "this hyper mints no upgrade as src/mint.rs expects. Read hyper's changelog \
    and diff for `upgrade`, `server::conn::http1` and `proto::h1::dispatch`, and adapt src/mint.rs \
    and `HandlerIo::minting` in src/line.rs; until then no lease can be enforced with this hyper, and \
    `UpgradeGuard::interpose` must go on to refuse";

const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";

struct Pinned {
    client: DuplexStream,
    handler: OnUpgrade,
    close_handle: CloseHandle,
}

/// One upgrade over a duplex, driven by hand.
async fn upgrade(early_bytes: &[u8]) -> Pinned {
    let (mut client, server) = duplex(1 << 16);
    client.write_all(REQUEST).await.unwrap();
    client.write_all(early_bytes).await.unwrap();
    let (tell, told) = mpsc::channel();
    let service = service_fn(move |request: Request<Incoming>| {
        let (mut head, body) = request.into_parts();
        let (guard, close_handle) =
            UpgradeGuard::interpose(&mut head, Protocol::WebSocket).expect(ADVICE);
        let request = Request::from_parts(head, body);
        assert!(
            request.extensions().get::<OnUpgrade>().is_some(),
            "{ADVICE}"
        );
        tell.send((hyper::upgrade::on(request), close_handle))
            .unwrap();
        async move {
            // The server's task may have spent its budget; the upgrade is not to wait for more.
            while coop::has_budget_remaining() {
                coop::consume_budget().await;
            }
            guard.accept();
            let mut response = Response::new(String::new());
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            Ok::<_, Infallible>(response)
        }
    });
    http1::Builder::new()
        .serve_connection(TokioIo::new(server), service)
        .with_upgrades()
        .await
        .unwrap();
    let (handler, close_handle) = told.recv().unwrap();
    let head = read_head(&mut client).await.unwrap();
    assert!(head.starts_with("HTTP/1.1 101"), "{ADVICE}");
    Pinned {
        client,
        handler,
        close_handle,
    }
}

/// What the handler's task would see, without waiting.
fn now(upgrade: &mut OnUpgrade) -> Poll<hyper::Result<hyper::upgrade::Upgraded>> {
    Pin::new(upgrade).poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn the_handler_has_the_clients_connection_as_soon_as_the_server_hands_it_over() {
    let mut pinned = upgrade(b"").await;
    let Poll::Ready(Ok(upgraded)) = now(&mut pinned.handler) else {
        panic!("{ADVICE}");
    };
    let mut io = TokioIo::new(upgraded);
    io.write_all(b"\x82\x01x").await.unwrap();
    let mut frame = [0; 3];
    pinned.client.read_exact(&mut frame).await.unwrap();
    assert_eq!(
        &frame, b"\x82\x01x",
        "nothing of the minting is on the wire: {ADVICE}"
    );
    pinned
        .client
        .write_all(b"\x88\x80\x01\x02\x03\x04")
        .await
        .unwrap();
    let mut frame = [0; 6];
    io.read_exact(&mut frame).await.unwrap();
    assert_eq!(
        &frame, b"\x88\x80\x01\x02\x03\x04",
        "nor before the handler: {ADVICE}"
    );
    drop(io);
    assert!(pinned.close_handle.is_over(), "{ADVICE}");
    assert_eq!(pinned.client.read(&mut frame).await.unwrap(), 0);
}

#[tokio::test]
async fn bytes_that_came_with_the_request_reach_the_handler_once() {
    let mut pinned = upgrade(b"early").await;
    let Poll::Ready(Ok(upgraded)) = now(&mut pinned.handler) else {
        panic!("{ADVICE}");
    };
    pinned.client.write_all(b"later").await.unwrap();
    let mut bytes = [0; 10];
    TokioIo::new(upgraded).read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"earlylater", "{ADVICE}");
}

#[tokio::test]
async fn a_handler_that_drops_its_wait_drops_the_connection() {
    let mut pinned = upgrade(b"").await;
    drop(pinned.handler);
    assert!(pinned.close_handle.is_over(), "{ADVICE}");
    assert_eq!(pinned.client.read(&mut [0]).await.unwrap(), 0);
}

type Case = fn(Pinned) -> BoxFuture<'static, ()>;

#[test]
fn nothing_is_left_of_a_connection() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let cases: [(&str, Case); 4] = [
        ("dropped", |pinned| Box::pin(async { drop(pinned) })),
        ("not awaited", |pinned| {
            Box::pin(async {
                drop(pinned.handler);
                drop(pinned.client);
            })
        }),
        ("read", |pinned| {
            Box::pin(async move {
                let mut io = TokioIo::new(pinned.handler.await.unwrap());
                drop(pinned.client);
                while io.read(&mut [0]).await.unwrap() > 0 {}
            })
        }),
        ("cut", |mut pinned| {
            Box::pin(async move {
                let mut io = TokioIo::new((&mut pinned.handler).await.unwrap());
                let close = Close::new(CloseCode::GOING_AWAY, "bye");
                let (tell, told) = tokio::sync::oneshot::channel();
                assert!(
                    pinned
                        .close_handle
                        .cut(&close, Limits::default(), |closing_handshake| {
                            let _ = tell.send(closing_handshake);
                        })
                );
                let closing_handshake = told.await.unwrap();
                pinned
                    .client
                    .write_all(b"\x88\x80\x01\x02\x03\x04")
                    .await
                    .unwrap();
                assert!(matches!(closing_handshake.await, Outcome::PeerClosed));
                while io.read(&mut [0; 64]).await.unwrap() > 0 {}
            })
        }),
    ];
    for (name, case) in cases {
        // The first run fills what the runtime and hyper keep per thread.
        for warm in [false, true] {
            let used = allocation_counter::measure(|| {
                runtime.block_on(async { case(upgrade(b"").await).await });
            });
            assert!(!warm || used.bytes_current == 0, "{name}: {used:?}");
        }
    }
}
