//! `/ws/first`: the credential in the first message.

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::peer::{close_of, connect, login, next, now, say, start, ticket, token, token_of};

#[tokio::test]
async fn a_token_and_a_ticket_are_welcome() {
    let address = start(&[]).await;
    let offer = [("sec-websocket-protocol", "chat.v1")];
    let mut socket = connect(address, "first", &offer).await.unwrap();
    say(
        &mut socket,
        &json!({ "type": "auth", "token": token_of("ada") }),
    )
    .await;
    let welcome = next(&mut socket).await;
    assert_eq!(
        (&welcome["user"], &welcome["via"]),
        (&json!("ada"), &json!("jwt"))
    );
    say(&mut socket, &json!({ "type": "join", "channel": "lobby" })).await;
    assert_eq!(next(&mut socket).await["type"], "joined");

    let cookie = login(address, "eve").await;
    let ticket = ticket(address, &cookie, "").await;
    let auth = json!({ "type": "auth", "token": ticket });
    let mut socket = connect(address, "first", &[]).await.unwrap();
    say(&mut socket, &auth).await;
    let welcome = next(&mut socket).await;
    assert_eq!(
        (&welcome["user"], &welcome["via"]),
        (&json!("eve"), &json!("ticket"))
    );
    // Once.
    let mut socket = connect(address, "first", &[]).await.unwrap();
    say(&mut socket, &auth).await;
    assert_eq!(close_of(socket).await, (4401, "ticket_invalid".to_owned()));
}

#[tokio::test]
async fn everything_else_is_refused_by_its_name() {
    let address = start(&[]).await;
    let expired = token(&json!({ "sub": "ada", "exp": now() - 60 }));
    for (message, code, reason) in [
        (
            json!({ "type": "auth", "token": expired }),
            4401,
            "token_expired",
        ),
        (
            json!({ "type": "auth", "token": "a.b.c" }),
            4401,
            "token_invalid",
        ),
        (json!({ "type": "auth" }), 4401, "credentials_missing"),
        (
            json!({ "type": "say", "token": token_of("ada") }),
            4400,
            "message_malformed",
        ),
        (json!(token_of("ada")), 4400, "message_malformed"),
    ] {
        let mut socket = connect(address, "first", &[]).await.unwrap();
        say(&mut socket, &message).await;
        assert_eq!(
            close_of(socket).await,
            (code, reason.to_owned()),
            "{message}"
        );
    }
    // A credential in the handshake beside it.
    let query = format!("first?token={}", token_of("ada"));
    let mut socket = connect(address, &query, &[]).await.unwrap();
    say(
        &mut socket,
        &json!({ "type": "auth", "token": token_of("ada") }),
    )
    .await;
    let refused = close_of(socket).await;
    assert_eq!(refused, (4400, "credentials_malformed".to_owned()));
    let mut socket = connect(address, "first", &[]).await.unwrap();
    socket.send(Message::binary(vec![1])).await.unwrap();
    assert_eq!(
        close_of(socket).await,
        (1003, "message_malformed".to_owned())
    );
}

#[tokio::test]
async fn those_that_wait_are_bounded_by_their_address() {
    let address = start(&["--first-per-address", "2"]).await;
    let url = format!("ws://{address}/ws/first");
    // Another address of this machine.
    let other = tokio::net::TcpSocket::new_v4().unwrap();
    other.bind(([127, 0, 0, 2], 0).into()).unwrap();
    let other = other.connect(address).await.unwrap();
    let (mut other, _) = tokio_tungstenite::client_async(&url, other).await.unwrap();

    let first = connect(address, "first", &[]).await.unwrap();
    let _second = connect(address, "first", &[]).await.unwrap();
    let _third = connect(address, "first", &[]).await.unwrap();
    assert_eq!(close_of(first).await, (4503, "unavailable".to_owned()));
    let auth = json!({ "type": "auth", "token": token_of("ada") }).to_string();
    other.send(Message::text(auth)).await.unwrap();
    let welcome = other.next().await.unwrap().unwrap();
    assert!(welcome.to_text().unwrap().contains("welcome"), "{welcome}");
}
