//! hyper-tungstenite on hyper. The layers hand the connection over as hyper does.

use axum::BoxError;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1};
use hyper_tungstenite::{HyperWebsocket, upgrade};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_ws_auth::jwt::{Jwt, Key};
use tower_ws_auth::{
    AuthLayer, Authenticated, CloseFrameLayer, LeaseLayer, MissingOrigin, OriginLayer, Origins,
    RedactLayer,
};

#[derive(Clone, serde::Deserialize)]
struct Claims {
    sub: String,
}

async fn chat(mut request: Request<Incoming>) -> Result<Response<Full<Bytes>>, BoxError> {
    let user = request.extensions().get::<Authenticated<Claims>>().cloned();
    let user = user.ok_or("no AuthLayer")?.into_inner();
    let (response, socket) = upgrade(&mut request, None)?;
    tokio::spawn(echo(socket, user));
    Ok(response)
}

async fn echo(socket: HyperWebsocket, user: Claims) -> Result<(), BoxError> {
    let mut socket = socket.await?;
    socket.send(format!("hello {}", user.sub).into()).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            socket.send(message).await?;
        }
    }
    Ok(())
}

pub async fn serve(listener: TcpListener, secret: &str) -> Result<(), BoxError> {
    let jwt = Jwt::<Claims>::builder(Key::hs256(secret)?).build()?;
    let service = ServiceBuilder::new()
        .layer(RedactLayer::new(["token"], ["/*"])?)
        .layer(CloseFrameLayer::new())
        .layer(OriginLayer::new(
            Origins::new(["https://app.example"])?,
            MissingOrigin::Allow,
        ))
        .layer(AuthLayer::new(jwt))
        .layer(LeaseLayer::expiry_only())
        .service_fn(chat);
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection.with_upgrades());
    }
}
