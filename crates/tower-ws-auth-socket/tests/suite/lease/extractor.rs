//! A lease as an argument of an axum handler.

use std::future::{Ready, ready};
use std::net::SocketAddr;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::response::Response;
use axum::routing::any;
use futures_util::StreamExt;
use http::StatusCode;
use http::request::Parts;
use test_support::Log;
use tokio::net::TcpListener;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;
use tower_ws_auth_core::{AuthLayer, Grant, Rejection};
use tower_ws_auth_socket::lease::{Lease, LeaseLayer};

fn anybody(_: &mut Parts) -> Ready<Result<Grant<&'static str>, Rejection>> {
    ready(Ok(Grant::new("ada")))
}

async fn either(upgrade: WebSocketUpgrade, lease: Option<Lease>) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        let text = if lease.is_some() { "leased" } else { "free" };
        let _ = socket.send(text.into()).await;
    })
}

async fn demanding(upgrade: WebSocketUpgrade, _lease: Lease) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        let _ = socket.send("leased".into()).await;
    })
}

async fn start() -> SocketAddr {
    let guard = (AuthLayer::new(anybody), LeaseLayer::expiry_only());
    let app = Router::new()
        .route("/either/guarded", any(either).layer(guard.clone()))
        .route("/either/open", any(either))
        .route("/demanding/guarded", any(demanding).layer(guard))
        .route("/demanding/open", any(demanding));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn told(address: SocketAddr, path: &str) -> Result<String, Error> {
    let (mut socket, _) = connect_async(format!("ws://{address}{path}")).await?;
    let message = socket.next().await.unwrap()?;
    Ok(message.to_text()?.to_owned())
}

#[tokio::test]
async fn may_be_optional_for_a_handler_on_guarded_and_unguarded_routes() {
    let address = start().await;
    assert_eq!(told(address, "/either/guarded").await.unwrap(), "leased");
    assert_eq!(told(address, "/either/open").await.unwrap(), "free");
}

#[tokio::test]
async fn is_500_where_the_layer_was_forgotten_and_the_log_says_what_to_add() {
    let address = start().await;
    assert_eq!(told(address, "/demanding/guarded").await.unwrap(), "leased");
    let log = Log::capture();
    let Err(Error::Http(refusal)) = told(address, "/demanding/open").await else {
        panic!("opened without a lease");
    };
    assert_eq!(refusal.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let text = log.text();
    assert!(text.contains("LeaseLayer::new"), "{text}");
}
