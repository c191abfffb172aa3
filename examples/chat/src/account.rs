//! Login and logout over ordinary HTTP, and the credentials that a session can mint.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, OptionalFromRequest, Request, State};
use axum::http::header::{CACHE_CONTROL, CONNECTION, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::timeout;
use tower_ws_auth::session::SessionError;
use tower_ws_auth::ticket::{MintRequest, TicketRequest};
use tower_ws_auth::{
    Authenticated, DisconnectReason, Rejection, RejectionKind, StoreError, Validity,
};

use crate::app::App;
use crate::protocol::{MAX_NAME, object};
use crate::user::{Known, Record, is_name, revocation_key};

#[derive(Deserialize)]
pub(crate) struct Login {
    user: String,
}

/// There is no password, because this program demonstrates the handshake.
pub(crate) async fn login(
    State(app): State<App>,
    headers: HeaderMap,
    Asked(Login { user }): Asked<Login>,
) -> Result<Response, Failed> {
    if !is_name(&user) {
        return Ok(refuse("user_malformed"));
    }
    let sessions = &app.credentials.sessions;
    let (_, cookie) = sessions.create(&Record { user: Some(user) }).await?;
    // The session of the old cookie ends.
    if let Some(id) = sessions.signed_id(&headers) {
        sessions.destroy(&id).await?;
    }
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response())
}

pub(crate) async fn logout(State(app): State<App>, headers: HeaderMap) -> Result<Response, Failed> {
    let sessions = &app.credentials.sessions;
    let cookie = match sessions.signed_id(&headers) {
        Some(id) => sessions.destroy(&id).await?,
        None => sessions.removal_cookie(),
    };
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response())
}

/// Completes the work even if the client leaves half way.
async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Failed>> + Send + 'static,
) -> Result<T, Failed> {
    let lost = |_| {
        Failed(Rejection::new(
            RejectionKind::Unavailable,
            "the work was lost",
        ))
    };
    tokio::spawn(work).await.map_err(lost)?
}

#[derive(Deserialize)]
pub(crate) struct Revoke {
    user: String,
}

/// Revokes all credentials of a user: tokens, tickets and sessions.
pub(crate) async fn revoke(
    State(app): State<App>,
    user: Authenticated<Known>,
    Asked(Revoke { user: revoked }): Asked<Revoke>,
) -> Result<Response, Failed> {
    if revoked != user.user {
        let other = "a user revokes what is their own";
        let rejection = Rejection::new(RejectionKind::Forbidden, other);
        return Err(Failed(rejection));
    }
    to_the_end(async move {
        let key = revocation_key(&revoked);
        let revocations = app.credentials.revocations;
        revocations.revoke(&key, DisconnectReason::Revoked).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

#[derive(Default, Deserialize)]
pub(crate) struct TokenRequest {
    /// In seconds.
    ttl: Option<u64>,
}

const AN_HOUR: u64 = 3600;

/// A JWT for the session's user. It inherits the session's validity, because the session may have
/// ended before the body arrives.
pub(crate) async fn token(
    State(app): State<App>,
    user: Authenticated<Known>,
    validity: Validity,
    mint_request: Option<Asked<TokenRequest>>,
) -> Response {
    let ttl = mint_request
        .and_then(|Asked(mint_request)| mint_request.ttl)
        .unwrap_or(AN_HOUR);
    if !(1..=24 * AN_HOUR).contains(&ttl) {
        return refuse("ttl_out_of_range");
    }
    match app.credentials.tokens.issue(&user.user, ttl, &validity) {
        Ok((token, expires_at)) => {
            let answer = Json(json!({ "token": token, "expires_at": expires_at }));
            ([(CACHE_CONTROL, "no-store")], answer).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "no token could be signed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// 400 with a fixed text, which repeats nothing of the request.
fn refuse(token: &'static str) -> Response {
    refuse_as(StatusCode::BAD_REQUEST, token)
}

fn refuse_as(status: StatusCode, token: &'static str) -> Response {
    (status, [(CACHE_CONTROL, "no-store")], token).into_response()
}

/// The time limit for the body of a request.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(10);

fn too_late(version: Version) -> Response {
    let mut refusal = refuse_as(StatusCode::REQUEST_TIMEOUT, "request_timeout");
    // RFC 9110 §15.5.9. HTTP/2 has no such field.
    if version <= Version::HTTP_11 {
        let close = HeaderValue::from_static("close");
        refusal.headers_mut().insert(CONNECTION, close);
    }
    refusal
}

/// A JSON object of any content type. As an `Option` it is `None` without a body.
pub(crate) struct Asked<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Asked<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let asked = Option::<Self>::from_request(request, state).await?;
        asked.ok_or_else(|| refuse("request_malformed"))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for Asked<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Response> {
        let version = request.version();
        let body = timeout(BODY_TIMEOUT, Bytes::from_request(request, state)).await;
        let body = body.map_err(|_| too_late(version))?;
        let body = body.map_err(|error| match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                refuse_as(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large")
            }
            _ => refuse("request_malformed"),
        })?;
        if body.is_empty() {
            return Ok(None);
        }
        let asked = object(&body).ok_or_else(|| refuse("request_malformed"))?;
        Ok(Some(Self(asked)))
    }
}

/// Decides about the ticket of a session's user: for a socket, or for the join of one channel. It
/// is a bearer credential, so the user can hand it to a guest.
pub(crate) fn order(
    head: &Parts,
    mint_request: MintRequest,
) -> Result<TicketRequest<Known>, Rejection> {
    let forbidden = |detail| Rejection::new(RejectionKind::Forbidden, detail);
    let channel = mint_request.channel.as_ref();
    // An empty name is an unset variable, not a request for a whole socket.
    if channel.is_some_and(|channel| channel.is_empty() || channel.len() > MAX_NAME) {
        return Err(forbidden("no channel has such a name"));
    }
    let user = head.extensions.get::<Authenticated<Known>>();
    let user = user
        .ok_or_else(|| forbidden("nobody is logged in"))?
        .clone()
        .into_inner();
    let key = revocation_key(&user.user);
    Ok(
        TicketRequest::new(user.clone(), mint_request.into_purpose())
            .subject(user.user)
            .revocable_by(key),
    )
}

/// A failure, usually of a store that does not answer: 503.
pub(crate) struct Failed(Rejection);

impl From<SessionError> for Failed {
    fn from(error: SessionError) -> Self {
        Self(error.into_rejection())
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        let detail = "the store of revocations failed";
        Self(Rejection::new(RejectionKind::Unavailable, detail).with_source(error))
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let rejection = self.0;
        tracing::warn!(%rejection, "a request failed");
        let status = rejection.status();
        (status, [(CACHE_CONTROL, "no-store")], rejection.reason()).into_response()
    }
}
