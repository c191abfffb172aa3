//! Five routes and three strategies: a page, a login, tickets for the logged-in, sockets for people
//! by ticket or token, and sockets for machines by token alone.

use axum::extract::{Form, Request, State, ws::WebSocketUpgrade};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{BoxError, Router};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tower::Layer;
use tower_ws_auth::jwt::{Jwt, Key};
use tower_ws_auth::session::{MemorySessions, Secrets, SessionError, Sessions, SetCookie};
use tower_ws_auth::ticket::{MemoryTickets, TicketRequest, Tickets};
use tower_ws_auth::{
    AuthLayer, AuthenticateExt, Authenticated, CloseFrameLayer, LeaseLayer, MissingOrigin,
    OriginLayer, Origins, RedactLayer, Rejection, RejectionKind,
};

#[derive(Clone, Serialize, Deserialize)]
struct User {
    sub: String,
}

/// Once the password is checked.
async fn log_in(
    sessions: State<Sessions<User>>,
    user: Form<User>,
) -> Result<SetCookie, SessionError> {
    Ok(sessions.create(&user).await?.1.into())
}

async fn chat(upgrade: WebSocketUpgrade, user: Authenticated<User>) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        let _ = socket.send(format!("hello {}", user.sub).into()).await;
        while let Some(Ok(_message)) = socket.recv().await {}
    })
}

/// A middleware of axum inside of a guard: it sees who was admitted.
async fn machines(user: Authenticated<User>, request: Request, next: Next) -> Response {
    if user.sub.starts_with("machine:") {
        return next.run(request).await;
    }
    StatusCode::FORBIDDEN.into_response()
}

pub async fn serve(listener: TcpListener, secret: &str) -> Result<(), BoxError> {
    let origins = Origins::new(["https://app.example"])?;
    let jwt = Jwt::<User>::builder(Key::hs256(secret)?).build()?;
    let tickets: Tickets<User> = Tickets::builder(MemoryTickets::new()).build()?;
    let (secrets, store) = (Secrets::express([secret])?, MemorySessions::new(100_000));
    let sessions: Sessions<User> = Sessions::builder(secrets, store).build()?;

    let session = sessions.strategy(origins.clone(), |user: &User| Some(user.clone()));
    let mint = tickets.endpoint(|head, mint_request| {
        let missing = || Rejection::new(RejectionKind::CredentialsMissing, "no AuthLayer");
        let user: &Authenticated<User> = head.extensions.get().ok_or_else(missing)?;
        let request = TicketRequest::new(User::clone(user), mint_request.into_purpose());
        Ok(request.subject(&user.sub))
    });
    let pages = OriginLayer::new(origins.clone(), MissingOrigin::Refuse);
    let mint = (pages.clone(), AuthLayer::new(session).any_request()).layer(mint);

    // A 403, 429 or 503 of another layer or of a handler becomes a close frame too.
    let close = CloseFrameLayer::new().convert_error_responses();
    let sockets = (close, OriginLayer::new(origins, MissingOrigin::Allow));
    let lease = LeaseLayer::expiry_only();
    let people = AuthLayer::new(jwt.clone().or(tickets.strategy()));
    let people = (sockets.clone(), people, lease.clone());
    let only_machines = (sockets, AuthLayer::new(jwt), lease, from_fn(machines));

    let app = Router::new()
        .route("/", get(async || "the page"))
        .route("/login", post(log_in).layer(pages))
        .route_service("/ticket", mint)
        .route("/ws", any(chat).layer(people))
        .route("/machines", any(chat).layer(only_machines))
        .layer(RedactLayer::new(["token", "ticket"], ["/ws", "/machines"])?)
        .with_state(sessions);
    axum::serve(listener, app).await?;
    Ok(())
}
