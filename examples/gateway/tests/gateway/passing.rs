//! The bytes of an accepted connection.

use futures_util::SinkExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::peer::{PATIENCE, Running, SOON, ada, connect, end_of, handshake, next, raw, token_of};
use crate::upstream::Upstream;

const LARGE: usize = 10 * 1024 * 1024;

#[tokio::test]
async fn text_binary_and_large_messages_pass_both_ways() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    let mut socket = ada(&gateway, "/echo").await;
    for message in [
        Message::text("hello"),
        Message::text(""),
        Message::binary(vec![0, 255, 13, 10]),
        Message::binary(vec![7; LARGE]),
    ] {
        socket.send(message.clone()).await.unwrap();
        assert!(next(&mut socket).await == message);
    }
}

#[tokio::test]
async fn pings_and_pongs_pass() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    let mut socket = ada(&gateway, "/echo").await;
    socket
        .send(Message::Ping("are you there".into()))
        .await
        .unwrap();
    assert_eq!(
        next(&mut socket).await,
        Message::Pong("are you there".into())
    );
}

#[tokio::test]
async fn the_upstream_selects_the_subprotocol_and_never_sees_the_token_among_them() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    // The token in unpadded base64url, as phoenix.js sends it.
    let encoded = base64(token_of("ada").as_bytes(), *b"-_");
    let offered = format!("chat.v1, base64url.bearer.phx.{encoded}, chat.v2");
    let lines = format!("Sec-WebSocket-Protocol: {offered}\r\n");
    let by_subprotocol: String = handshake("/echo", &lines)
        .lines()
        .filter(|line| !line.starts_with("Authorization"))
        .flat_map(|line| [line, "\r\n"])
        .collect();
    let (_stream, answer) = raw(gateway.address, &by_subprotocol).await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    assert!(
        answer.contains("sec-websocket-protocol: chat.v2\r\n"),
        "{answer}"
    );
    let seen = upstream.header("sec-websocket-protocol");
    assert_eq!(seen.as_deref(), Some("chat.v1, chat.v2"));
}

#[tokio::test]
async fn close_codes_pass_unchanged_both_ways() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    for code in [1000, 1008, 1011, 3000, 4999] {
        let mut socket = ada(&gateway, &format!("/close/{code}")).await;
        let close = end_of(&mut socket).await;
        assert_eq!(close, Some((code, "the server's own".to_owned())));
    }
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    let mut socket = ada(&gateway, "/echo").await;
    let (code, reason) = (4321.into(), "my own".into());
    socket
        .close(Some(CloseFrame { code, reason }))
        .await
        .unwrap();
    end_of(&mut socket).await;
    drop(socket);
    assert_eq!(upstream.close().await, Some((4321, "my own".to_owned())));
    upstream.is_empty_within(SOON).await;
    gateway.is_empty_within(SOON).await;
}

#[tokio::test]
async fn what_either_side_sends_early_is_not_lost() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    // The upstream's first frame comes in one piece with its 101.
    let mut socket = ada(&gateway, "/early").await;
    assert_eq!(next(&mut socket).await, Message::text("early"));
    // And the client's first frame in one piece with its request.
    let mut stream = tokio::net::TcpStream::connect(gateway.address)
        .await
        .unwrap();
    let mut bytes = handshake("/echo", "").into_bytes();
    bytes.extend_from_slice(b"\x81\x82\0\0\0\0hi");
    stream.write_all(&bytes).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\x81\x02hi") {
        let mut byte = [0];
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut byte));
        assert_eq!(read.await.unwrap().unwrap(), 1);
        answer.extend_from_slice(&byte);
    }
}

#[tokio::test]
async fn the_path_goes_behind_the_base_and_the_token_out_of_the_query() {
    let upstream = Upstream::start().await;
    let base = format!("http://{}/base/", upstream.address);
    let gateway = Running::before(&base, &[]).await;
    let path = format!("/room?a=1&token={}&b=2", token_of("ada"));
    connect(gateway.address, &path, &mut Vec::new())
        .await
        .unwrap();
    assert!(
        upstream
            .head()
            .starts_with("GET /base/room?a=1&b=2 HTTP/1.1\r\n")
    );
}

/// Without padding.
pub(crate) fn base64(bytes: &[u8], last_two: [u8; 2]) -> String {
    let digits = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9');
    let digits: Vec<u8> = digits.chain(last_two).collect();
    let bits: Vec<u8> = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    let six = bits.chunks(6).map(|six| {
        let index = six.iter().fold(0, |sum, bit| sum << 1 | bit) << (6 - six.len());
        char::from(digits[usize::from(index)])
    });
    six.collect()
}
