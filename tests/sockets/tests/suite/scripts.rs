//! A refused client is told in the language of its library: over real sockets, byte for byte.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use socket_tests::{
    Answer, Http2, SECRET, Server, Stack, end_of, handshake, http2_servers, now, servers, token,
    token_with,
};
use test_support::frame::{self, BINARY, CLOSE, TEXT, masked, unmasked};
use test_support::{bounded, handshake as opening};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message as Sent;
use tower_ws_auth::close::ClientProtocol;
use tower_ws_auth::protocol::{Message, Pattern, Script};
use tower_ws_auth::{CloseFrameLayer, Rejection, RejectionKind};

use crate::APP;

const INVALID: &str = r#"{"message":"token_invalid","data":{"reason":"token_invalid"}}"#;

fn speaking(protocol: ClientProtocol) -> CloseFrameLayer {
    CloseFrameLayer::new()
        .reject_delay(Duration::ZERO)
        .client_protocol(protocol)
}

async fn serving(protocol: ClientProtocol) -> [Server; 2] {
    servers(Stack::closing(speaking(protocol))).await.unwrap()
}

/// A refused client that has read its 101, without a WebSocket library.
struct Client {
    stream: TcpStream,
    head: String,
}

impl Client {
    async fn open(address: SocketAddr, query: &str, fields: &str) -> Self {
        let (stream, head) = opening::ask(address, &format!("/ws{query}"), fields).await;
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        Self { stream, head }
    }

    async fn text(&mut self) -> String {
        let read = bounded("a message", frame::read(&mut self.stream)).await;
        let read = read.unwrap();
        assert_eq!(read.opcode, TEXT, "{read:?}");
        String::from_utf8(read.payload).unwrap()
    }

    async fn send(&mut self, text: &str) {
        let text = masked(true, TEXT, text.as_bytes());
        self.stream.write_all(&text).await.unwrap();
    }

    /// Reads the close frame, answers it, and reads the end.
    async fn closed(mut self, code: u16, reason: &str) {
        let read = bounded("a close frame", frame::read(&mut self.stream)).await;
        assert_eq!(read.unwrap().close(), Some((code, reason)));
        let answer = masked(true, CLOSE, &[]);
        // It may be over already, if the client has closed first.
        let _ = self.stream.write_all(&answer).await;
        let mut rest = Vec::new();
        let _ = bounded("the end", self.stream.read_to_end(&mut rest)).await;
        assert!(rest.is_empty(), "{rest:?}");
    }

    async fn closes_first(mut self, code: u16, reason: &str) {
        self.stream
            .write_all(&masked(true, CLOSE, &[]))
            .await
            .unwrap();
        self.closed(code, reason).await;
    }
}

const ORIGIN: &str = "Origin: https://app.example\r\n";

fn offers(subprotocol: &str) -> String {
    format!("{ORIGIN}Sec-WebSocket-Protocol: {subprotocol}\r\n")
}

#[tokio::test]
async fn socket_io_is_opened_and_each_namespace_is_refused() {
    for protocol in [ClientProtocol::socket_io(), ClientProtocol::detect()] {
        for server in serving(protocol).await {
            for fields in [ORIGIN, ""] {
                let query = "?EIO=4&transport=websocket&token=x";
                let mut client = Client::open(server.address, query, fields).await;
                let open = client.text().await;
                let session = open.strip_prefix(r#"0{"sid":""#).unwrap();
                assert_eq!(
                    &session[16..],
                    r#"","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#
                );
                client.send(r#"40{"token":"x"}"#).await;
                assert_eq!(client.text().await, format!("44{INVALID}"));
                client.send(r#"40/admin,{"token":"x"}"#).await;
                client.send("40/a\"b,").await;
                assert_eq!(client.text().await, format!("44/admin,{INVALID}"));
                assert_eq!(client.text().await, format!(r#"44/a\"b,{INVALID}"#));
                client.closes_first(1000, "token_invalid").await;
            }
            assert_eq!(server.echo.calls(), 0);
        }
    }
}

#[tokio::test]
async fn socket_io_is_told_over_http2_too() {
    let stack = Stack::closing(speaking(ClientProtocol::detect()));
    for server in http2_servers(stack).await.unwrap() {
        let mut connection = Http2::connect(server.address).await.unwrap();
        let query = format!("?EIO=4&token={}", token(-60));
        let mut socket = connection.open(&query, &[]).await.unwrap();
        let open = socket.next().await.unwrap().unwrap();
        assert!(open.to_text().unwrap().starts_with("0{"));
        socket.send(Sent::text("40")).await.unwrap();
        let refused = socket.next().await.unwrap().unwrap();
        let expired = INVALID.replace("token_invalid", "token_expired");
        assert_eq!(refused.to_text().unwrap(), format!("44{expired}"));
        assert_eq!(
            end_of(Ok(socket)).await,
            Answer::closed(1000, "token_expired")
        );
    }
}

#[tokio::test]
async fn socket_io_that_never_asks_is_closed_in_time() {
    for server in serving(ClientProtocol::socket_io()).await {
        let mut client = Client::open(server.address, "?EIO=4&token=x", "").await;
        let began = Instant::now();
        assert!(client.text().await.starts_with("0{"));
        client.send("41").await;
        client.send("40/never").await;
        client.closed(1000, "token_invalid").await;
        assert!(began.elapsed() > Duration::from_secs(2));
    }
}

#[tokio::test]
async fn a_client_that_backs_off_after_http_alone_gets_http() {
    let early = json!({ "sub": "ada", "exp": now() + 600, "nbf": now() + 300 });
    let early = token_with(&early, SECRET);
    for protocol in [
        ClientProtocol::socket_io(),
        ClientProtocol::phoenix(),
        ClientProtocol::phoenix_held(),
        ClientProtocol::pusher(),
    ] {
        for server in serving(protocol).await {
            let query = format!("?EIO=4&vsn=2.0.0&protocol=7&token={early}");
            let answer = end_of(handshake(server.address, &query, &[APP]).await).await;
            assert_eq!(answer, Answer::http(401, "token_not_yet_valid"));
        }
    }
}

#[tokio::test]
async fn a_held_client_of_phoenix_is_refused_in_each_channel_and_stays() {
    for server in serving(ClientProtocol::phoenix_held()).await {
        let fields = "Sec-WebSocket-Protocol: phoenix, base64url.bearer.phx.eA\r\n";
        let mut client = Client::open(server.address, "?vsn=2.0.0", fields).await;
        assert!(client.head.contains("sec-websocket-protocol: phoenix\r\n"));
        client.send(r#"["3","4","room:\"a\"","phx_join",{}]"#).await;
        assert_eq!(
            client.text().await,
            r#"["3","4","room:\"a\"","phx_reply",{"status":"error","response":{"reason":"token_invalid"}}]"#
        );
        client.send(r#"[null,"5","phoenix","heartbeat",{}]"#).await;
        client.send(r#"["6","7","b","phx_join",{}]"#).await;
        assert_eq!(
            client.text().await,
            r#"[null,"5","phoenix","phx_reply",{"status":"ok","response":{}}]"#
        );
        assert!(
            client
                .text()
                .await
                .starts_with(r#"["6","7","b","phx_reply""#)
        );
        client.closes_first(4401, "token_invalid").await;
    }
}

#[tokio::test]
async fn a_held_client_gives_way_to_newer_ones_and_to_a_shutdown() {
    let layer = speaking(ClientProtocol::phoenix_held()).max_closing_handshakes(1);
    let handshakes = layer.closing_handshakes();
    let server = Server::hyper(Stack::closing(layer)).await.unwrap();
    let query = "?vsn=2.0.0&token=x";
    let first = Client::open(server.address, query, ORIGIN).await;
    // It has no room yet, and makes some.
    let answer = end_of(handshake(server.address, query, &[APP]).await).await;
    assert_eq!(answer, Answer::http(401, "token_invalid"));
    first.closed(4401, "token_invalid").await;
    let second = bounded("room", async {
        loop {
            let (stream, head) = opening::ask(server.address, &format!("/ws{query}"), ORIGIN).await;
            if head.starts_with("HTTP/1.1 101") {
                return Client { stream, head };
            }
        }
    })
    .await;
    let waiting = tokio::spawn(async move { handshakes.wait().await });
    second.closed(4401, "token_invalid").await;
    bounded("the shutdown", waiting).await.unwrap();
}

#[tokio::test]
async fn a_library_that_reads_at_once_gets_its_message_and_the_close_frame() {
    let error = r#"{"type":"connection_error","payload":{"message":"token_invalid"}}"#;
    let disconnect = r#"{"type":"disconnect","reason":"token_invalid","reconnect":false}"#;
    for (protocol, offered, selected, message, code) in [
        (
            ClientProtocol::subscriptions_transport_ws(),
            "graphql-ws",
            "graphql-ws",
            error,
            4401,
        ),
        (
            ClientProtocol::detect(),
            "graphql-ws",
            "graphql-ws",
            error,
            4401,
        ),
        (
            ClientProtocol::action_cable(),
            "actioncable-unsupported, actioncable-v1-json",
            "actioncable-v1-json",
            disconnect,
            1000,
        ),
        (
            ClientProtocol::detect(),
            "actioncable-v1-json",
            "actioncable-v1-json",
            disconnect,
            1000,
        ),
    ] {
        for server in serving(protocol).await {
            let fields = offers(offered);
            let mut client = Client::open(server.address, "?token=x", &fields).await;
            let selected = format!("sec-websocket-protocol: {selected}\r\n");
            assert!(client.head.contains(&selected), "{}", client.head);
            assert_eq!(client.text().await, message);
            client.closed(code, "token_invalid").await;
        }
    }
}

#[tokio::test]
async fn a_message_of_the_application_does_not_break_the_language() {
    let layer = speaking(ClientProtocol::action_cable()).first_message_json();
    for server in servers(Stack::closing(layer)).await.unwrap() {
        let mut client = Client::open(server.address, "?token=x", ORIGIN).await;
        assert!(client.text().await.starts_with(r#"{"type":"disconnect""#));
        client.closed(1000, "token_invalid").await;
    }
}

#[tokio::test]
async fn signalr_is_refused_once_it_has_asked() {
    for server in serving(ClientProtocol::signalr()).await {
        let mut client = Client::open(server.address, "?token=x", ORIGIN).await;
        client
            .send("{\"protocol\":\"json\",\"version\":1}\u{1e}")
            .await;
        assert_eq!(client.text().await, "{\"error\":\"token_invalid\"}\u{1e}");
        client.closed(4401, "token_invalid").await;
    }
}

#[tokio::test]
async fn centrifugo_with_an_expired_token_is_asked_for_a_new_one() {
    for server in serving(ClientProtocol::centrifugo()).await {
        let expired = format!("?token={}", token(-60));
        for length in [1, 2000, 8000] {
            let mut client = Client::open(server.address, &expired, ORIGIN).await;
            // As centrifuge-js writes it: the id comes last.
            let token = "x".repeat(length);
            client
                .send(&format!(
                    r#"{{"connect":{{"token":"{token}","name":"js"}},"id":7}}"#
                ))
                .await;
            assert_eq!(
                client.text().await,
                r#"{"id":7,"error":{"code":109,"message":"token_expired"}}"#
            );
            client.closed(3014, "token_expired").await;
        }

        let silent = Client::open(server.address, &expired, ORIGIN).await;
        silent.closed(3014, "token_expired").await;

        let stops = Client::open(server.address, "?token=x", ORIGIN).await;
        stops.closed(3500, "token_invalid").await;
        // Without a mark and without an origin it is a program.
        let answer = end_of(handshake(server.address, "?token=x", &[]).await).await;
        assert_eq!(answer, Answer::http(401, "token_invalid"));
    }
}

#[tokio::test]
async fn a_detected_client_is_told_without_an_origin_and_nobody_else_is() {
    for server in serving(ClientProtocol::detect()).await {
        for (query, headers, answer) in [
            (
                "?protocol=7&token=x",
                vec![],
                Answer::closed(4009, "token_invalid"),
            ),
            (
                "?vsn=2.0.0&token=x",
                vec![],
                Answer::closed(1000, "token_invalid"),
            ),
            (
                "?token=x",
                vec![("sec-websocket-protocol", "graphql-transport-ws")],
                Answer::closed(4401, "token_invalid"),
            ),
            ("?token=x", vec![APP], Answer::closed(4401, "token_invalid")),
            ("?token=x", vec![], Answer::http(401, "token_invalid")),
            // A foreign page learns nothing, whatever it looks like.
            (
                "?protocol=7&token=x",
                vec![("origin", "https://evil.example")],
                Answer::http(403, "origin_denied"),
            ),
        ] {
            let opened = handshake(server.address, query, &headers).await;
            assert_eq!(end_of(opened).await, answer, "{query}");
        }
    }
}

#[tokio::test]
async fn an_own_protocol_is_bounded_against_every_bad_client() {
    let hello = Pattern::contains("\"id\":").digits("id");
    let script = Script::new()
        .send(Message::text("hello"))
        .wait_for(hello, Duration::from_secs(1))
        .send(Message::binary(*b"\x01\x02"));
    let protocol = ClientProtocol::builder("acme")
        .refusals(move |_| script.clone().into())
        .close_codes(|_| Some(4321))
        .also_without_origin()
        .build()
        .unwrap();
    let layer = speaking(protocol)
        .byte_cap(10_000)
        .deadline(Duration::from_secs(2));
    for server in servers(Stack::closing(layer)).await.unwrap() {
        let half = masked(true, TEXT, br#"{"id":1}"#);
        let flood = masked(true, BINARY, &vec![7; 20_000]);
        let unmasked = unmasked(true, TEXT, br#"{"id":1}"#);
        for bytes in [&[][..], &half[..6], &flood, &unmasked] {
            let mut client = Client::open(server.address, "?token=x", "").await;
            assert_eq!(client.text().await, "hello");
            client.stream.write_all(bytes).await.unwrap();
            client.closed(4321, "token_invalid").await;
        }
        let mut client = Client::open(server.address, "?token=x", "").await;
        assert_eq!(client.text().await, "hello");
        client.stream.write_all(&half).await.unwrap();
        let answer = bounded("an answer", frame::read(&mut client.stream)).await;
        assert_eq!(answer.unwrap(), frame::Frame::whole(BINARY, b"\x01\x02"));
        client.closed(4321, "token_invalid").await;
    }
}

/// A server that answers 401, and calls that a rejection of this kind.
async fn classifying(kind: RejectionKind) -> SocketAddr {
    let layer = speaking(ClientProtocol::detect()).classify(move |response, head| {
        // The head that is kept holds the mark, and nothing else of the query.
        assert_eq!(head.uri.query(), Some("protocol=7"));
        (response.status == 401).then(|| Rejection::new(kind, "always"))
    });
    let refuses = tower::service_fn(async |_| {
        let mut response = http::Response::new(axum::body::Body::empty());
        *response.status_mut() = http::StatusCode::UNAUTHORIZED;
        Ok::<_, std::convert::Infallible>(response)
    });
    let service = tower::ServiceBuilder::new().layer(layer).service(refuses);
    let router = axum::Router::new().route_service("/ws", service);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test]
async fn a_response_of_another_layer_is_told_to_a_detected_client() {
    let address = classifying(RejectionKind::Forbidden).await;
    let answer = end_of(handshake(address, "?token=secret&protocol=7", &[]).await).await;
    assert_eq!(answer, Answer::closed(4009, "forbidden"));
}

#[tokio::test]
async fn no_layer_tells_a_foreign_page_that_has_a_mark() {
    let address = classifying(RejectionKind::OriginDenied).await;
    for headers in [vec![], vec![APP]] {
        let opened = handshake(address, "?token=secret&protocol=7", &headers).await;
        assert_eq!(end_of(opened).await, Answer::http(401, ""));
    }
}
