//! A client over HTTP/2, extended CONNECT (RFC 8441), before an upstream of HTTP/1.1.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::{Method, Request, Response, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use test_support::{stays, until};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::peer::{PATIENCE, Running, SOON, token_of};
use crate::upstream::Upstream;

type Sender = SendRequest<Empty<Bytes>>;

async fn connect(address: SocketAddr) -> Sender {
    let stream = TcpStream::connect(address).await.unwrap();
    // As every browser: else its window updates wait for acknowledgements.
    stream.set_nodelay(true).unwrap();
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (sender, connection) = handshake.await.unwrap();
    let mut connection = Box::pin(connection);
    // There is no notification for the server's settings, so poll.
    while !connection.is_extended_connect_protocol_enabled() {
        let polled = timeout(Duration::from_millis(5), &mut connection).await;
        assert!(polled.is_err(), "{polled:?}");
    }
    tokio::spawn(connection);
    sender
}

async fn open(
    sender: &mut Sender,
    address: SocketAddr,
    path: &str,
    token: &str,
) -> Response<Incoming> {
    let request = Request::builder()
        .method(Method::CONNECT)
        .version(Version::HTTP_2)
        .uri(format!("http://{address}{path}"))
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13")
        .header("sec-websocket-protocol", "chat.v2")
        .header("authorization", format!("Bearer {token}"))
        .header("cookie", "a=1")
        .header("cookie", "b=2");
    let sent = sender.send_request(request.body(Empty::new()).unwrap());
    timeout(PATIENCE, sent).await.unwrap().unwrap()
}

#[tokio::test]
async fn names_have_their_usual_spelling_and_a_request_that_is_no_handshake_passes() {
    let upstream = Upstream::start().await;
    let options = ["--path", "/in=authenticate"];
    let gateway = Running::start(upstream.address, &options).await;
    let mut sender = connect(gateway.address).await;
    let token = token_of("ada");
    let response = open(&mut sender, gateway.address, "/echo", &token).await;
    assert_eq!(response.status(), 200);
    let head = upstream.head();
    for name in [
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
        "Sec-WebSocket-Protocol",
        "X-Auth-User",
    ] {
        assert!(head.contains(&format!("\r\n{name}: ")), "{name} in {head}");
    }
    for (authorization, status) in [
        (format!("Bearer {token}"), 200),
        ("Bearer x".to_owned(), 401),
    ] {
        let request = Request::builder()
            .uri(format!("http://{}/in/page?a=1", gateway.address))
            .header("authorization", authorization)
            .header("x-auth-user", "root");
        let sent = sender.send_request(request.body(Empty::new()).unwrap());
        let response = timeout(PATIENCE, sent).await.unwrap().unwrap();
        assert_eq!(response.status(), status);
    }
    assert!(upstream.head().starts_with("GET /in/page?a=1 HTTP/1.1\r\n"));
    assert_eq!(upstream.header("x-auth-user").as_deref(), Some("ada"));
    assert_eq!(upstream.connections(), 2);
}

#[tokio::test]
async fn a_first_message_opens_a_socket_as_its_user() {
    let upstream = Upstream::start().await;
    let options = [
        "--first-message",
        "json:token",
        "--first-message-subprotocol",
        "chat.v2",
    ];
    let gateway = Running::start(upstream.address, &options).await;
    let mut sender = connect(gateway.address).await;
    for (token, is_good) in [(token_of("ada"), true), ("a.b.c".to_owned(), false)] {
        let request = Request::builder()
            .method(Method::CONNECT)
            .version(Version::HTTP_2)
            .uri(format!("http://{}/echo", gateway.address))
            .extension(Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13")
            .header("sec-websocket-protocol", "chat.v2");
        let sent = sender.send_request(request.body(Empty::new()).unwrap());
        let response = timeout(PATIENCE, sent).await.unwrap().unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["sec-websocket-protocol"], "chat.v2");
        let upgraded = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
        let mut socket = WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await;
        let message = format!(r#"{{"token":"{token}"}}"#);
        socket.send(Message::text(message)).await.unwrap();
        socket.send(Message::text("hello")).await.unwrap();
        let heard = timeout(PATIENCE, socket.next()).await.unwrap();
        match heard.unwrap().unwrap() {
            Message::Close(Some(close)) if !is_good => {
                assert_eq!(u16::from(close.code), 4401);
                assert_eq!(close.reason.as_str(), "token_invalid");
            }
            heard => assert_eq!((heard, is_good), (Message::text("hello"), true)),
        }
    }
    assert_eq!(upstream.connections(), 1);
    assert_eq!(upstream.header("x-auth-user").as_deref(), Some("ada"));
    drop(sender);
    gateway.is_empty_within(SOON).await;
}

#[tokio::test]
async fn many_sockets_share_a_connection_and_have_their_own_at_the_upstream() {
    let upstream = Upstream::start().await;
    let mut gateway = Running::start(upstream.address, &[]).await;
    let mut sender = connect(gateway.address).await;
    let mut sockets = Vec::new();
    for _ in 0..10 {
        let response = open(&mut sender, gateway.address, "/echo", &token_of("ada")).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["sec-websocket-protocol"], "chat.v2");
        assert!(!response.headers().contains_key("sec-websocket-accept"));
        let upgraded = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
        sockets.push(WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await);
    }
    assert_eq!(upstream.connections(), 10);
    assert_eq!(upstream.header("cookie").as_deref(), Some("a=1; b=2"));
    assert_eq!(upstream.header("x-auth-user").as_deref(), Some("ada"));
    assert_eq!(upstream.header("host"), Some(gateway.address.to_string()));
    for socket in &mut sockets {
        for message in [Message::text("hi"), Message::binary(vec![7; 1024 * 1024])] {
            socket.send(message.clone()).await.unwrap();
            let echo = timeout(PATIENCE, socket.next()).await.unwrap();
            assert!(echo.unwrap().unwrap() == message);
        }
    }
    gateway.tell_to_stop();
    for mut socket in sockets {
        let end = timeout(PATIENCE, socket.next()).await.unwrap();
        let Some(Ok(Message::Close(Some(frame)))) = end else {
            panic!("{end:?}");
        };
        assert_eq!(u16::from(frame.code), 1001);
        let _ = timeout(PATIENCE, socket.next()).await.unwrap();
    }
    drop(sender);
    let took = gateway.stopped().await;
    assert!(took < SOON, "{took:?}");
    upstream.is_empty_within(SOON).await;
}

#[tokio::test]
async fn a_success_without_an_upgrade_is_no_acceptance() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    let mut sender = connect(gateway.address).await;
    for (path, status) in [("/200", 502), ("/403", 403), ("/wrong", 502)] {
        let response = open(&mut sender, gateway.address, path, &token_of("ada")).await;
        assert_eq!(response.status(), status, "{path}");
    }
    let response = open(&mut sender, gateway.address, "/echo", "none").await;
    assert_eq!(response.status(), 401);
    assert_eq!(upstream.connections(), 3);
}

#[tokio::test]
async fn a_socket_that_stands_still_holds_up_none_of_its_neighbours() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    let mut sender = connect(gateway.address).await;
    let token = token_of("ada");
    let mut still = Vec::new();
    for path in ["/stuck", "/flood"] {
        let response = open(&mut sender, gateway.address, path, &token).await;
        let mut upgraded = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
        if path == "/stuck" {
            // Until nothing is taken any more; hyper takes any write whole, however long it is.
            let chunk = vec![0; 16 * 1024];
            let mut sent = 0;
            let filling = async {
                loop {
                    upgraded.write_all(&chunk).await.unwrap();
                    sent += chunk.len();
                }
            };
            assert!(timeout(Duration::from_secs(2), filling).await.is_err());
            assert!(sent < 64 * 1024 * 1024, "{sent}");
        }
        still.push(upgraded);
    }
    let response = open(&mut sender, gateway.address, "/length", &token).await;
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("content-length"));
    let upgraded = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    let mut socket = WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await;
    let message = Message::binary(vec![7; 1024 * 1024]);
    socket.send(message.clone()).await.unwrap();
    let echo = timeout(PATIENCE, socket.next()).await.unwrap();
    assert!(echo.unwrap().unwrap() == message);
    drop((still, socket, sender));
    // While the upstream reads nothing, it does not notice that its client has gone. The idle
    // timeout ends this.
    upstream.kill();
    gateway.is_empty_within(SOON).await;
    upstream.is_empty_within(SOON).await;
}

#[tokio::test]
async fn an_answer_that_its_client_does_not_read_breaks_off_alone() {
    let upstream = Upstream::start().await;
    let options = ["--http", "pass", "--http-timeout", "0.5"];
    let gateway = Running::start(upstream.address, &options).await;
    let mut sender = connect(gateway.address).await;
    let response = open(&mut sender, gateway.address, "/echo", &token_of("ada")).await;
    let upgraded = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    let mut socket = WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await;
    let request = Request::builder().uri(format!("http://{}/huge", gateway.address));
    let sent = sender.send_request(request.body(Empty::new()).unwrap());
    let mut unread = timeout(PATIENCE, sent).await.unwrap().unwrap();
    assert_eq!(unread.status(), 200);
    until("the end of the answer", || upstream.open() < 2).await;
    let hello = Message::text("hello");
    socket.send(hello.clone()).await.unwrap();
    let echo = timeout(PATIENCE, socket.next()).await.unwrap();
    assert_eq!(echo.unwrap().unwrap(), hello);
    let reading = async {
        while let Some(frame) = unread.frame().await {
            frame?;
        }
        Ok::<_, hyper::Error>(())
    };
    // Its length was announced, and it does not look complete.
    assert!(timeout(PATIENCE, reading).await.unwrap().is_err());
    drop((socket, sender, unread));
    gateway.is_empty_within(SOON).await;
}

#[tokio::test]
async fn a_connection_of_no_use_is_closed_and_one_with_a_socket_is_not() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &["--head-timeout", "2"]).await;
    let mut refused = connect(gateway.address).await;
    let response = open(&mut refused, gateway.address, "/echo", "none").await;
    assert_eq!(response.status(), 401);
    let mut used = connect(gateway.address).await;
    let response = open(&mut used, gateway.address, "/echo", &token_of("ada")).await;
    let upgraded = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    let mut socket = WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await;
    until("the end of the one of no use", || refused.is_closed()).await;
    let longer = Duration::from_secs(1);
    stays("the other one", longer, || !used.is_closed()).await;
    socket.send(Message::text("hi")).await.unwrap();
    let echo = timeout(PATIENCE, socket.next()).await.unwrap();
    assert_eq!(echo.unwrap().unwrap(), Message::text("hi"));
    drop((socket, used));
    gateway.is_empty_within(SOON).await;
}
