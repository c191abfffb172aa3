//! yawc on hyper. The library takes sockets over HTTP/2 by itself.

use axum::BoxError;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::{server::conn::auto, service::TowerToHyperService};
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_ws_auth::jwt::{Jwt, Key};
use tower_ws_auth::{
    AuthLayer, Authenticated, CloseFrameLayer, LeaseLayer, MissingOrigin, OriginLayer, Origins,
    RedactLayer,
};
use yawc::{Frame, OpCode, UpgradeFut, WebSocket};

#[derive(Clone, serde::Deserialize)]
struct Claims {
    sub: String,
}

async fn chat(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, BoxError> {
    let user = request.extensions().get::<Authenticated<Claims>>().cloned();
    let user = user.ok_or("no AuthLayer")?.into_inner();
    let (response, socket) = WebSocket::upgrade(&mut request)?;
    tokio::spawn(echo(socket, user));
    Ok(response)
}

async fn echo(socket: UpgradeFut, user: Claims) -> Result<(), BoxError> {
    let mut socket = socket.await?;
    let hello = format!("hello {}", user.sub);
    socket.send(Frame::text(hello)).await?;
    while let Some(frame) = socket.next().await {
        if matches!(frame.opcode(), OpCode::Text | OpCode::Binary) {
            socket.send(frame).await?;
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
    let mut server = auto::Builder::new(TokioExecutor::new());
    // For sockets over HTTP/2.
    server.http2().enable_connect_protocol();
    loop {
        let (stream, _) = listener.accept().await?;
        let (server, service) = (server.clone(), TowerToHyperService::new(service.clone()));
        tokio::spawn(async move {
            let io = TokioIo::new(stream);
            server.serve_connection_with_upgrades(io, service).await
        });
    }
}
