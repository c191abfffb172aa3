//! Servers behind the gateway that answer what no server should. The client of each is ada.

use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;

use crate::peer::{Running, SOON, ada, handshake, next, raw, refused, token_of};
use crate::upstream::Upstream;
use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn a_101_that_is_none_opens_nothing_and_what_follows_it_reaches_nobody() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    for path in [
        "/bare", "/h2c", "/wrong", "/twice", "/ssh", "/split", "/head",
    ] {
        let (mut stream, answer) = raw(gateway.address, &handshake(path, "")).await;
        assert!(answer.starts_with("HTTP/1.1 502"), "{path}: {answer}");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        let all = answer + &String::from_utf8_lossy(&rest);
        assert!(all.ends_with("\r\n\r\nunavailable"), "{path}: {all}");
        assert!(!all.contains("secret") && !all.contains("b=2"), "{path}");
    }
    upstream.is_empty_within(SOON).await;
    gateway.is_empty_within(SOON).await;
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_late() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &["--connect-timeout", "0.5"]).await;
    let began = Instant::now();
    let bearer = format!("Bearer {}", token_of("ada"));
    let answer = refused(gateway.address, "/drip", &[("authorization", &bearer)]).await;
    assert_eq!(answer, (504, "unavailable".to_owned()));
    // Not by the default timeout of ten seconds.
    assert!(began.elapsed() < Duration::from_secs(8));
    upstream.is_empty_within(SOON).await;
}

#[tokio::test]
async fn a_length_beside_the_101_is_not_passed_on_and_hints_before_it_are_skipped() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    let (_stream, answer) = raw(gateway.address, &handshake("/length", "")).await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    let answer = answer.to_ascii_lowercase();
    for none in ["content-length", "transfer-encoding"] {
        assert!(!answer.contains(none), "{answer}");
    }
    for path in ["/length", "/hints"] {
        let mut socket = ada(&gateway, path).await;
        socket.send(Message::text("hi")).await.unwrap();
        assert_eq!(next(&mut socket).await, Message::text("hi"), "{path}");
    }
}

#[tokio::test]
async fn a_refusal_in_chunks_is_one_with_a_length() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    let (_stream, answer) = raw(gateway.address, &handshake("/chunked", "")).await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    assert!(answer.contains("content-length: 4\r\n"), "{answer}");
    assert!(!answer.contains("chunked"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nlost"), "{answer}");
}
