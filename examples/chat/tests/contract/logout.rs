//! `/backchannel-logout`: a logout at the provider of `--oidc-issuer`.

use std::net::SocketAddr;

use serde_json::{Value, json};
use socket_tests::Provider;

use crate::peer::{Socket, close_of, connect, next, post, refusal, say, start};

/// A chat that trusts this provider.
async fn chat_of(provider: &Provider) -> SocketAddr {
    start(&["--oidc-issuer", &provider.issuer, "--jwt-audience", "chat"]).await
}

async fn open(provider: &Provider, chat: SocketAddr, user: &str, sid: &str) -> Socket {
    let query = format!("jwt?token={}", provider.token(user, sid));
    let mut socket = connect(chat, &query, &[]).await.unwrap();
    assert_eq!(next(&mut socket).await["user"], user);
    socket
}

async fn log_out(provider: &Provider, chat: SocketAddr, jti: &str, of: &Value) -> u16 {
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let body = provider.logout(jti, of);
    post(chat, "/backchannel-logout", &form, &body).await.status
}

async fn is_open(socket: &mut Socket) {
    say(socket, &json!({ "type": "join", "channel": "lobby" })).await;
    assert_eq!(next(socket).await["type"], "joined");
}

#[tokio::test]
async fn a_logout_at_the_provider_ends_its_session_and_no_other() {
    let provider = Provider::start().await;
    let chat = chat_of(&provider).await;
    let one = open(&provider, chat, "ada", "s1").await;
    let mut other = open(&provider, chat, "ada", "s2").await;
    let of = json!({ "sub": "ada", "sid": "s1" });
    assert_eq!(log_out(&provider, chat, "1", &of).await, 200);
    assert_eq!(close_of(one).await, (4401, "session_ended".to_owned()));
    is_open(&mut other).await;
    // Its token opens nothing any more.
    let query = format!("jwt?token={}", provider.token("ada", "s1"));
    let refused = refusal(connect(chat, &query, &[]).await).await;
    assert_eq!(refused, (401, "token_invalid".to_owned()));
    // The same token again, and a forged one.
    assert_eq!(log_out(&provider, chat, "1", &of).await, 400);
    let nonce = json!({ "sub": "ada", "sid": "s2", "nonce": "n" });
    assert_eq!(log_out(&provider, chat, "2", &nonce).await, 400);
    is_open(&mut other).await;
}

#[tokio::test]
async fn without_a_session_all_of_the_user_end() {
    let provider = Provider::start().await;
    let chat = chat_of(&provider).await;
    let sockets = [
        open(&provider, chat, "ada", "s1").await,
        open(&provider, chat, "ada", "s2").await,
    ];
    let mut eve = open(&provider, chat, "eve", "s3").await;
    let of = json!({ "sub": "ada" });
    assert_eq!(log_out(&provider, chat, "1", &of).await, 200);
    for socket in sockets {
        assert_eq!(close_of(socket).await, (4401, "session_ended".to_owned()));
    }
    is_open(&mut eve).await;
}

#[tokio::test]
async fn an_event_of_the_provider_ends_a_session_or_all_of_the_user() {
    let provider = Provider::start().await;
    let chat = chat_of(&provider).await;
    let one = open(&provider, chat, "ada", "s1").await;
    let mut other = open(&provider, chat, "ada", "s2").await;
    let mut eve = open(&provider, chat, "eve", "s3").await;
    let push = async |jti: &str, subject: &Value| {
        let kind = [("Content-Type", "application/secevent+jwt")];
        let event = provider.event(jti, subject);
        post(chat, "/backchannel-logout", &kind, &event)
            .await
            .status
    };
    let ada = json!({ "format": "iss_sub", "iss": provider.issuer, "sub": "ada" });
    let session = json!({ "format": "opaque", "id": "s1" });
    let both = json!({ "format": "complex", "user": ada, "session": session });
    assert_eq!(push("1", &both).await, 202);
    assert_eq!(close_of(one).await, (4401, "session_ended".to_owned()));
    is_open(&mut other).await;
    let stranger = json!({ "format": "iss_sub", "iss": "https://other.example", "sub": "ada" });
    assert_eq!(push("2", &stranger).await, 400);
    is_open(&mut other).await;
    assert_eq!(push("3", &ada).await, 202);
    assert_eq!(close_of(other).await, (4401, "session_ended".to_owned()));
    is_open(&mut eve).await;
}

#[tokio::test]
async fn without_a_provider_there_is_no_such_path() {
    let chat = start(&[]).await;
    assert_eq!(post(chat, "/backchannel-logout", &[], "").await.status, 404);
}
