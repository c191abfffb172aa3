//! The stack: what an application of your own would copy.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use axum::http::header::CACHE_CONTROL;
use axum::http::{Request, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{any, get};
use axum::{Json, Router};
use tokio_util::task::TaskTracker;
use tower::ServiceBuilder;
use tower_http::trace::{DefaultOnResponse, TraceLayer};
use tower_ws_auth::{
    AuthLayer, AuthenticateExt, CloseFrameLayer, MissingOrigin, OriginLayer, Origins,
};
use tracing::Level;

use crate::hub::Hub;
use crate::options::Options;
use crate::page;
use crate::socket::{self, User};
use crate::tokens::{Claims, Tokens};

pub(crate) fn router(
    options: &Options,
    address: SocketAddr,
    tokens: &Tokens,
    farewells: &TaskTracker,
) -> Result<Router, Box<dyn Error + Send + Sync>> {
    // Outside of the origin check and the strategy, whose rejections it converts.
    let tracker = farewells.clone();
    let mut close = CloseFrameLayer::new()
        .subprotocols(socket::SUBPROTOCOLS)
        .hold(Duration::from_millis(options.hold_ms))
        .spawn_with(move |farewell| {
            tracker.spawn(farewell);
        });
    if options.reject_message {
        close = close.first_message_json();
    }
    // Outside of the strategy: a foreign page does not learn whether a credential is good.
    let origin = OriginLayer::new(origins(options, address)?, MissingOrigin::Allow);
    // One strategy per route, innermost.
    let jwt = AuthLayer::new(tokens.strategy()?.map(User::from));

    let ws_jwt = ServiceBuilder::new().layer(close).layer(origin).layer(jwt);

    let tokens = tokens.clone();
    Ok(Router::new()
        .route("/ws/jwt", any(socket::open).layer(ws_jwt))
        .route("/demo-tokens", get(async move || demo_tokens(&tokens)))
        .merge(page::routes())
        .with_state(Hub::default())
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(span)
                .on_response(DefaultOnResponse::new().level(Level::INFO)),
        ))
}

/// Method and path, and never the query: that is where the tokens are.
fn span<B>(request: &Request<B>) -> tracing::Span {
    tracing::info_span!("request", method = %request.method(), path = request.uri().path())
}

fn origins(
    options: &Options,
    address: SocketAddr,
) -> Result<Origins, Box<dyn Error + Send + Sync>> {
    if !options.origin.is_empty() {
        let origins = Origins::new(options.origin.iter().map(String::as_str));
        return Ok(origins.map_err(|error| format!("--origin: {error}"))?);
    }
    let port = address.port();
    let own = [
        format!("http://127.0.0.1:{port}"),
        format!("http://localhost:{port}"),
        format!("http://{address}"),
    ];
    Ok(Origins::new(own.iter().map(String::as_str))?)
}

fn demo_tokens(tokens: &Tokens) -> impl IntoResponse + use<> {
    match tokens.demo() {
        Ok(tokens) => ([(CACHE_CONTROL, "no-store")], Json(tokens)).into_response(),
        Err(error) => {
            tracing::error!(%error, "no tokens for the page");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

impl From<Claims> for User {
    fn from(claims: Claims) -> Self {
        // As a cast does: whole seconds, and the ends of the range beyond them.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "saturates, which is what is wanted"
        )]
        let expires_at = claims.exp.floor() as i64;
        Self {
            name: claims.sub,
            via: "jwt",
            expires_at: Some(expires_at),
        }
    }
}
