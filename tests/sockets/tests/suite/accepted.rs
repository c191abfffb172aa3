//! A valid credential in any carrier reaches the strategy, and never the service.

use futures_util::{SinkExt, StreamExt};
use socket_tests::{Client, PATIENCE, Stack, handshake, raw, servers, token};
use test_support::handshake::head;

use crate::APP;

async fn echoes(mut client: Client) {
    client.send("hi".into()).await.unwrap();
    let answer = client.next().await.unwrap().unwrap();
    assert_eq!(answer.to_text().unwrap(), "ada: hi");
}

fn subprotocol(token: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    format!(
        "phoenix, base64url.bearer.phx.{}",
        STANDARD_NO_PAD.encode(token)
    )
}

#[tokio::test]
async fn in_the_query() {
    for server in servers(Stack::default()).await.unwrap() {
        let token = token(600);
        for query in [
            format!("?token={token}"),
            format!("?a=1&token={token}&b=2"),
            format!("?Authorization={token}"),
            format!("?Authorization=Bearer%20{token}"),
            format!("?Authorization=bearer+{token}"),
        ] {
            echoes(handshake(server.address, &query, &[]).await.unwrap()).await;
        }
        assert_eq!(server.echo.calls(), 5, "{}", server.name);
    }
}

#[tokio::test]
async fn in_the_authorization_header() {
    for server in servers(Stack::default()).await.unwrap() {
        let bearer = format!("Bearer {}", token(600));
        let client = handshake(server.address, "", &[("authorization", &bearer)]).await;
        echoes(client.unwrap()).await;
    }
}

#[tokio::test]
async fn in_a_subprotocol_and_the_other_one_is_selected() {
    for server in servers(Stack::default()).await.unwrap() {
        let offered = subprotocol(&token(600));
        let client = handshake(server.address, "", &[("sec-websocket-protocol", &offered)]).await;
        echoes(client.unwrap()).await;
    }
}

#[tokio::test]
async fn in_a_cookie_from_an_allowed_page() {
    for server in servers(Stack::default()).await.unwrap() {
        let cookie = format!("theme=dark; jwt={}", token(600));
        let client = handshake(server.address, "", &[("cookie", &cookie), APP]).await;
        echoes(client.unwrap()).await;
    }
}

#[tokio::test]
async fn an_explicit_credential_decides_before_a_cookie() {
    for server in servers(Stack::default()).await.unwrap() {
        let good = format!("?token={}", token(600));
        let client = handshake(server.address, &good, &[("cookie", "jwt=rubbish"), APP]).await;
        echoes(client.unwrap()).await;
    }
}

#[tokio::test]
async fn however_the_handshake_lists_its_upgrade() {
    let upgrades = [
        "Upgrade: websocket",
        "Upgrade: WebSocket",
        "Upgrade: h2c, websocket",
        "Upgrade: h2c\r\nUpgrade: websocket",
    ];
    let connections = [
        "Connection: upgrade",
        "Connection: keep-alive, Upgrade",
        "Connection: keep-alive\r\nConnection: Upgrade",
        "Connection: Upgrade\r\nConnection: keep-alive",
    ];
    for server in servers(Stack::default()).await.unwrap() {
        for upgrade in upgrades {
            for connection in connections {
                let head = format!(
                    "GET /ws?token={} HTTP/1.1\r\nHost: localhost\r\n{connection}\r\n{upgrade}\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                    token(600)
                );
                // No handler may refuse a checked handshake, because a ticket would be spent by
                // now.
                let close = b"\x88\x80\0\0\0\0";
                let answer = raw_bytes(server.address, head.as_bytes(), close).await;
                assert!(
                    answer.starts_with("HTTP/1.1 101"),
                    "{}: {head}{answer}",
                    server.name
                );
            }
        }
    }
}

#[tokio::test]
async fn bytes_sent_right_behind_the_handshake_reach_the_handler() {
    for server in servers(Stack::default()).await.unwrap() {
        // A text frame "hi" and a close frame, masked with zeros, in the same segment.
        let request = head(&format!("/ws?token={}", token(600)), "");
        let frames = b"\x81\x82\0\0\0\0hi\x88\x80\0\0\0\0";
        let answer = raw_bytes(server.address, request.as_bytes(), frames).await;
        assert!(
            answer.starts_with("HTTP/1.1 101"),
            "{}: {answer}",
            server.name
        );
        assert!(answer.contains("ada: hi"), "{}: {answer}", server.name);
        assert_eq!(server.echo.messages(), 1);
    }
}

async fn raw_bytes(address: std::net::SocketAddr, head: &[u8], rest: &[u8]) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(&[head, rest].concat()).await.unwrap();
    let mut answer = Vec::new();
    let all = stream.read_to_end(&mut answer);
    tokio::time::timeout(PATIENCE, all).await.unwrap().unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn the_service_never_sees_the_credential() {
    use axum::Router;
    use axum::extract::{OriginalUri, Request};
    use axum::routing::any;

    let show = any(
        async |OriginalUri(original): OriginalUri, request: Request| {
            // As bytes: a value that is marked as sensitive prints as nothing.
            let values = request.headers().values();
            let values = values.map(|value| String::from_utf8_lossy(value.as_bytes()));
            format!(
                "{:?} {original} {:?} {:?} {:?}",
                request.uri(),
                request.headers(),
                values.collect::<Vec<_>>(),
                request.extensions()
            )
        },
    );
    let token = token(600);
    let router = Router::new().nest(
        "/nested",
        Router::new()
            .route("/ws", show)
            .layer(Stack::default().jwt)
            .layer(Stack::default().origin),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });

    for (query, header) in [
        (format!("?token={token}&x=y"), "X: y".to_owned()),
        (
            format!("?Authorization=Bearer%20{token}"),
            "X: y".to_owned(),
        ),
        (
            String::new(),
            format!("Origin: https://app.example\r\nCookie: a=1; jwt={token}; b=2"),
        ),
        (String::new(), format!("Authorization: Bearer {token}")),
        (
            String::new(),
            format!("Sec-WebSocket-Protocol: {}", subprotocol(&token)),
        ),
    ] {
        let request = head(&format!("/nested/ws{query}"), &format!("{header}\r\n"));
        let answer = raw(address, &request).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        let encoded = subprotocol(&token);
        for secret in [&*token, encoded.rsplit('.').next().unwrap()] {
            assert!(!answer.contains(secret), "{answer}");
        }
        assert!(answer.contains("/nested/ws"), "{answer}");
    }
}
