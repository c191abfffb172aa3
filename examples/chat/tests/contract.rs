//! What people's own clients rely on, over real sockets.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chat::{Chat, Options};
use clap::Parser;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tower_ws_auth::jwt::{Algorithm, JwtEncoder, SigningKey};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const SECRET: &str = "an example secret of 32 bytes ...";

async fn start(options: &[&str]) -> SocketAddr {
    let options = ["chat", "--listen", "127.0.0.1:0", "--jwt-secret", SECRET]
        .iter()
        .chain(options);
    let chat = Chat::bind(Options::try_parse_from(options).unwrap())
        .await
        .unwrap();
    let address = chat.address();
    tokio::spawn(chat.serve(std::future::pending()));
    address
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn token(claims: &Value) -> String {
    let key = SigningKey::hmac(Algorithm::HS256, SECRET.as_bytes()).unwrap();
    JwtEncoder::new(key).encode(claims).unwrap()
}

fn token_of(user: &str) -> String {
    token(&json!({ "sub": user, "exp": now() + 60 }))
}

async fn connect(
    address: SocketAddr,
    query: &str,
    headers: &[(&'static str, &str)],
) -> Result<Socket, Error> {
    let mut request = format!("ws://{address}/ws/jwt{query}").into_client_request()?;
    for &(name, value) in headers {
        request.headers_mut().append(name, value.parse()?);
    }
    Ok(connect_async(request).await?.0)
}

async fn next(socket: &mut Socket) -> Value {
    let message = timeout(Duration::from_secs(10), socket.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    serde_json::from_str(message.to_text().unwrap()).unwrap()
}

async fn say(socket: &mut Socket, message: &Value) {
    socket
        .send(Message::text(message.to_string()))
        .await
        .unwrap();
}

async fn welcomed(address: SocketAddr, user: &str) -> Socket {
    let query = format!("?token={}", token_of(user));
    let mut socket = connect(address, &query, &[]).await.unwrap();
    assert_eq!(next(&mut socket).await["user"], user);
    socket
}

async fn close_of(mut socket: Socket) -> (u16, String) {
    loop {
        match timeout(Duration::from_secs(10), socket.next())
            .await
            .unwrap()
        {
            Some(Ok(Message::Close(Some(frame)))) => {
                return (frame.code.into(), frame.reason.as_str().to_owned());
            }
            Some(Ok(_)) => {}
            other => panic!("no close frame: {other:?}"),
        }
    }
}

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
        let mut socket = connect(address, &query, &headers).await.unwrap();
        let welcome = next(&mut socket).await;
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
    for channel in ["private-eve", "ticket-1", "secret", "room-"] {
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
async fn a_connection_ends_when_its_token_does() {
    let address = start(&[]).await;
    let leeway = start(&["--jwt-leeway", "2"]).await;
    let exp = now() + 2;
    let query = format!("?token={}", token(&json!({ "sub": "ada", "exp": exp })));
    for (address, ends) in [(address, exp), (leeway, exp + 2)] {
        let socket = connect(address, &query, &[]).await.unwrap();
        assert_eq!(close_of(socket).await, (4401, "token_expired".to_owned()));
        assert!((ends..=ends + 1).contains(&now()), "{} for {ends}", now());
    }
}

#[tokio::test]
async fn a_refused_page_reads_4401_and_everybody_else_401() {
    let address = start(&["--reject-message"]).await;
    let own = format!("http://127.0.0.1:{}", address.port());
    let localhost = format!("http://localhost:{}", address.port());
    let expired = format!(
        "?token={}",
        token(&json!({ "sub": "ada", "exp": now() - 60 }))
    );
    for origin in [&own, &localhost] {
        let mut socket = connect(address, &expired, &[("origin", origin)])
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
        match connect(address, &expired, &headers).await {
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
    connect(address, &query(&claims), &[]).await.unwrap();
    for (name, value) in [
        ("iss", json!("https://evil.example")),
        ("aud", json!("x")),
        ("iss", json!(null)),
    ] {
        let mut claims = claims.clone();
        claims[name] = value;
        assert!(
            connect(address, &query(&claims), &[]).await.is_err(),
            "{claims}"
        );
    }
}

#[tokio::test]
async fn wrong_options_end_it_with_a_sentence_that_says_what_to_do() {
    for (arguments, sentence) in [
        (
            &["--jwt-secret", "short"][..],
            "--dangerous-short-jwt-secret",
        ),
        (&["--origin", "https://app.example/path"], "--origin"),
        (&["--jwt-leeway", "86400"], "leeway"),
    ] {
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_chat"))
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .output();
        let output = timeout(Duration::from_secs(10), output)
            .await
            .unwrap()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && error.contains(sentence),
            "{arguments:?}: {error}"
        );
    }
    start(&["--dangerous-short-jwt-secret"]).await;
}

#[tokio::test]
async fn the_program_prints_its_address_three_tokens_and_three_commands() {
    let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_chat"))
        .args(["--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let mut introduction = Vec::new();
    while introduction.len() < 11 {
        let line = timeout(Duration::from_secs(10), lines.next_line())
            .await
            .unwrap()
            .unwrap();
        introduction.push(line.unwrap());
    }
    let address = introduction[0]
        .strip_prefix("listening on http://")
        .unwrap()
        .parse()
        .unwrap();
    let tokens: Vec<_> = introduction
        .iter()
        .filter(|line| line.contains("  eyJ"))
        .map(|line| line.rsplit(' ').next().unwrap())
        .collect();
    assert_eq!(tokens.len(), 3, "{introduction:?}");
    assert_eq!(
        introduction
            .iter()
            .filter(|line| line.contains("/ws/jwt?token="))
            .count(),
        3
    );

    let mut socket = connect(address, &format!("?token={}", tokens[0]), &[])
        .await
        .unwrap();
    assert_eq!(next(&mut socket).await["user"], "ada");
    for refused in &tokens[1..] {
        assert!(
            connect(address, &format!("?token={refused}"), &[])
                .await
                .is_err()
        );
    }

    // What it logs about them shows no token.
    program.kill().await.unwrap();
    let output = program.wait_with_output().await.unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(
        log.contains("token_expired") && log.contains("/ws/jwt"),
        "{log}"
    );
    for token in tokens {
        assert!(!log.contains(token.rsplit('.').next().unwrap()), "{log}");
    }
}
