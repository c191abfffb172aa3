//! An invalid opening handshake (RFC 6455 §4.2.1) is never answered by 101, with any client and any
//! credential. It ends its connection.

use socket_tests::{Stack, raw, servers, token};
use tower_ws_auth::CloseFrameLayer;

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[tokio::test]
async fn no_invalid_handshake_is_upgraded() {
    // Even a predicate that converts everything does not convert these.
    let close = CloseFrameLayer::new().when(|_, _| true);
    for server in servers(Stack::closing(close)).await.unwrap() {
        let good = token(600);
        let line = format!("GET /ws?token={good} HTTP/1.1\r\n");
        let fields = format!(
            "Host: localhost\r\nOrigin: https://app.example\r\nConnection: upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n{KEY}"
        );
        let valid = format!("{line}{fields}\r\n");
        let changed = |from: &str, to: &str| {
            assert!(valid.contains(from), "{from}");
            valid.replacen(from, to, 1)
        };
        let cases = [
            (405, changed("GET ", "POST ")),
            (405, changed("GET ", "HEAD ")),
            (405, changed("GET ", "PUT ")),
            (400, changed("HTTP/1.1", "HTTP/1.0")),
            (400, changed("Host: localhost\r\n", "")),
            (
                400,
                changed("Host: localhost\r\n", "Host: a\r\nHost: b\r\n"),
            ),
            (400, changed("Connection: upgrade\r\n", "")),
            (
                400,
                changed("Connection: upgrade", "Connection: keep-alive"),
            ),
            (
                400,
                changed("Connection: upgrade", "Connection: notupgrade"),
            ),
            (400, changed("Upgrade: websocket\r\n", "")),
            (400, changed("Upgrade: websocket", "Upgrade: h2c")),
            (400, changed("Upgrade: websocket", "Upgrade: notwebsocket")),
            (400, changed(KEY, "")),
            (400, changed(KEY, &KEY.repeat(2))),
            (400, changed(KEY, "Sec-WebSocket-Key: short\r\n")),
            (
                400,
                changed(KEY, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==\r\n"),
            ),
            (426, changed("Sec-WebSocket-Version: 13\r\n", "")),
            (426, changed("Version: 13", "Version: 8")),
            (426, changed("Version: 13", "Version: 13, 8")),
            (
                400,
                changed(KEY, &format!("{KEY}Content-Length: 5\r\n")) + "hello",
            ),
            (
                400,
                changed(KEY, &format!("{KEY}Transfer-Encoding: chunked\r\n")) + "0\r\n\r\n",
            ),
        ];
        for (status, request) in cases {
            let behind = "GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n";
            let answer = raw(server.address, &format!("{request}{behind}"))
                .await
                .unwrap();
            let name = server.name;
            let expected = if request.contains("HTTP/1.0") {
                "HTTP/1.0"
            } else {
                "HTTP/1.1"
            };
            assert!(
                answer.starts_with(&format!("{expected} {status} ")),
                "{name}\n{request}\n{answer}"
            );
            assert_eq!(
                answer.matches("HTTP/1.").count(),
                1,
                "{name}\n{request}\n{answer}"
            );
            assert!(!answer.contains(&good), "{answer}");
            if status == 426 {
                assert!(answer.contains("sec-websocket-version: 13\r\n"), "{answer}");
            }
            if status == 405 {
                assert!(answer.contains("allow: GET\r\n"), "{answer}");
            }
        }
        assert_eq!(server.echo.calls(), 0, "{}", server.name);
    }
}
