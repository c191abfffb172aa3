//! `/ws/jwt`, and what is said on an open socket.

use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::peer::{
    PATIENCE, SOON, close_of, connect, next, now, own_origin, say, start, token, welcomed,
};

#[tokio::test]
async fn a_token_is_welcome_in_every_carrier() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD_NO_PAD;

    let address = start(&[]).await;
    let exp = now() + 60;
    let token = token(&json!({ "sub": "ada", "exp": exp }));
    let bearer = format!("Bearer {token}");
    let encoded = format!("base64url.bearer.phx.{}", STANDARD_NO_PAD.encode(&token));
    let beside_chat = format!("chat.v1, {encoded}");
    let beside_phoenix = format!("phoenix, {encoded}");
    for (query, headers) in [
        (format!("?token={token}"), vec![]),
        (format!("?access_token={token}"), vec![]),
        (format!("?Authorization={token}"), vec![]),
        (format!("?Authorization=Bearer%20{token}"), vec![]),
        (format!("?Authorization=Bearer+{token}"), vec![]),
        (String::new(), vec![("authorization", bearer.as_str())]),
        (
            String::new(),
            vec![("sec-websocket-protocol", beside_chat.as_str())],
        ),
        (
            String::new(),
            vec![("sec-websocket-protocol", beside_phoenix.as_str())],
        ),
        (
            format!("?token={token}"),
            vec![("sec-websocket-protocol", "chat.v1")],
        ),
    ] {
        let mut socket = connect(address, &format!("jwt{query}"), &headers)
            .await
            .unwrap();
        let mut welcome = next(&mut socket).await;
        let connection = welcome.as_object_mut().unwrap().remove("connection");
        assert_eq!(connection.unwrap().as_str().map(str::len), Some(22));
        let expected = json!({ "type": "welcome", "user": "ada", "via": "jwt", "expires_at": exp });
        assert_eq!(welcome, expected);
    }
}

#[tokio::test]
async fn what_one_says_in_a_channel_reaches_all_who_joined_it() {
    let address = start(&[]).await;
    let (mut ada, mut eve) = (
        welcomed(address, "ada").await,
        welcomed(address, "eve").await,
    );
    for socket in [&mut ada, &mut eve] {
        for channel in ["lobby", "room-1"] {
            say(socket, &json!({ "type": "join", "channel": channel })).await;
            assert_eq!(
                next(socket).await,
                json!({ "type": "joined", "channel": channel })
            );
        }
    }
    say(
        &mut ada,
        &json!({ "type": "say", "channel": "lobby", "text": "hi \"all\"" }),
    )
    .await;
    let expected =
        json!({ "type": "message", "channel": "lobby", "user": "ada", "text": "hi \"all\"" });
    assert_eq!(next(&mut ada).await, expected);
    assert_eq!(next(&mut eve).await, expected);
}

#[tokio::test]
async fn a_denied_join_and_a_bad_message_leave_the_socket_open() {
    let address = start(&[]).await;
    let mut ada = welcomed(address, "ada").await;
    for channel in ["private-eve", "ticket-", "secret", "room-"] {
        say(&mut ada, &json!({ "type": "join", "channel": channel })).await;
        let denied = json!({ "type": "denied", "channel": channel, "reason": "forbidden" });
        assert_eq!(next(&mut ada).await, denied);
    }
    say(
        &mut ada,
        &json!({ "type": "say", "channel": "lobby", "text": "hi" }),
    )
    .await;
    assert_eq!(
        next(&mut ada).await,
        json!({ "type": "error", "reason": "not_joined" })
    );
    for nonsense in ["", "{", "null", "[1]", "{\"type\":\"dance\"}"] {
        ada.send(Message::text(nonsense)).await.unwrap();
        assert_eq!(next(&mut ada).await["type"], "error", "{nonsense}");
    }
    ada.send(Message::binary(vec![0, 1])).await.unwrap();
    assert_eq!(
        next(&mut ada).await,
        json!({ "type": "error", "reason": "text_only" })
    );
    say(
        &mut ada,
        &json!({ "type": "join", "channel": "private-ada" }),
    )
    .await;
    assert_eq!(next(&mut ada).await["type"], "joined");
}

#[tokio::test]
async fn a_user_with_a_long_name_has_a_private_channel_and_nobody_a_long_room() {
    let address = start(&[]).await;
    for length in [56, 57, 300] {
        let user = "u".repeat(length);
        let mut socket = welcomed(address, &user).await;
        let own = format!("private-{user}");
        for (channel, kind) in [
            (own.clone(), "joined"),
            (format!("{own}u"), "denied"),
            (format!("room-{}", "x".repeat(60)), "denied"),
        ] {
            say(&mut socket, &json!({ "type": "join", "channel": channel })).await;
            let answer = next(&mut socket).await;
            assert_eq!(
                (&answer["type"], &answer["channel"]),
                (&kind.into(), &channel.into())
            );
        }
        say(
            &mut socket,
            &json!({ "type": "say", "channel": own, "text": "hi" }),
        )
        .await;
        assert_eq!(next(&mut socket).await["text"], "hi");
    }
}

#[tokio::test]
async fn a_connection_ends_when_its_token_does() {
    let address = start(&[]).await;
    let leeway = start(&["--jwt-leeway", "60"]).await;
    let ends = now() + 5;
    let mut open = Vec::new();
    // The second one has expired, and has a leeway that ends with the first.
    for (address, exp) in [(address, ends), (leeway, ends - 60)] {
        let token = token(&json!({ "sub": "ada", "exp": exp }));
        let socket = connect(address, &format!("jwt?token={token}"), &[]).await;
        open.push(socket.unwrap());
    }
    for socket in open {
        assert_eq!(close_of(socket).await, (4401, "token_expired".to_owned()));
        let in_time = ends..ends + SOON.as_secs();
        assert!(in_time.contains(&now()), "{} for {ends}", now());
    }
}

#[tokio::test]
async fn the_clients_own_close_is_answered_in_kind() {
    use tokio_tungstenite::tungstenite::protocol::CloseFrame;

    let address = start(&[]).await;
    for code in [1000, 1001, 4999] {
        let mut ada = welcomed(address, "ada").await;
        let close = CloseFrame {
            code: code.into(),
            reason: "bye".into(),
        };
        ada.close(Some(close)).await.unwrap();
        assert_eq!(close_of(ada).await, (code, "bye".to_owned()));
    }
}

#[tokio::test]
async fn a_long_message_is_an_error_and_an_unreadable_one_the_end() {
    let address = start(&[]).await;
    let mut ada = welcomed(address, "ada").await;
    for length in [5_000, 70_000, 900_000] {
        let text = "x".repeat(length);
        say(
            &mut ada,
            &json!({ "type": "say", "channel": "lobby", "text": text }),
        )
        .await;
        assert_eq!(
            next(&mut ada).await,
            json!({ "type": "error", "reason": "text_too_long" })
        );
    }
    let _ = ada.send(Message::text("x".repeat(1_100_000))).await;
    assert_eq!(close_of(ada).await, (1002, "message_unreadable".to_owned()));
}

#[tokio::test]
async fn a_client_that_has_stopped_reading_is_ended_all_the_same() {
    let address = start(&[]).await;
    let query = format!(
        "jwt?token={}",
        token(&json!({ "sub": "ada", "exp": now() + 5 }))
    );
    let mut socket = connect(address, &query, &[]).await.unwrap();
    say(&mut socket, &json!({ "type": "join", "channel": "lobby" })).await;
    let loud = json!({ "type": "say", "channel": "lobby", "text": "x".repeat(4000) }).to_string();
    let flood = async { while socket.send(Message::text(loud.as_str())).await.is_ok() {} };
    // Until it expires, and the few seconds that it has for the closing handshake.
    tokio::time::timeout(PATIENCE, flood).await.unwrap();
}

#[tokio::test]
async fn a_refused_page_reads_4401_and_everybody_else_401() {
    let address = start(&["--reject-message"]).await;
    let own = own_origin(address);
    let localhost = format!("http://localhost:{}", address.port());
    let expired = format!(
        "?token={}",
        token(&json!({ "sub": "ada", "exp": now() - 60 }))
    );
    for origin in [&own, &localhost] {
        let mut socket = connect(address, &format!("jwt{expired}"), &[("origin", origin)])
            .await
            .unwrap();
        let rejected = next(&mut socket).await;
        assert_eq!(rejected["type"], "rejected");
        assert_eq!(rejected["reason"], "token_expired");
        assert_eq!(close_of(socket).await, (4401, "token_expired".to_owned()));
    }
    for (origin, status) in [(None, 401), (Some("https://evil.example"), 403)] {
        let headers: Vec<_> = origin
            .map(|origin| ("origin", origin))
            .into_iter()
            .collect();
        match connect(address, &format!("jwt{expired}"), &headers).await {
            Err(Error::Http(response)) => assert_eq!(response.status().as_u16(), status),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn issuer_and_audience_are_demanded_where_they_are_set() {
    let address = start(&[
        "--jwt-issuer",
        "https://id.example",
        "--jwt-audience",
        "chat",
    ])
    .await;
    let claims = json!({ "sub": "ada", "exp": now() + 60, "iss": "https://id.example", "aud": ["x", "chat"] });
    let query = |claims: &Value| format!("?token={}", token(claims));
    connect(address, &format!("jwt{}", query(&claims)), &[])
        .await
        .unwrap();
    for (name, value) in [
        ("iss", json!("https://evil.example")),
        ("aud", json!("x")),
        ("iss", json!(null)),
    ] {
        let mut claims = claims.clone();
        claims[name] = value;
        assert!(
            connect(address, &format!("jwt{}", query(&claims)), &[])
                .await
                .is_err(),
            "{claims}"
        );
    }
}
