//! Connections by extended CONNECT (RFC 8441).
#![cfg(feature = "http2")]

use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper::ext::Protocol;
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use test_support::bounded;
use tokio::net::TcpStream;
use tower::ServiceBuilder;
use tower_ws_auth_core::AuthLayer;
use tower_ws_auth_socket::lease::LeaseLayer;

use super::lab::{Client, Names, auth, echo, json, patient, serve};

/// Streams of one connection.
async fn open<const N: usize>(address: std::net::SocketAddr) -> [Client<TokioIo<Upgraded>>; N] {
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream)
        .await
        .unwrap();
    tokio::spawn(connection);
    // The server's settings come before any answer.
    let request = Request::get("http://localhost/")
        .body(Empty::<Bytes>::new())
        .unwrap();
    bounded("settings", sender.send_request(request))
        .await
        .unwrap();
    let mut clients = Vec::new();
    for _ in 0..N {
        let request = Request::connect("http://localhost/ws")
            .header("sec-websocket-version", "13")
            .extension(Protocol::from_static("websocket"))
            .body(Empty::<Bytes>::new())
            .unwrap();
        let response = bounded("an answer", sender.send_request(request))
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        clients.push(Client(TokioIo::new(
            hyper::upgrade::on(response).await.unwrap(),
        )));
    }
    clients.try_into().unwrap_or_else(|_| unreachable!())
}

#[tokio::test]
async fn streams_of_one_connection_are_accepted_and_refused_each_by_its_message() {
    let layers = ServiceBuilder::new()
        .layer(patient(json()))
        .layer(AuthLayer::new(Names::new()))
        .layer(LeaseLayer::expiry_only());
    let address = serve(axum::routing::any(echo).layer(layers)).await;
    let [mut ada, mut refused, mut brief, _silent] = open(address).await;
    refused.say(&auth("expired")).await;
    ada.say(&auth("ada")).await;
    brief.say(&auth("brief")).await;
    refused.reads_close(4401, "token_expired").await;
    brief.is("brief").await;
    brief.reads_close(4401, "token_expired").await;
    ada.is("ada").await;
}
