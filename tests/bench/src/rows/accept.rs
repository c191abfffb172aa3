//! Stacks that accept a page with a JSON Web Token in its query.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use http::Request;
use hyper::body::Incoming;
use tower::ServiceBuilder;
use tower_ws_auth::jwt::{Jwt, JwtLayer};
use tower_ws_auth::lease::LeaseLayer;
use tower_ws_auth::{
    AuthLayer, AuthenticateExt as _, CloseFrameLayer, MemoryRevocations, MissingOrigin,
    OriginLayer, Origins, Revocations,
};

use super::jwt::{FourStrings, SharedKeys, User, jwt, keys, token};
use super::socket::{Answer, server, switch};

/// A handshake with a token in its query, as a page sends it.
pub(super) fn request(good: bool) -> &'static [u8] {
    let token = token(good);
    let text = format!(
        "GET /ws?token={token} HTTP/1.1\r\nhost: example.com\r\nconnection: Upgrade\r\n\
         upgrade: websocket\r\norigin: https://example.com\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    text.leak().as_bytes()
}

pub(super) fn origins() -> OriginLayer {
    let origins = Origins::new(["https://example.com"]).unwrap();
    OriginLayer::new(origins, MissingOrigin::Allow)
}

pub(super) fn stack() -> server!() {
    ServiceBuilder::new()
        .layer(CloseFrameLayer::new())
        .layer(origins())
        .layer(JwtLayer::new(jwt()))
        .service_fn(async |request: Request<Incoming>| Answer::Ok(switch(request)))
}

/// The same, and each grant can be revoked under its user's key.
pub(super) fn leased_under_one_key() -> server!() {
    leased_by(jwt().revocable_by(|claims| format!("user:{}", claims.sub)))
}

pub(super) fn leased() -> server!() {
    leased_by(jwt())
}

fn leased_by(jwt: Jwt<FourStrings>) -> server!() {
    let day = Duration::from_secs(24 * 3600);
    let revocations = Revocations::new(MemoryRevocations::new(day, 100_000));
    ServiceBuilder::new()
        .layer(CloseFrameLayer::new())
        .layer(origins())
        .layer(AuthLayer::new(jwt.revocable(revocations.clone())))
        .layer(LeaseLayer::new(revocations))
        .service_fn(async |request: Request<Incoming>| Answer::Ok(switch(request)))
}

/// As applications do it by hand: an extractor in front of axum's own upgrade.
pub(super) fn by_hand() -> server!() {
    async fn handler(_: State<SharedKeys>, _: User, upgrade: WebSocketUpgrade) -> Response {
        upgrade.on_upgrade(async |socket: WebSocket| drop(socket))
    }
    Router::new()
        .route("/ws", any(handler))
        .with_state(SharedKeys::from(keys()))
}
