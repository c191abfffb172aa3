//! The closing handshake of a refused client stays within bounds, whatever the client does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use socket_tests::{Answer, PATIENCE, Server, Stack, end_of, handshake, servers};
use test_support::{stands_still, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;
use tower_ws_auth::CloseFrameLayer;

use crate::APP;

const CLOSE_4401: &[u8] = b"\x88\x0f\x11\x31token_invalid";

/// A deadline that would show an end by mistake, far beyond the expected one.
const FAR: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(20);
const PAUSE_OF_A_DRIP: Duration = Duration::from_millis(50);
/// Before the default deadline of five seconds.
const BEFORE_THE_USUAL: Duration = Duration::from_secs(4);

/// A refused client without a WebSocket library: it has read its 101.
async fn refused(address: SocketAddr) -> TcpStream {
    refused_with(address, "").await.1
}

/// The same of a client that says more, with the head of the 101.
async fn refused_with(address: SocketAddr, fields: &str) -> (String, TcpStream) {
    let fields = format!(
        "Origin: https://app.example
{fields}"
    );
    let (stream, head) = test_support::handshake::ask(address, "/ws?token=x", &fields).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    (head, stream)
}

/// Everything up to the end of the stream; a reset is an end.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut all))
        .await
        .unwrap();
    all
}

/// Servers whose closing handshakes are counted.
async fn tracked(close: CloseFrameLayer) -> (Vec<Server>, TaskTracker) {
    let tracker = TaskTracker::new();
    let spawner = tracker.clone();
    let close = close
        .reject_delay(Duration::ZERO)
        .spawn_with(move |closing_handshake| {
            spawner.spawn(closing_handshake);
        });
    (
        servers(Stack::closing(close)).await.unwrap().into(),
        tracker,
    )
}

async fn all_gone(tracker: &TaskTracker) {
    tracker.close();
    timeout(SOON, tracker.wait()).await.unwrap();
    tracker.reopen();
}

#[tokio::test]
async fn the_stream_ends_after_the_peers_close_frame_and_not_before() {
    let (servers, tracker) = tracked(CloseFrameLayer::new().deadline(FAR)).await;
    for server in servers {
        let mut client = refused(server.address).await;
        let mut frame = [0; CLOSE_4401.len()];
        client.read_exact(&mut frame).await.unwrap();
        assert_eq!(frame, CLOSE_4401);
        let early = timeout(Duration::from_millis(300), client.read_u8()).await;
        assert!(early.is_err(), "the end came before the peer's close frame");
        client.write_all(b"\x88\x80\0\0\0\0").await.unwrap();
        assert_eq!(rest(&mut client).await, b"");
        all_gone(&tracker).await;
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
            (Duration::from_millis(450)..BEFORE_THE_USUAL).contains(&began.elapsed()),
            "{:?}",
            began.elapsed()
        );
        all_gone(&tracker).await;
    }
}

#[tokio::test]
async fn a_client_that_drips_bytes_is_gone_by_the_deadline() {
    let (servers, tracker) =
        tracked(CloseFrameLayer::new().deadline(Duration::from_millis(500))).await;
    for server in servers {
        let mut client = refused(server.address).await;
        let began = Instant::now();
        while client.write_all(b"\x82").await.is_ok() && began.elapsed() < SOON {
            sleep(PAUSE_OF_A_DRIP).await;
        }
        assert!(began.elapsed() < BEFORE_THE_USUAL, "{:?}", began.elapsed());
        all_gone(&tracker).await;
    }
}

/// As browsers do: they send what they have queued, and then answer the close frame.
#[tokio::test]
async fn a_client_with_four_mebibytes_under_way_ends_without_a_reset() {
    let (servers, tracker) = tracked(CloseFrameLayer::new().deadline(FAR)).await;
    for server in servers {
        let mut client = refused(server.address).await;
        let mut frame = b"\x82\xff\0\0\0\0\0\x01\0\0\0\0\0\0".to_vec();
        frame.resize(frame.len() + 65_536, b'x');
        for _ in 0..63 {
            client.write_all(&frame).await.unwrap();
        }
        client.write_all(b"\x88\x82\0\0\0\0\x11\x31").await.unwrap();
        let mut read = Vec::new();
        let end = timeout(PATIENCE, client.read_to_end(&mut read)).await;
        assert!(end.unwrap().is_ok(), "{}", server.name);
        assert_eq!(read, CLOSE_4401);
        all_gone(&tracker).await;
    }
}

#[tokio::test]
async fn a_flood_is_cut_at_the_cap_and_the_code_can_still_be_read() {
    let (servers, tracker) = tracked(CloseFrameLayer::new().deadline(FAR)).await;
    for server in servers {
        let client = refused(server.address).await;
        let (mut from, mut to) = client.into_split();
        let sent = Arc::new(AtomicUsize::new(0));
        let sending = Arc::clone(&sent);
        let flood = tokio::spawn(async move {
            let flood = vec![0x82; 65_536];
            while sending.load(Ordering::Relaxed) < 100_000_000
                && to.write_all(&flood).await.is_ok()
            {
                sending.fetch_add(flood.len(), Ordering::Relaxed);
            }
        });
        let mut frame = [0; CLOSE_4401.len()];
        // Read late: the cap has been reached.
        let time = Duration::from_millis(200);
        until("the flood", || sent.load(Ordering::Relaxed) > 0).await;
        stands_still("the flood", time, || sent.load(Ordering::Relaxed)).await;
        timeout(PATIENCE, from.read_exact(&mut frame))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(frame, CLOSE_4401);
        timeout(PATIENCE, flood).await.unwrap().unwrap();
        let sent = sent.load(Ordering::Relaxed);
        assert!(sent < 100_000_000, "{sent} bytes were taken");
        all_gone(&tracker).await;
    }
}

#[tokio::test]
async fn a_reset_or_a_half_close_ends_it_at_once() {
    let (servers, tracker) = tracked(CloseFrameLayer::new().deadline(FAR)).await;
    for server in servers {
        let client = refused(server.address).await;
        client.set_zero_linger().unwrap();
        drop(client);
        all_gone(&tracker).await;
        let mut client = refused(server.address).await;
        client.shutdown().await.unwrap();
        assert_eq!(rest(&mut client).await, CLOSE_4401);
        all_gone(&tracker).await;
    }
}

#[tokio::test]
async fn beyond_the_permits_the_answer_is_plain_http_at_once() {
    let hold = Duration::from_secs(5);
    // The two servers share the layer, and so its permits: each has one of its own.
    let at = async |server: usize| {
        let close = CloseFrameLayer::new()
            .reject_delay(hold)
            .max_closing_handshakes(2);
        let servers = servers(Stack::closing(close)).await.unwrap();
        let address = servers[server].address;
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                tokio::spawn(
                    async move { end_of(handshake(address, "?token=x", &[APP]).await).await },
                )
            })
            .collect();
        sleep(hold / 5).await;
        let began = Instant::now();
        for _ in 0..10 {
            let answer = end_of(handshake(address, "?token=x", &[APP]).await).await;
            assert_eq!(answer, Answer::http(401, "token_invalid"));
        }
        assert!(began.elapsed() < hold, "{:?}", began.elapsed());
        for refused in waiting {
            assert_eq!(
                refused.await.unwrap(),
                Answer::closed(4401, "token_invalid")
            );
        }
    };
    tokio::join!(at(0), at(1));
}

#[tokio::test]
async fn a_closing_handshake_keeps_its_permit_until_it_has_ended() {
    let close = CloseFrameLayer::new()
        .deadline(FAR)
        .max_closing_handshakes(1);
    let (servers, tracker) = tracked(close).await;
    for server in servers {
        let mut client = refused(server.address).await;
        let mut frame = [0; CLOSE_4401.len()];
        client.read_exact(&mut frame).await.unwrap();
        let answer = end_of(handshake(server.address, "?token=x", &[APP]).await).await;
        assert_eq!(answer, Answer::http(401, "token_invalid"));
        client.write_all(b"\x88\x80\0\0\0\0").await.unwrap();
        assert_eq!(rest(&mut client).await, b"");
        all_gone(&tracker).await;
        drop(refused(server.address).await);
        all_gone(&tracker).await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_during_the_reject_delay_gives_its_permit_back() {
    let close = CloseFrameLayer::new()
        .reject_delay(FAR)
        .max_closing_handshakes(1);
    // It shares the permits.
    let at_once = close.clone().reject_delay(Duration::ZERO);
    let closing_handshakes = close.closing_handshakes();
    let holding = servers(Stack::closing(close)).await.unwrap();
    let others = servers(Stack::closing(at_once)).await.unwrap();
    for (server, other) in holding.iter().zip(&others) {
        let leaving = handshake(server.address, "?token=x", &[APP]);
        assert!(timeout(Duration::from_millis(500), leaving).await.is_err());
        let back = timeout(SOON, closing_handshakes.wait()).await;
        assert!(back.is_ok(), "{}: it is kept", server.name);
        let answer = end_of(handshake(other.address, "?token=x", &[APP]).await).await;
        assert_eq!(
            answer,
            Answer::closed(4401, "token_invalid"),
            "{}",
            server.name
        );
    }
}

#[tokio::test]
async fn frames_sent_behind_the_handshake_do_not_reach_the_service() {
    let (servers, tracker) = tracked(CloseFrameLayer::new().deadline(FAR)).await;
    for server in servers {
        let mut client = refused(server.address).await;
        client
            .write_all(b"\x81\x82\0\0\0\0hi\x88\x80\0\0\0\0")
            .await
            .unwrap();
        assert_eq!(rest(&mut client).await, CLOSE_4401);
        assert_eq!((server.echo.calls(), server.echo.messages()), (0, 0));
        all_gone(&tracker).await;
    }
}

/// On raw bytes: the client library minds no extension that it did not ask for.
#[tokio::test]
async fn no_extension_is_negotiated() {
    let offers = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\
                  Sec-WebSocket-Extensions: x-webkit-deflate-frame\r\n";
    for server in servers(Stack::default()).await.unwrap() {
        let (head, mut client) = refused_with(server.address, offers).await;
        let names = head.lines().filter_map(|line| line.split_once(':'));
        for (name, _) in names {
            let negotiates = name.eq_ignore_ascii_case("sec-websocket-extensions");
            assert!(!negotiates, "{}: {head}", server.name);
        }
        client.write_all(b"\x88\x80\0\0\0\0").await.unwrap();
        assert_eq!(rest(&mut client).await, CLOSE_4401, "{}", server.name);
    }
}
