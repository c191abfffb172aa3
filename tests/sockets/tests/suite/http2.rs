//! Over HTTP/2 (RFC 8441) a refused page reads the same code and reason, in one stream of a
//! connection whose others live on.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use socket_tests::{Answer, Http2, PATIENCE, Stack, end_of, http2_servers, token};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tower_ws_auth::CloseFrameLayer;

use crate::APP;

/// Well before the deadline of the servers.
const SOON: Duration = Duration::from_secs(20);

fn refusals() -> [(String, u16, &'static str); 4] {
    [
        (String::new(), 401, "credentials_missing"),
        ("?token=".to_owned(), 400, "credentials_malformed"),
        ("?token=not-a-jwt".to_owned(), 401, "token_invalid"),
        (format!("?token={}", token(-60)), 401, "token_expired"),
    ]
}

#[tokio::test]
async fn a_page_reads_code_and_reason_from_the_close_frame() {
    for server in http2_servers(Stack::default()).await.unwrap() {
        let mut client = Http2::connect(server.address).await.unwrap();
        for (query, status, reason) in refusals() {
            let answer = end_of(client.open(&query, &[APP]).await).await;
            assert_eq!(
                answer,
                Answer::closed(4000 + status, reason),
                "{} {query}",
                server.name
            );
        }
        assert_eq!((server.echo.calls(), server.echo.messages()), (0, 0));
    }
}

#[tokio::test]
async fn a_client_without_origin_reads_a_plain_http_response() {
    for server in http2_servers(Stack::default()).await.unwrap() {
        let mut client = Http2::connect(server.address).await.unwrap();
        for (query, status, reason) in refusals() {
            let response = client.send(&query, &[]).await.unwrap();
            assert_eq!(response.status().as_u16(), status, "{}", server.name);
            assert_eq!(response.headers()["cache-control"], "no-store");
            assert_eq!(
                response.headers()["content-length"],
                reason.len().to_string().as_str()
            );
            assert!(!response.headers().contains_key("connection"));
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, reason, "{}", server.name);
        }
        let foreign = client
            .open("?token=x", &[("origin", "https://evil.example")])
            .await;
        assert_eq!(end_of(foreign).await, Answer::http(403, "origin_denied"));
        assert_eq!(server.echo.calls(), 0);
    }
}

#[tokio::test]
async fn the_converted_answer_is_a_200_with_nothing_of_the_refusal_or_of_http1() {
    let close = CloseFrameLayer::new()
        .reject_delay(Duration::ZERO)
        .subprotocols(["b", "a"]);
    for server in http2_servers(Stack::closing(close)).await.unwrap() {
        let mut client = Http2::connect(server.address).await.unwrap();
        let offered = [APP, ("sec-websocket-protocol", "x, a, b")];
        let response = client.send("?token=x", &offered).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["sec-websocket-protocol"], "b");
        for gone in [
            "connection",
            "upgrade",
            "sec-websocket-accept",
            "content-length",
            "content-type",
            "transfer-encoding",
            "www-authenticate",
            "retry-after",
        ] {
            assert!(!response.headers().contains_key(gone), "{gone}");
        }
        let unasked = client.send("?token=x", &[APP]).await.unwrap();
        assert!(!unasked.headers().contains_key("sec-websocket-protocol"));
    }
}

#[tokio::test]
async fn the_stream_ends_after_the_clients_close_frame_and_not_with_the_servers() {
    for server in http2_servers(Stack::default()).await.unwrap() {
        let mut client = Http2::connect(server.address).await.unwrap();
        let response = client.send("?token=x", &[APP]).await.unwrap();
        let upgraded = hyper::upgrade::on(response).await.unwrap();
        let mut io = TokioIo::new(upgraded);
        let mut frame = [0; 17];
        io.read_exact(&mut frame).await.unwrap();
        assert_eq!(&frame, b"\x88\x0f\x11\x31token_invalid");
        let early = timeout(Duration::from_millis(300), io.read(&mut [0])).await;
        assert!(early.is_err(), "{}: {early:?}", server.name);
        io.write_all(b"\x88\x82\0\0\0\0\x11\x31").await.unwrap();
        // END_STREAM, and no RST_STREAM that could overtake the reason.
        let end = timeout(SOON, io.read(&mut [0])).await;
        assert_eq!(end.unwrap().unwrap(), 0, "{}", server.name);
    }
}

#[tokio::test]
async fn a_client_that_never_answers_is_gone_by_the_deadline_and_its_connection_lives_on() {
    let close = CloseFrameLayer::new()
        .reject_delay(Duration::ZERO)
        .deadline(Duration::from_millis(200));
    for server in http2_servers(Stack::closing(close)).await.unwrap() {
        let mut client = Http2::connect(server.address).await.unwrap();
        let response = client.send("?token=x", &[APP]).await.unwrap();
        let mut io = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
        let began = Instant::now();
        let mut read = Vec::new();
        // An end or a reset, as it comes.
        let end = timeout(PATIENCE, io.read_to_end(&mut read)).await;
        assert!(end.is_ok(), "{}", server.name);
        assert_eq!(&read, b"\x88\x0f\x11\x31token_invalid");
        // Before the default deadline of five seconds.
        assert!(began.elapsed() < Duration::from_secs(4));
        let query = format!("?token={}", token(600));
        echoes(&mut client, &query, &[APP]).await;
    }
}

#[tokio::test]
async fn a_client_that_sends_while_it_is_refused_still_reads_its_code() {
    for server in http2_servers(Stack::default()).await.unwrap() {
        for _ in 0..20 {
            let mut client = Http2::connect(server.address).await.unwrap();
            let response = client.send("?token=x", &[APP]).await.unwrap();
            let upgraded = hyper::upgrade::on(response).await.unwrap();
            let (mut reader, mut writer) = tokio::io::split(TokioIo::new(upgraded));
            let sending = async {
                for _ in 0..2000 {
                    writer.write_all(b"\x82\x8e\0\0\0\0busy busy busy").await?;
                }
                writer.write_all(b"\x88\x82\0\0\0\0\x11\x31").await?;
                std::io::Result::Ok(())
            };
            let reading = async {
                let mut read = Vec::new();
                // How it ends is another test's matter.
                let _ = reader.read_to_end(&mut read).await;
                read
            };
            let both = async { tokio::join!(sending, reading) };
            let (sent, read) = timeout(PATIENCE, both).await.unwrap();
            assert!(sent.is_ok(), "{}: {sent:?}", server.name);
            assert_eq!(read, b"\x88\x0f\x11\x31token_invalid", "{}", server.name);
        }
        assert_eq!(server.echo.messages(), 0);
    }
}

#[tokio::test]
async fn refused_clients_that_flood_hold_up_no_other_stream() {
    const EXCHANGES: u32 = 6;
    /// Held unread for a second, a flood keeps the connection's window for that long.
    const HELD: Duration = Duration::from_secs(1);
    let close = CloseFrameLayer::new()
        .reject_delay(Duration::ZERO)
        .byte_cap(64 << 10);
    for server in http2_servers(Stack::closing(close)).await.unwrap() {
        let mut client = Http2::connect(server.address).await.unwrap();
        let query = format!("?token={}", token(600));
        let mut accepted = client.open(&query, &[APP]).await.unwrap();
        let text = "x".repeat(256 * 1024);
        let began = Instant::now();
        for _ in 0..EXCHANGES {
            let response = client.send("?token=x", &[APP]).await.unwrap();
            let upgraded = hyper::upgrade::on(response).await.unwrap();
            let mut refused = TokioIo::new(upgraded);
            // A flood that is held unread goes on waiting; one that is reset ends.
            let flood = tokio::spawn(async move {
                let mut frame = b"\x82\xff\0\0\0\0\0\0\x40\0\0\0\0\0".to_vec();
                frame.resize(frame.len() + 0x4000, 0);
                while refused.write_all(&frame).await.is_ok() {}
            });
            accepted.send(Message::text(&*text)).await.unwrap();
            let echo = timeout(PATIENCE, accepted.next()).await.unwrap();
            assert_eq!(
                echo.unwrap().unwrap(),
                Message::text(format!("ada: {text}"))
            );
            timeout(PATIENCE, flood).await.unwrap().unwrap();
        }
        let took = began.elapsed();
        assert!(took < HELD * EXCHANGES / 2, "{}: {took:?}", server.name);
    }
}

/// RFC 9113 §8.2.3.
#[tokio::test]
async fn a_cookie_that_comes_in_crumbs_decides() {
    for server in http2_servers(Stack::default()).await.unwrap() {
        let mut client = Http2::connect(server.address).await.unwrap();
        let (good, expired) = (format!("jwt={}", token(600)), format!("jwt={}", token(-60)));
        for jwt in 0..3 {
            let mut headers = vec![APP, ("cookie", "theme=dark"), ("cookie", "lang=en")];
            headers.insert(1 + jwt, ("cookie", &good));
            echoes(&mut client, "", &headers).await;
            headers[1 + jwt].1 = &expired;
            let answer = end_of(client.open("", &headers).await).await;
            assert_eq!(answer, Answer::closed(4401, "token_expired"));
        }
        // Two of them, in two crumbs: one was tossed in.
        let two = [APP, ("cookie", good.as_str()), ("cookie", &expired)];
        let answer = end_of(client.open("", &two).await).await;
        assert_eq!(answer, Answer::closed(4400, "credentials_malformed"));
    }
}

#[tokio::test]
async fn the_refused_and_the_accepted_share_a_connection() {
    for server in http2_servers(Stack::default()).await.unwrap() {
        let mut client = Http2::connect(server.address).await.unwrap();
        let query = format!("?token={}", token(600));
        let mut accepted = client.open(&query, &[APP]).await.unwrap();
        let mut refused = Vec::new();
        for _ in 0..20 {
            refused.push(client.open("?token=x", &[APP]).await);
        }
        for refused in refused {
            let answer = end_of(refused).await;
            assert_eq!(answer, Answer::closed(4401, "token_invalid"));
        }
        accepted.send("still here".into()).await.unwrap();
        let echo = accepted.next().await.unwrap().unwrap();
        assert_eq!(echo, Message::text("ada: still here"), "{}", server.name);
        assert_eq!(server.echo.calls(), 1);
    }
}

async fn echoes(client: &mut Http2, query: &str, headers: &[(&'static str, &str)]) {
    let mut socket = client.open(query, headers).await.unwrap();
    socket.send("hello".into()).await.unwrap();
    let echo = timeout(PATIENCE, socket.next()).await;
    assert_eq!(echo.unwrap().unwrap().unwrap(), Message::text("ada: hello"));
}
