//! WebSocket libraries on hyper, without axum's.

use crate::hyper_clients::{serves_and_refuses, serves_and_refuses_over_http2};
use crate::{SECRET, fast_websockets, hyper_tungstenite, start};

#[tokio::test]
async fn fastwebsockets_serves_and_refuses() {
    let address = start(|listener| fast_websockets::serve(listener, SECRET)).await;
    serves_and_refuses(address).await;
    serves_and_refuses_over_http2(address).await;
}

#[tokio::test]
async fn hyper_tungstenite_serves_and_refuses() {
    let address = start(|listener| hyper_tungstenite::serve(listener, SECRET)).await;
    serves_and_refuses(address).await;
    serves_and_refuses_over_http2(address).await;
}
