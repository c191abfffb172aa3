//! Login, logout, a ban, and the token for `auth`, over ordinary HTTP.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_ws_auth::DisconnectReason;

use crate::{App, Record, User};

/// Yours checks a password here.
pub(crate) async fn login(State(app): State<App>, Json(user): Json<User>) -> Response {
    match app.sessions.create(&Record { user: Some(user) }).await {
        Ok((_, cookie)) => (StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// Ends the session, and every connection that it has opened.
pub(crate) async fn logout(State(app): State<App>, headers: HeaderMap) -> Response {
    let Some(id) = app.sessions.signed_id(&headers) else {
        return StatusCode::NO_CONTENT.into_response();
    };
    match app.sessions.destroy(&id).await {
        Ok(cookie) => (StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// Ends everything of a user. Yours is for operators alone.
pub(crate) async fn ban(State(app): State<App>, Json(user): Json<User>) -> StatusCode {
    let key = user.revocation_key();
    match app
        .revocations
        .revoke(&key, DisconnectReason::Revoked)
        .await
    {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

#[derive(Deserialize)]
pub(crate) struct TokenRequest {
    /// In seconds; a negative one makes a token that has expired.
    ttl: i64,
}

/// A token for the user of the session.
pub(crate) async fn token(
    State(app): State<App>,
    headers: HeaderMap,
    Json(TokenRequest { ttl }): Json<TokenRequest>,
) -> Result<Json<Value>, StatusCode> {
    let loaded = app.sessions.load(&headers).await;
    let loaded = loaded.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let user = loaded.and_then(|session| session.user.clone());
    let user = user.ok_or(StatusCode::UNAUTHORIZED)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.as_ref().map_or(0, Duration::as_secs);
    let claims = json!({ "name": user.name, "exp": now.saturating_add_signed(ttl) });
    let token = app.encoder.encode(&claims);
    let token = token.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(Json(json!({ "token": token })))
}
