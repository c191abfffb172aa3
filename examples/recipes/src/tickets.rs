//! Tickets behind a middleware of your own: it knows the user, and the ticket carries the user to
//! the socket, where a browser cannot send headers.

use axum::extract::{Request, ws::WebSocketUpgrade};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Router, routing::any};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tower_ws_auth::ticket::{MemoryTickets, TicketLayer, TicketRequest, Tickets};
use tower_ws_auth::{
    Authenticated, CloseFrameLayer, LeaseLayer, MissingOrigin, OriginLayer, Origins, RedactLayer,
    Rejection, RejectionKind,
};

#[derive(Clone, Serialize, Deserialize)]
struct User {
    name: String,
}

/// What your application has already.
async fn my_own(mut request: Request, next: Next) -> Response {
    let key = request.headers().get("x-api-key");
    let name = match key.and_then(|key| key.to_str().ok()) {
        Some("k-ada") => "ada".to_owned(),
        _ => return StatusCode::UNAUTHORIZED.into_response(),
    };
    request.extensions_mut().insert(User { name });
    next.run(request).await
}

async fn chat(upgrade: WebSocketUpgrade, user: Authenticated<User>) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        let _ = socket.send(format!("hello {}", user.name).into()).await;
        while let Some(Ok(_message)) = socket.recv().await {}
    })
}

pub async fn serve(listener: TcpListener) -> Result<(), BoxError> {
    let tickets: Tickets<User> = Tickets::builder(MemoryTickets::new()).build()?;
    let endpoint = tickets.endpoint(|head, mint_request| {
        let missing = || Rejection::new(RejectionKind::CredentialsMissing, "no middleware");
        let user: &User = head.extensions.get().ok_or_else(missing)?;
        Ok(TicketRequest::new(user.clone(), mint_request.into_purpose()).subject(&user.name))
    });
    let guard = (
        CloseFrameLayer::new(),
        OriginLayer::new(Origins::new(["https://app.example"])?, MissingOrigin::Allow),
        TicketLayer::new(tickets.strategy()),
        LeaseLayer::expiry_only(),
    );
    let app = Router::new()
        .route_service("/ticket", endpoint)
        .route_layer(from_fn(my_own))
        .route("/ws", any(chat).layer(guard))
        .layer(RedactLayer::new(["ticket"], ["/ws"])?);
    axum::serve(listener, app).await?;
    Ok(())
}
