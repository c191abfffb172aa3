//! fastwebsockets on hyper. The layers hand the connection over as hyper does.

use axum::BoxError;
use bytes::Bytes;
use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, Role, WebSocket, upgrade};
use http::{Method, Request, Response};
use http_body_util::Empty;
use hyper::{body::Incoming, upgrade::Upgraded};
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

async fn chat(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, BoxError> {
    let user = request.extensions().get::<Authenticated<Claims>>().cloned();
    let user = user.ok_or("no AuthLayer")?.into_inner();
    if request.method() == Method::CONNECT {
        // HTTP/2 (RFC 8441): no key, and the answer is 200. The library knows HTTP/1.1 alone.
        let upgraded = hyper::upgrade::on(request);
        tokio::spawn(async move {
            let io = TokioIo::new(upgraded.await?);
            echo(WebSocket::after_handshake(io, Role::Server), user).await
        });
        return Ok(Response::new(Empty::new()));
    }
    let (response, socket) = upgrade::upgrade(&mut request)?;
    tokio::spawn(async move { echo(socket.await?, user).await });
    Ok(response)
}

async fn echo(socket: WebSocket<TokioIo<Upgraded>>, user: Claims) -> Result<(), BoxError> {
    let mut socket = FragmentCollector::new(socket);
    let hello = format!("hello {}", user.sub);
    let hello = Frame::text(Payload::Owned(hello.into_bytes()));
    socket.write_frame(hello).await?;
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            _ => {}
        }
    }
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
