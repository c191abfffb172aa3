//! hyper-tungstenite on hyper. The layers hand the connection over as hyper does.

use axum::BoxError;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, upgrade::Upgraded};
use hyper_tungstenite::tungstenite::protocol::Role;
use hyper_tungstenite::{WebSocketStream, upgrade};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::{server::conn::auto, service::TowerToHyperService};
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
    if request.method() == Method::CONNECT {
        // HTTP/2 (RFC 8441): no key, and the answer is 200. The library knows HTTP/1.1 alone.
        let upgraded = hyper::upgrade::on(request);
        tokio::spawn(async move {
            let io = TokioIo::new(upgraded.await?);
            echo(
                WebSocketStream::from_raw_socket(io, Role::Server, None).await,
                user,
            )
            .await
        });
        return Ok(Response::default());
    }
    let (response, socket) = upgrade(&mut request, None)?;
    tokio::spawn(async move { echo(socket.await?, user).await });
    Ok(response)
}

type Socket = WebSocketStream<TokioIo<Upgraded>>;

async fn echo(mut socket: Socket, user: Claims) -> Result<(), BoxError> {
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
