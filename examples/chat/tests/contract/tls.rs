//! HTTPS, and HTTP/2 with WebSockets by extended CONNECT (RFC 8441).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use chat::{Chat, Options};
use clap::Parser;
use futures_util::StreamExt;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::CertifiedKey;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::peer::{PATIENCE, SECRET, now, token, token_of};

struct Server {
    address: SocketAddr,
    roots: RootCertStore,
}

impl Server {
    async fn start() -> Self {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let [certificate, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
        std::fs::write(&certificate, cert.pem()).unwrap();
        std::fs::write(&key, signing_key.serialize_pem()).unwrap();
        let options = [
            "chat",
            "--listen",
            "127.0.0.1:0",
            "--jwt-secret",
            SECRET,
            "--tls-cert",
            certificate.to_str().unwrap(),
            "--tls-key",
            key.to_str().unwrap(),
        ];
        let chat = Chat::bind(Options::try_parse_from(options).unwrap())
            .await
            .unwrap();
        assert_eq!(chat.scheme(), "https");
        let address = chat.address();
        tokio::spawn(chat.serve(std::future::pending()));
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        Self { address, roots }
    }

    async fn connect(&self, protocol: &str) -> TlsStream<TcpStream> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let stream = stream.await.unwrap();
        assert_eq!(
            stream.get_ref().1.alpn_protocol(),
            Some(protocol.as_bytes())
        );
        stream
    }

    async fn http2(&self) -> SendRequest<Body> {
        let stream = TokioIo::new(self.connect("h2").await);
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream)
            .await
            .unwrap();
        let mut connection = Box::pin(connection);
        // The server's settings must arrive before an extended CONNECT. There is no notification,
        // so poll.
        while !connection.is_extended_connect_protocol_enabled() {
            let polled = timeout(Duration::from_millis(5), &mut connection).await;
            assert!(polled.is_err(), "{polled:?}");
        }
        tokio::spawn(connection);
        sender.ready().await.unwrap();
        sender
    }

    fn origin(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    fn uri(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }
}

/// Opens a socket on a stream of an HTTP/2 connection.
async fn open(
    sender: &mut SendRequest<Body>,
    uri: &str,
    fields: &[(&str, &str)],
) -> Result<WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>, (StatusCode, Bytes)> {
    let mut request = Request::connect(uri)
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let response = sender
        .send_request(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    let status = response.status();
    if status != StatusCode::OK {
        let body = axum::body::to_bytes(Body::new(response.into_body()), 1000);
        return Err((status, body.await.unwrap()));
    }
    assert!(response.headers().get("sec-websocket-accept").is_none());
    let upgraded = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    Ok(WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await)
}

async fn next<S>(socket: &mut S) -> Message
where
    S: StreamExt<Item = Result<Message, tokio_tungstenite::tungstenite::Error>> + Unpin,
{
    timeout(PATIENCE, socket.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap()
}

fn said(message: &Message) -> (u16, &str) {
    let Message::Close(Some(close)) = message else {
        panic!("{message:?}")
    };
    (close.code.into(), close.reason.as_str())
}

#[tokio::test]
async fn http_1_opens_and_refuses() {
    let server = Server::start().await;
    let expired = token(&json!({ "sub": "ada", "exp": now() - 60 }));
    for (token, code) in [(token_of("ada"), None), (expired, Some(4401))] {
        let stream = server.connect("http/1.1").await;
        let url = format!("wss://localhost/ws/jwt?token={token}");
        let mut request =
            tokio_tungstenite::tungstenite::client::IntoClientRequest::into_client_request(url)
                .unwrap();
        let origin = server.origin().parse().unwrap();
        request.headers_mut().insert("origin", origin);
        let (mut socket, _) = tokio_tungstenite::client_async(request, stream)
            .await
            .unwrap();
        let first = next(&mut socket).await;
        match code {
            None => assert!(first.to_text().unwrap().contains("welcome")),
            Some(code) => assert_eq!(said(&first), (code, "token_expired")),
        }
    }
}

#[tokio::test]
async fn http_2_opens_talks_and_ends_by_extended_connect() {
    let server = Server::start().await;
    let mut sender = server.http2().await;
    let exp = now() + 6;
    let short = token(&json!({ "sub": "ada", "exp": exp }));
    let uri = server.uri(&format!("/ws/jwt?token={short}"));
    let mut socket = open(&mut sender, &uri, &[]).await.unwrap();
    assert!(next(&mut socket).await.to_text().unwrap().contains("ada"));
    let join = json!({"type": "join", "channel": "lobby"}).to_string();
    futures_util::SinkExt::send(&mut socket, Message::text(join))
        .await
        .unwrap();
    let joined = next(&mut socket).await;
    assert!(joined.to_text().unwrap().contains("joined"));
    // A second one on the same connection outlives the first.
    let uri = server.uri(&format!("/ws/jwt?token={}", token_of("bob")));
    let mut other = open(&mut sender, &uri, &[]).await.unwrap();
    assert!(next(&mut other).await.to_text().unwrap().contains("bob"));
    assert_eq!(said(&next(&mut socket).await), (4401, "token_expired"));
    let join = json!({"type": "join", "channel": "lobby"}).to_string();
    futures_util::SinkExt::send(&mut other, Message::text(join))
        .await
        .unwrap();
    assert!(next(&mut other).await.to_text().unwrap().contains("joined"));
}

#[tokio::test]
async fn http_2_refuses_with_a_reason_for_pages_and_plainly_for_others() {
    let server = Server::start().await;
    let mut sender = server.http2().await;
    let expired = token(&json!({ "sub": "ada", "exp": now() - 60 }));
    let uri = server.uri(&format!("/ws/jwt?token={expired}"));
    let (status, body) = open(&mut sender, &uri, &[]).await.unwrap_err();
    assert_eq!((status.as_u16(), &body[..]), (401, &b"token_expired"[..]));
    let origin = server.origin();
    let mut socket = open(&mut sender, &uri, &[("origin", &origin)])
        .await
        .unwrap();
    assert_eq!(said(&next(&mut socket).await), (4401, "token_expired"));
    let foreign = [("origin", "https://evil.example")];
    let (status, _) = open(&mut sender, &uri, &foreign).await.unwrap_err();
    assert_eq!(status.as_u16(), 403);
}

#[tokio::test]
async fn http_2_finds_a_session_in_a_cookie_that_came_in_crumbs() {
    let server = Server::start().await;
    let mut sender = server.http2().await;
    let login = Request::post(server.uri("/login")).body(Body::from(r#"{"user":"ada"}"#));
    let answer = sender.send_request(login.unwrap()).await.unwrap();
    assert_eq!(answer.status(), 204);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("; Secure"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    let origin = server.origin();
    // RFC 9113 §8.2.3
    let fields = [
        ("origin", origin.as_str()),
        ("cookie", "theme=dark"),
        ("cookie", pair),
        ("cookie", "lang=en"),
    ];
    let uri = server.uri("/ws/session");
    let mut socket = open(&mut sender, &uri, &fields).await.unwrap();
    let welcome = next(&mut socket).await;
    assert!(welcome.to_text().unwrap().contains(r#""via":"session""#));
}

#[tokio::test]
async fn a_client_that_never_finishes_its_tls_handshake_stops_nobody() {
    let server = Server::start().await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    let connected = timeout(PATIENCE, server.connect("http/1.1"));
    connected.await.unwrap();
}
