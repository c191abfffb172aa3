//! Session login with Redis: a cookie for pages and sockets on every node, and a logout that ends
//! the sockets.

use std::time::Duration;

use axum::extract::{Form, State, ws::WebSocketUpgrade};
use axum::routing::{any, post};
use axum::{BoxError, Router, response::Response};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tower_ws_auth::redis::{Redis, RedisRevocations, RedisSessions};
use tower_ws_auth::session::{CurrentSession, Secrets, SessionLayer, Sessions, SetCookie};
use tower_ws_auth::{
    Authenticated, CloseFrameLayer, LeaseLayer, MissingOrigin, OriginLayer, Origins, Rejection,
    RejectionKind, Revocations,
};

#[derive(Serialize, Deserialize)]
struct Record {
    user: String,
}

#[derive(Deserialize)]
struct Login {
    user: String,
    password: String,
}

async fn log_in(
    sessions: State<Sessions<Record>>,
    login: Form<Login>,
) -> Result<SetCookie, Rejection> {
    if (&*login.user, &*login.password) != ("ada", "hunter2") {
        return Err(Rejection::new(RejectionKind::Forbidden, "wrong password"));
    }
    let record = Record { user: login.0.user };
    let created = sessions.create(&record).await;
    Ok(created.map_err(|error| error.into_rejection())?.1.into())
}

async fn log_out(session: CurrentSession<Record>) -> Result<SetCookie, Rejection> {
    session.end().await.map_err(|error| error.into_rejection())
}

async fn chat(upgrade: WebSocketUpgrade, user: Authenticated<String>) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        let _ = socket.send(format!("hello {}", *user).into()).await;
        while let Some(Ok(_message)) = socket.recv().await {}
    })
}

pub async fn serve(listener: TcpListener, secret: &str, redis: &str) -> Result<(), BoxError> {
    let redis = Redis::connect(redis).await?;
    let two_weeks = Duration::from_secs(14 * 24 * 3600);
    let revocations = Revocations::new(RedisRevocations::new(redis.clone(), two_weeks));
    let sessions = Sessions::builder(Secrets::express([secret])?, RedisSessions::new(redis))
        .revocations(revocations.clone())
        .build()?;
    let origins = Origins::new(["https://app.example"])?;
    let strategy = sessions.strategy(origins.clone(), |record: &Record| Some(record.user.clone()));
    // Browsers send the cookie for any page: the page must be ours, for each of the routes.
    let pages = OriginLayer::new(origins, MissingOrigin::Refuse);
    let sockets = (
        CloseFrameLayer::new(),
        pages.clone(),
        SessionLayer::new(strategy),
        LeaseLayer::new(revocations),
    );
    let app = Router::new()
        .route("/login", post(log_in).layer(pages.clone()))
        .route("/logout", post(log_out).layer(pages))
        .route("/ws", any(chat).layer(sockets))
        .with_state(sessions);
    axum::serve(listener, app).await?;
    Ok(())
}
