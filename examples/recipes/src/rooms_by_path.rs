//! Rooms by path: a token names the rooms of its user, and opens these alone.

use axum::extract::{Path, ws::WebSocketUpgrade};
use axum::{BoxError, Router, response::Response, routing::any};
use tokio::net::TcpListener;
use tower_ws_auth::jwt::{Jwt, Key};
use tower_ws_auth::{
    AuthLayer, AuthenticateExt, Authenticated, CloseFrameLayer, LeaseLayer, MissingOrigin,
    OriginLayer, Origins, RedactLayer,
};

#[derive(Clone, serde::Deserialize)]
struct Claims {
    sub: String,
    rooms: Vec<String>,
}

async fn chat(
    upgrade: WebSocketUpgrade,
    Path((_, room)): Path<(u32, String)>,
    user: Authenticated<Claims>,
) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        let hello = format!("{} in {room}", user.sub);
        let _ = socket.send(hello.into()).await;
        while let Some(Ok(_message)) = socket.recv().await {}
    })
}

pub async fn serve(listener: TcpListener, secret: &str) -> Result<(), BoxError> {
    let jwt = Jwt::<Claims>::builder(Key::hs256(secret)?).build()?;
    // The parameters are decoded and typed as the handler's are, also those of `nest`.
    let member =
        jwt.authorize_path(|user: &Claims, (_, room): (u32, String)| user.rooms.contains(&room));
    let origins = Origins::new(["https://app.example"])?;
    // A tuple of layers is a layer, with the first one outermost.
    let guard = (
        CloseFrameLayer::new(),
        OriginLayer::new(origins, MissingOrigin::Allow),
        AuthLayer::new(member),
        LeaseLayer::expiry_only(),
    );
    let rooms = Router::new().route("/rooms/{room}", any(chat).layer(guard));
    let app = Router::new()
        .nest("/tenants/{tenant}", rooms)
        .layer(RedactLayer::new(["token"], ["/tenants/*"])?);
    axum::serve(listener, app).await?;
    Ok(())
}
