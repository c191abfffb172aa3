//! A rate limit by address behind a proxy, which is the peer of every connection.

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use socket_tests::{Answer, end_of, token};
use stacks_tests::{APP, auth, close, echo, serve};
use tokio::net::TcpSocket;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tower::ServiceBuilder;
use tower_governor::GovernorLayer;
use tower_governor::governor::GovernorConfigBuilder;
use tower_governor::key_extractor::{KeyExtractor, PeerIpKeyExtractor, SmartIpKeyExtractor};
use tower_http::map_response_body::MapResponseBodyLayer;

use super::proxy::Proxy;

/// One attempt in a minute for each address.
async fn upstream<K>(key: K) -> SocketAddr
where
    K: KeyExtractor + Send + Sync + 'static,
    K::Key: Send + Sync,
{
    let mut attempts = GovernorConfigBuilder::default().key_extractor(key);
    let attempts = attempts.per_second(60).burst_size(1).finish();
    let stack = ServiceBuilder::new()
        .layer(close().convert_error_responses())
        .layer(GovernorLayer::new(attempts.unwrap()))
        .layer(MapResponseBodyLayer::new(Body::new))
        .layer(auth());
    let app = Router::new().route("/ws", any(echo).layer(stack));
    serve(app).await.unwrap()
}

/// Whether a page at this address gets its socket; with an `X-Forwarded-For` that it has made up.
async fn opens(client: [u8; 4], server: SocketAddr, claims: &str) -> bool {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::from(client), 0).into()).unwrap();
    let stream = socket.connect(server).await.unwrap();
    let uri = format!("ws://{server}/ws?token={}", token(600));
    let mut request = uri.into_client_request().unwrap();
    for (name, value) in [
        ("origin", APP),
        ("sec-websocket-protocol", "chat.v1"),
        ("x-forwarded-for", claims),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let (mut client, _) = client_async(request, stream).await.unwrap();
    // An accepted one answers this close with its own.
    client.close(None).await.unwrap();
    match end_of(Ok(client)).await {
        Answer::Closed(4429, reason, _) if reason == "rate_limited" => false,
        Answer::Closed(..) | Answer::Lost => true,
        other @ Answer::Http(..) => panic!("{other:?}"),
    }
}

async fn is_for_each_client(proxy: &Proxy) {
    assert!(opens([127, 0, 0, 2], proxy.address, "192.0.2.7").await);
    assert!(!opens([127, 0, 0, 2], proxy.address, "192.0.2.8").await);
    assert!(opens([127, 0, 0, 3], proxy.address, "192.0.2.7").await);
}

#[tokio::test]
async fn by_the_header_that_nginx_sets_is_for_each_client() {
    let app = upstream(SmartIpKeyExtractor).await;
    is_for_each_client(&super::nginx::nginx(app).await).await;
}

#[tokio::test]
async fn by_the_header_that_haproxy_sets_too() {
    let app = upstream(SmartIpKeyExtractor).await;
    is_for_each_client(&super::haproxy::haproxy(app).await).await;
}

#[tokio::test]
async fn by_the_peer_is_one_for_everybody() {
    let proxy = super::nginx::nginx(upstream(PeerIpKeyExtractor).await).await;
    assert!(opens([127, 0, 0, 2], proxy.address, "192.0.2.7").await);
    assert!(!opens([127, 0, 0, 3], proxy.address, "192.0.2.7").await);
}

#[tokio::test]
async fn by_the_header_without_a_proxy_can_be_forged() {
    let app = upstream(SmartIpKeyExtractor).await;
    assert!(opens([127, 0, 0, 2], app, "192.0.2.7").await);
    assert!(opens([127, 0, 0, 2], app, "192.0.2.8").await);
}
