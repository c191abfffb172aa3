//! `/ws/renew`: a fresh token for an open connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use chat::{Chat, Options};
use clap::Parser;
use serde_json::json;
use tower_ws_auth::Clock;

use crate::peer::{
    SECRET, close_of, connect, next, now, post, say, start, token, token_of, welcomed,
};

#[tokio::test]
async fn a_connection_lives_as_long_as_its_new_token() {
    let ahead = Arc::new(AtomicU64::new(0));
    let hands = Arc::clone(&ahead);
    let clock = Clock::from_fn(move || {
        SystemTime::now() + Duration::from_secs(hands.load(Ordering::SeqCst))
    });
    let options = ["chat", "--listen", "127.0.0.1:0", "--jwt-secret", SECRET];
    let options = Options::try_parse_from(options).unwrap();
    let chat = Chat::bind_with_clock(options, clock).await.unwrap();
    let address = chat.address();
    tokio::spawn(chat.serve(std::future::pending()));

    let began = now();
    let of =
        |user: &str, left: u64| token(&json!({ "sub": user, "iat": began, "exp": began + left }));
    let mut socket = connect(address, &format!("jwt?token={}", of("ada", 1000)), &[])
        .await
        .unwrap();
    let welcome = next(&mut socket).await;
    let body = json!({ "connection": welcome["connection"] }).to_string();
    let renew = async |token: String, body: &str| {
        let answer = post(address, &format!("/ws/renew?token={token}"), &[], body).await;
        (answer.status, answer.body)
    };
    let unknown = (404, "connection_unknown".to_owned());
    assert_eq!(renew(of("eve", 5000), &body).await, unknown);
    let malformed = (400, "request_malformed".to_owned());
    assert_eq!(renew(of("ada", 5000), "{}").await, malformed);
    let invalid = (401, "token_invalid".to_owned());
    assert_eq!(renew("a.b.c".to_owned(), &body).await, invalid);
    assert_eq!(renew(of("ada", 5000), &body).await, (204, String::new()));

    ahead.store(4000, Ordering::SeqCst);
    say(&mut socket, &json!({ "type": "join", "channel": "lobby" })).await;
    assert_eq!(next(&mut socket).await["type"], "joined");
    ahead.store(6000, Ordering::SeqCst);
    assert_eq!(close_of(socket).await, (4401, "token_expired".to_owned()));
    let fresh = token(&json!({ "sub": "ada", "iat": began, "exp": began + 9000 }));
    assert_eq!(renew(fresh, &body).await, unknown);
}

#[tokio::test]
async fn a_foreign_page_renews_nothing() {
    let address = start(&[]).await;
    let _socket = welcomed(address, "ada").await;
    let path = format!("/ws/renew?token={}", token_of("ada"));
    let foreign = [("Origin", "https://evil.example")];
    assert_eq!(post(address, &path, &foreign, "{}").await.status, 403);
}
