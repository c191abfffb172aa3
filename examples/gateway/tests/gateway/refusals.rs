//! Refused clients, and their answers.

use std::time::{Duration, Instant};

use test_support::until;
use tokio::net::TcpListener;

use crate::peer::{
    ORIGIN, Running, SOON, ada, connect, end_of, handshake, now, raw, refused, token, token_of,
};
use crate::upstream::Upstream;
use serde_json::json;

/// The code and the reason that a page reads.
async fn page(gateway: &Running, path: &str, token: &str) -> Option<(u16, String)> {
    let mut headers = vec![
        ("origin", ORIGIN.to_owned()),
        ("authorization", format!("Bearer {token}")),
    ];
    let mut socket = connect(gateway.address, path, &mut headers).await.unwrap();
    end_of(&mut socket).await
}

fn closed(code: u16, reason: &str) -> (u16, String) {
    (code, reason.to_owned())
}

#[tokio::test]
async fn a_refused_client_never_reaches_the_upstream() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    let expired = token(&json!({ "sub": "ada", "exp": now() - 60 }));
    let nobody = token(&json!({ "sub": "", "exp": now() + 60 }));
    let good = token_of("ada");
    let address = gateway.address;
    let (missing, token) = (
        refused(address, "/echo", &[]).await,
        format!("/echo?token={good}"),
    );
    assert_eq!(missing, (401, "credentials_missing".to_owned()));
    let foreign = refused(address, &token, &[("origin", "https://evil.example")]).await;
    assert_eq!(foreign, (403, "origin_denied".to_owned()));
    let two = [("authorization", &*format!("Bearer {good}"))];
    assert_eq!(refused(address, &token, &two).await.0, 400);
    let bearer = format!("Bearer {nobody}");
    let nobody = refused(address, "/echo", &[("authorization", &bearer)]).await;
    assert_eq!(nobody, (401, "token_invalid".to_owned()));
    let close = page(&gateway, "/echo", &expired).await;
    assert_eq!(close, Some(closed(4401, "token_expired")));
    assert_eq!(upstream.connections(), 0);
    gateway.is_empty_within(SOON).await;
}

#[tokio::test]
async fn what_is_no_handshake_is_refused() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    let token = token_of("ada");
    let plain = format!("GET /echo?token={token} HTTP/1.1\r\nHost: a\r\n\r\n");
    let post = plain.replace("GET", "POST");
    for (request, status) in [(plain, "400"), (post, "405")] {
        let (_stream, answer) = raw(gateway.address, &request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_path_that_leads_out_of_the_base_is_refused() {
    let upstream = Upstream::start().await;
    let base = format!("http://{}/base", upstream.address);
    let gateway = Running::before(&base, &[]).await;
    for path in ["/../admin", "/a/%2e%2E/admin"] {
        let (_stream, answer) = raw(gateway.address, &handshake(path, "")).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn an_upstream_that_is_down_is_502_and_a_page_reads_4503() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = free.local_addr().unwrap();
    drop(free);
    let upstream = Upstream::start().await;
    let bearer = format!("Bearer {}", token_of("ada"));
    let with = [("authorization", &*bearer)];
    for (address, path) in [
        (nobody, "/echo"),
        (upstream.address, "/gone"),
        (upstream.address, "/wrong"),
        (upstream.address, "/200"),
    ] {
        let gateway = Running::start(address, &[]).await;
        let answer = refused(gateway.address, path, &with).await;
        assert_eq!(answer, (502, "unavailable".to_owned()), "{path}");
        let close = page(&gateway, path, &token_of("ada")).await;
        assert_eq!(close, Some(closed(4503, "unavailable")));
        gateway.is_empty_within(SOON).await;
    }
    upstream.is_empty_within(SOON).await;
}

#[tokio::test]
async fn an_upstream_that_never_answers_is_504_and_a_page_reads_4504() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &["--connect-timeout", "0.3"]).await;
    let bearer = format!("Bearer {}", token_of("ada"));
    let began = Instant::now();
    let answer = refused(gateway.address, "/silent", &[("authorization", &bearer)]).await;
    assert_eq!(answer, (504, "unavailable".to_owned()));
    let close = page(&gateway, "/silent", &token_of("ada")).await;
    assert_eq!(close, Some(closed(4504, "unavailable")));
    assert!(began.elapsed() < Duration::from_secs(15));
    upstream.is_empty_within(SOON).await;
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_leaves_nothing_behind() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    let mut stream = tokio::net::TcpStream::connect(gateway.address)
        .await
        .unwrap();
    let request = handshake("/silent", "");
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes())
        .await
        .unwrap();
    until("a connection", || upstream.connections() > 0).await;
    drop(stream);
    gateway.is_empty_within(SOON).await;
    upstream.is_empty_within(SOON).await;
}

#[tokio::test]
async fn the_upstreams_own_refusal_is_relayed() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    for lines in ["", "Origin: https://app.example\r\n"] {
        let (_stream, answer) = raw(gateway.address, &handshake("/403", lines)).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        assert!(
            answer.contains("x-why: banned") && answer.ends_with("banned"),
            "{answer}"
        );
        assert!(!answer.contains("x-hop"), "{answer}");
    }
    let (_stream, answer) = raw(gateway.address, &handshake("/long", "")).await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    assert!(
        answer.contains("content-length: 0") && !answer.contains("text/html"),
        "{answer}"
    );
    gateway.is_empty_within(SOON).await;
}

#[tokio::test]
async fn one_connection_too_many_is_503_and_a_page_reads_4503() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &["--max-connections", "1"]).await;
    let one = ada(&gateway, "/echo").await;
    let bearer = format!("Bearer {}", token_of("ada"));
    let many = refused(gateway.address, "/echo", &[("authorization", &bearer)]).await;
    assert_eq!(many, (503, "unavailable".to_owned()));
    let close = page(&gateway, "/echo", &token_of("ada")).await;
    assert_eq!(close, Some(closed(4503, "unavailable")));
    assert_eq!(upstream.connections(), 1);
    drop(one);
    gateway.is_empty_within(SOON).await;
    drop(ada(&gateway, "/echo").await);
}
