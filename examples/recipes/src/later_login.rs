//! Anonymous first: a reader needs no token, and logs in later on the open connection.

use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::{BoxError, Extension, Router, response::Response, routing::any};
use tokio::net::TcpListener;
use tower_ws_auth::jwt::{Jwt, Key};
use tower_ws_auth::{
    AuthLayer, AuthenticateExt, Authenticated, CloseFrameLayer, Lease, LeaseLayer, MissingOrigin,
    OriginLayer, Origins, RedactLayer,
};

#[derive(Clone, serde::Deserialize)]
struct Claims {
    sub: String,
}

async fn news(
    upgrade: WebSocketUpgrade,
    user: Authenticated<Option<Claims>>,
    lease: Lease,
    Extension(jwt): Extension<Jwt<Claims>>,
) -> Response {
    let mut user = user.into_inner().map(|claims| claims.sub);
    upgrade.on_upgrade(async move |mut socket| {
        while let Some(Ok(Message::Text(text))) = socket.recv().await {
            let answer = match (text.strip_prefix("login "), &user) {
                (Some(token), known) => {
                    // From here on the connection ends with this token. A user stays who they are.
                    let same = |claims: &Claims| known.as_ref().is_none_or(|id| *id == claims.sub);
                    let renewed = match jwt.verify_token(token) {
                        Ok(grant) => lease.renew(grant, same).await,
                        Err(rejection) => Err(rejection),
                    };
                    match renewed {
                        Ok(claims) => format!("hello {}", user.insert(claims.sub)),
                        Err(rejection) => rejection.reason().to_owned(),
                    }
                }
                (None, Some(name)) => format!("{name} wrote {text}"),
                (None, None) => "log in to write".to_owned(),
            };
            if socket.send(answer.into()).await.is_err() {
                return;
            }
        }
    })
}

pub async fn serve(listener: TcpListener, secret: &str) -> Result<(), BoxError> {
    let jwt = Jwt::<Claims>::builder(Key::hs256(secret)?).build()?;
    let guard = (
        CloseFrameLayer::new(),
        OriginLayer::new(Origins::new(["https://app.example"])?, MissingOrigin::Allow),
        // No token passes as `None`. A bad one is still refused.
        AuthLayer::new(jwt.clone().optional()),
        LeaseLayer::expiry_only(),
    );
    let app = Router::new()
        .route("/news", any(news).layer(guard))
        .layer(Extension(jwt))
        .layer(RedactLayer::new(["token"], ["/news"])?);
    axum::serve(listener, app).await?;
    Ok(())
}
