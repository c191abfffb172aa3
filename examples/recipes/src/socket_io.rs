//! Socket.IO (socketioxide): polling and WebSocket behind one guard, a namespace for administrators,
//! and a logout that ends both.

use std::time::Duration;

use axum::extract::{Form, State};
use axum::{BoxError, Router, routing::post};
use serde::{Deserialize, Serialize};
use socketioxide::extract::{HttpExtension, SocketRef};
use socketioxide::{SocketIo, handler::ConnectHandler};
use tokio::net::TcpListener;
use tower::Layer;
use tower_ws_auth::session::{
    CurrentSession, MemorySessions, Secrets, SessionError, SessionLayer, Sessions, SetCookie,
};
use tower_ws_auth::{
    Authenticated, ClientProtocol, CloseFrameLayer, LeaseLayer, MemoryRevocations, MissingOrigin,
    OriginLayer, Origins, PollingLayer, Revocations,
};

#[derive(Clone, Serialize, Deserialize)]
struct User {
    name: String,
}

/// Once the password is checked.
async fn log_in(
    sessions: State<Sessions<User>>,
    user: Form<User>,
) -> Result<SetCookie, SessionError> {
    Ok(sessions.create(&user).await?.1.into())
}

/// Ends the session, with its polls and sockets.
async fn log_out(session: CurrentSession<User>) -> Result<SetCookie, SessionError> {
    session.end().await
}

async fn connected(socket: SocketRef, user: HttpExtension<Authenticated<User>>) {
    let _ = socket.emit("hello", &user.0.name);
}

/// The error is the `message` of the client's `connect_error`.
async fn only_root(user: HttpExtension<Authenticated<User>>) -> Result<(), &'static str> {
    match user.0.name.as_str() {
        "root" => Ok(()),
        _ => Err("forbidden"),
    }
}

pub async fn serve(listener: TcpListener, secret: &str) -> Result<(), BoxError> {
    let two_weeks = Duration::from_secs(14 * 24 * 3600);
    let revocations = Revocations::new(MemoryRevocations::new(two_weeks, 100_000));
    let (secrets, store) = (Secrets::express([secret])?, MemorySessions::new(100_000));
    let sessions: Sessions<User> = Sessions::builder(secrets, store)
        .revocations(revocations.clone())
        .build()?;
    let origins = Origins::new(["https://app.example"])?;
    let session = sessions.strategy(origins.clone(), |user: &User| Some(user.clone()));
    // The first poll of a page has no `Origin`; its browser says that it comes from the same one.
    let pages = OriginLayer::new(origins, MissingOrigin::AllowSameOrigin);
    let protocol = ClientProtocol::socket_io_namespaces(["/admin"]);
    let guard = (
        CloseFrameLayer::new().client_protocol(protocol.clone()),
        pages.clone(),
        // A poll is no handshake.
        SessionLayer::new(session).any_request(),
        LeaseLayer::new(revocations).client_protocol(protocol),
        // Binds each session of Socket.IO to its user.
        PollingLayer::new(secret, |user: &User| user.name.clone())?,
    );
    let (socket_io, io) = SocketIo::new_layer();
    io.ns("/", connected);
    io.ns("/admin", connected.with(only_root));
    let socket_io = guard.layer(socket_io.layer(Router::<()>::new()));
    let app = Router::new()
        .route("/login", post(log_in).layer(pages.clone()))
        .route("/logout", post(log_out).layer(pages))
        .route_service("/socket.io/", socket_io)
        .with_state(sessions);
    axum::serve(listener, app).await?;
    Ok(())
}
