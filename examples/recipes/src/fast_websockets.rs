//! fastwebsockets on hyper. The layers hand the connection over as hyper does.

use axum::BoxError;
use bytes::Bytes;
use fastwebsockets::upgrade::{UpgradeFut, upgrade};
use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload};
use http::{Request, Response};
use http_body_util::Empty;
use hyper::{body::Incoming, server::conn::http1};
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

async fn chat(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, BoxError> {
    let user = request.extensions().get::<Authenticated<Claims>>().cloned();
    let user = user.ok_or("no AuthLayer")?.into_inner();
    let (response, socket) = upgrade(&mut request)?;
    tokio::spawn(echo(socket, user));
    Ok(response)
}

async fn echo(socket: UpgradeFut, user: Claims) -> Result<(), BoxError> {
    let mut socket = FragmentCollector::new(socket.await?);
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
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection.with_upgrades());
    }
}
