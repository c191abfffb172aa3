//! Requests whose bodies come late, or never.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::peer::{
    PATIENCE, connect, login, next, own_origin, post, refusal, say, start, token_of, welcomed,
};

/// A request of which the head is sent and the body is not.
struct Held(TcpStream);

impl Held {
    async fn post(address: SocketAddr, path: &str, cookie: &str, length: usize) -> Self {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nCookie: {cookie}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        // The server has read it when it has answered others who came later.
        for _ in 0..5 {
            assert_eq!(post(address, "/logout", &[], "").await.status, 204);
        }
        Self(stream)
    }

    async fn send(mut self, body: &str) -> (u16, String) {
        self.0.write_all(body.as_bytes()).await.unwrap();
        self.answer().await
    }

    async fn answer(mut self) -> (u16, String) {
        let mut answer = String::new();
        let all = self.0.read_to_string(&mut answer);
        timeout(PATIENCE, all).await.unwrap().unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408_within_15_seconds() {
    let address = start(&[]).await;
    let cookie = login(address, "ada").await;
    let waits = ["/login", "/revoke", "/token", "/ticket"].map(|path| {
        let cookie = cookie.clone();
        async move {
            let began = Instant::now();
            let held = Held::post(address, path, &cookie, 20).await;
            let (status, body) = held.answer().await;
            assert_eq!((status, body.as_str()), (408, "request_timeout"), "{path}");
            let took = began.elapsed();
            assert!(took < Duration::from_secs(15), "{path}: {took:?}");
            // And not at once: a slow client has its time.
            assert!(took > Duration::from_secs(5), "{path}: {took:?}");
        }
    });
    join_all(waits).await;
}

/// The credential that was minted for a client whose body came after `meanwhile`.
async fn minted(address: SocketAddr, cookie: &str, path: &str, meanwhile: impl Future) -> String {
    let mint_request = if path == "/join" {
        r#"{"channel":"ticket-1"}"#
    } else {
        "{}"
    };
    let endpoint = if path == "/join" { "/ticket" } else { path };
    let held = Held::post(address, endpoint, cookie, mint_request.len()).await;
    meanwhile.await;
    let (status, body) = held.send(mint_request).await;
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    let field = if path == "/token" { "token" } else { "ticket" };
    answer[field].as_str().unwrap().to_owned()
}

async fn is_refused(address: SocketAddr, path: &str, credential: &str) {
    if path == "/join" {
        let mut socket = welcomed(address, "bob").await;
        let join = json!({"type": "join", "channel": "ticket-1", "auth": credential});
        say(&mut socket, &join).await;
        assert_eq!(next(&mut socket).await["reason"], "ticket_invalid");
        return;
    }
    let (route, name, told) = match path {
        "/token" => ("jwt", "token", "token_invalid"),
        _ => ("ticket", "ticket", "ticket_invalid"),
    };
    let target = format!("{route}?{name}={credential}");
    let refused = refusal(connect(address, &target, &[]).await).await;
    assert_eq!(refused, (401, told.to_owned()), "{path}");
}

#[tokio::test]
async fn what_is_minted_after_a_logout_or_a_ban_for_a_request_from_before_opens_nothing() {
    let address = start(&[]).await;
    for path in ["/ticket", "/token", "/join"] {
        let cookie = login(address, "ada").await;
        let headers = [("Cookie", cookie.as_str())];
        let logout = post(address, "/logout", &headers, "");
        let credential = minted(address, &cookie, path, logout).await;
        is_refused(address, path, &credential).await;

        let cookie = login(address, "ada").await;
        let headers = [("Cookie", cookie.as_str())];
        let ban = post(address, "/revoke", &headers, r#"{"user":"ada"}"#);
        let credential = minted(address, &cookie, path, ban).await;
        is_refused(address, path, &credential).await;
    }
}

#[tokio::test]
async fn what_a_session_was_changed_into_ends_with_it() {
    let address = start(&[]).await;
    let cookie = login(address, "ada").await;
    let headers = [("Cookie", cookie.as_str())];
    let answer = post(address, "/token", &headers, "{}").await;
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    let target = format!("jwt?token={token}");
    let mut socket = connect(address, &target, &[]).await.unwrap();
    assert_eq!(next(&mut socket).await["user"], "ada");
    let mut other = welcomed(address, "ada").await;
    assert_eq!(post(address, "/logout", &headers, "").await.status, 204);
    let ended = refusal(Ok(socket)).await;
    assert_eq!(ended, (4401, "session_ended".to_owned()));
    is_refused(address, "/token", &token).await;
    let own = own_origin(address);
    let page = [("origin", own.as_str())];
    let refused = refusal(connect(address, &target, &page).await).await;
    assert_eq!(refused, (4401, "token_invalid".to_owned()));
    // A token from elsewhere is its own: it knows of no session.
    say(&mut other, &json!({"type": "join", "channel": "lobby"})).await;
    assert_eq!(next(&mut other).await["type"], "joined");
    let target = format!("jwt?token={}", token_of("ada"));
    assert!(connect(address, &target, &[]).await.is_ok());
}
