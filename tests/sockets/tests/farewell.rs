//! A refused client is told farewell within bounds, whatever it does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use socket_tests::{Answer, Server, Stack, end_of, handshake, servers};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;
use tower_ws_auth::CloseFrameLayer;

const APP: (&str, &str) = ("origin", "https://app.example");
const CLOSE_4401: &[u8] = b"\x88\x0f\x11\x31token_invalid";

/// A refused client without a WebSocket library: it has read its 101.
async fn refused(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = "GET /ws?token=x HTTP/1.1\r\nHost: localhost\r\nOrigin: https://app.example\r\n\
                   Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(
            timeout(Duration::from_secs(10), stream.read_u8())
                .await
                .unwrap()
                .unwrap(),
        );
    }
    assert!(
        head.starts_with(b"HTTP/1.1 101"),
        "{}",
        String::from_utf8_lossy(&head)
    );
    stream
}

/// Everything up to the end of the stream; a reset is an end.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = timeout(Duration::from_secs(10), stream.read_to_end(&mut all))
        .await
        .unwrap();
    all
}

/// Servers whose farewells are counted.
async fn tracked(close: CloseFrameLayer) -> (Vec<Server>, TaskTracker) {
    let tracker = TaskTracker::new();
    let spawner = tracker.clone();
    let close = close.hold(Duration::ZERO).spawn_with(move |farewell| {
        spawner.spawn(farewell);
    });
    (
        servers(Stack::closing(close)).await.unwrap().into(),
        tracker,
    )
}

async fn all_gone(tracker: &TaskTracker, within: Duration) {
    tracker.close();
    timeout(within, tracker.wait()).await.unwrap();
    tracker.reopen();
}

#[tokio::test]
async fn the_stream_ends_after_the_peers_close_frame_and_not_before() {
    let (servers, tracker) = tracked(CloseFrameLayer::new()).await;
    for server in servers {
        let mut client = refused(server.address).await;
        let mut frame = [0; CLOSE_4401.len()];
        client.read_exact(&mut frame).await.unwrap();
        assert_eq!(frame, CLOSE_4401);
        let early = timeout(Duration::from_millis(300), client.read_u8()).await;
        assert!(early.is_err(), "the end came before the peer's close frame");
        client.write_all(b"\x88\x80\0\0\0\0").await.unwrap();
        assert_eq!(rest(&mut client).await, b"");
        all_gone(&tracker, Duration::from_secs(2)).await;
    }
}

#[tokio::test]
async fn a_silent_client_is_gone_by_the_deadline() {
    let (servers, tracker) =
        tracked(CloseFrameLayer::new().deadline(Duration::from_millis(500))).await;
    for server in servers {
        let began = Instant::now();
        let mut client = refused(server.address).await;
        assert_eq!(rest(&mut client).await, CLOSE_4401);
        assert!(
            began.elapsed() >= Duration::from_millis(450),
            "{:?}",
            began.elapsed()
        );
        all_gone(&tracker, Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn a_client_that_drips_bytes_is_gone_by_the_deadline() {
    let (servers, tracker) =
        tracked(CloseFrameLayer::new().deadline(Duration::from_millis(700))).await;
    for server in servers {
        let mut client = refused(server.address).await;
        let began = Instant::now();
        while client.write_all(b"\x82").await.is_ok() && began.elapsed() < Duration::from_secs(5) {
            sleep(Duration::from_millis(50)).await;
        }
        assert!(
            began.elapsed() < Duration::from_secs(3),
            "{:?}",
            began.elapsed()
        );
        all_gone(&tracker, Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn a_flood_is_cut_at_the_cap_and_the_code_can_still_be_read() {
    let (servers, tracker) = tracked(CloseFrameLayer::new()).await;
    for server in servers {
        let client = refused(server.address).await;
        let (mut from, mut to) = client.into_split();
        let flood = tokio::spawn(async move {
            let flood = vec![0x82; 65_536];
            let mut sent = 0;
            while sent < 100_000_000 && to.write_all(&flood).await.is_ok() {
                sent += 65_536;
            }
            sent
        });
        let mut frame = [0; CLOSE_4401.len()];
        // Read late: by then the cap has long been reached.
        sleep(Duration::from_millis(400)).await;
        timeout(Duration::from_secs(5), from.read_exact(&mut frame))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(frame, CLOSE_4401);
        let sent = timeout(Duration::from_secs(10), flood)
            .await
            .unwrap()
            .unwrap();
        assert!(sent < 100_000_000, "{sent} bytes were taken");
        all_gone(&tracker, Duration::from_secs(2)).await;
    }
}

#[tokio::test]
async fn a_reset_or_a_half_close_ends_it_at_once() {
    let (servers, tracker) = tracked(CloseFrameLayer::new()).await;
    for server in servers {
        let client = refused(server.address).await;
        client.set_zero_linger().unwrap();
        drop(client);
        all_gone(&tracker, Duration::from_secs(2)).await;
        let mut client = refused(server.address).await;
        client.shutdown().await.unwrap();
        assert_eq!(rest(&mut client).await, CLOSE_4401);
        all_gone(&tracker, Duration::from_secs(2)).await;
    }
}

#[tokio::test]
async fn beyond_the_permits_the_answer_is_plain_http_at_once() {
    let close = CloseFrameLayer::new()
        .hold(Duration::from_secs(2))
        .max_farewells(2);
    for server in servers(Stack::closing(close)).await.unwrap() {
        // The two servers share the layer, and so its permits.
        let held: Vec<_> = (0..2)
            .map(|_| {
                let address = server.address;
                tokio::spawn(
                    async move { end_of(handshake(address, "?token=x", &[APP]).await).await },
                )
            })
            .collect();
        sleep(Duration::from_millis(300)).await;
        let began = Instant::now();
        for _ in 0..10 {
            let answer = end_of(handshake(server.address, "?token=x", &[APP]).await).await;
            assert_eq!(answer, Answer::http(401, "token_invalid"));
        }
        assert!(
            began.elapsed() < Duration::from_secs(1),
            "{:?}",
            began.elapsed()
        );
        for held in held {
            assert_eq!(held.await.unwrap(), Answer::closed(4401, "token_invalid"));
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_during_the_hold_gives_its_permit_back() {
    let close = CloseFrameLayer::new()
        .hold(Duration::from_millis(1500))
        .max_farewells(1);
    for server in servers(Stack::closing(close)).await.unwrap() {
        let leaving = handshake(server.address, "?token=x", &[APP]);
        assert!(timeout(Duration::from_millis(300), leaving).await.is_err());
        sleep(Duration::from_millis(200)).await;
        let answer = end_of(handshake(server.address, "?token=x", &[APP]).await).await;
        assert_eq!(
            answer,
            Answer::closed(4401, "token_invalid"),
            "{}",
            server.name
        );
        sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn frames_sent_behind_the_handshake_do_not_reach_the_service() {
    let (servers, tracker) = tracked(CloseFrameLayer::new()).await;
    for server in servers {
        let mut client = refused(server.address).await;
        client
            .write_all(b"\x81\x82\0\0\0\0hi\x88\x80\0\0\0\0")
            .await
            .unwrap();
        assert_eq!(rest(&mut client).await, CLOSE_4401);
        assert_eq!((server.echo.calls(), server.echo.messages()), (0, 0));
        all_gone(&tracker, Duration::from_secs(2)).await;
    }
}

#[tokio::test]
async fn no_extension_is_negotiated() {
    for server in servers(Stack::default()).await.unwrap() {
        let deflate = (
            "sec-websocket-extensions",
            "permessage-deflate; client_max_window_bits",
        );
        let mut client = handshake(server.address, "?token=x", &[APP, deflate])
            .await
            .unwrap();
        assert!(matches!(client.next().await, Some(Ok(message)) if message.is_close()));
    }
}
