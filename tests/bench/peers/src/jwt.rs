//! Rows 1 to 4. Each crate wraps the smallest possible service of its own stack.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRef, State};
use axum::routing::any;
use axum_jwt_auth::{Claims, Decoder, LocalDecoder};
use bench_suite::{Case, FourStrings, SECRET, handshake, now, token};
use http::{Request, Response, StatusCode};
use jwt_authorizer::{IntoLayer, JwtAuthorizer, Validation};
use serde::{Deserialize, Serialize};
use tower::{Layer, Service, service_fn};
use tower_oauth2_resource_server::server::OAuth2ResourceServer;
use tower_oauth2_resource_server::tenant::TenantConfiguration;

/// A rejected crate is visible in the table by its missing cases.
pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::call("axum-jwt-auth/bare", || {
            by_extractor(Some(true), false, StatusCode::OK)
        }),
        Case::call("axum-jwt-auth/good", || {
            by_extractor(Some(true), true, StatusCode::OK)
        }),
        Case::call("axum-jwt-auth/bad", || {
            by_extractor(Some(false), true, StatusCode::UNAUTHORIZED)
        }),
        Case::call("axum-jwt-auth/none", || {
            by_extractor(None, true, StatusCode::UNAUTHORIZED)
        }),
        Case::call("jwt-authorizer/bare", || {
            calls(service_fn(answer_07), Some(true), StatusCode::OK)
        }),
        Case::call("jwt-authorizer/good", || {
            by_authorizer(Some(true), StatusCode::OK)
        }),
        Case::call("jwt-authorizer/bad", || {
            by_authorizer(Some(false), StatusCode::UNAUTHORIZED)
        }),
        Case::call("jwt-authorizer/none", || {
            by_authorizer(None, StatusCode::UNAUTHORIZED)
        }),
        Case::call("oauth2/bare", || {
            calls(service_fn(answer), Some(true), StatusCode::OK)
        }),
        Case::call("oauth2/good", || {
            by_resource_server(Some(true), StatusCode::OK)
        }),
        Case::call("oauth2/bad", || {
            by_resource_server(Some(false), StatusCode::UNAUTHORIZED)
        }),
        Case::call("oauth2/none", || {
            by_resource_server(None, StatusCode::UNAUTHORIZED)
        }),
    ]
}

fn calls<S, B>(mut service: S, good: Option<bool>, expected: StatusCode) -> impl FnMut()
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    let token = good.map(token);
    move || {
        let request = handshake(token.as_deref());
        let response = now(service.call(request)).unwrap_or_else(|never| match never {});
        assert_eq!(response.status(), expected);
    }
}

async fn answer(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Body::empty()))
}

async fn answer_07(_: Request<Body>) -> Result<Response<axum_07::body::Body>, Infallible> {
    Ok(Response::new(axum_07::body::Body::empty()))
}

#[derive(Clone, FromRef)]
struct AppState {
    decoder: Decoder<FourStrings>,
}

fn by_extractor(good: Option<bool>, guarded: bool, expected: StatusCode) -> impl FnMut() {
    use jsonwebtoken_10::{Algorithm, DecodingKey, Validation};

    async fn handler(State(_): State<AppState>, user: Claims<FourStrings>) -> StatusCode {
        std::hint::black_box(user.claims);
        StatusCode::OK
    }
    async fn bare(State(_): State<AppState>) -> StatusCode {
        StatusCode::OK
    }
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&["https://issuer.example"]);
    // It does not start without one.
    validation.set_audience(&["chat"]);
    let decoder = LocalDecoder::builder()
        .keys(vec![DecodingKey::from_secret(SECRET.as_bytes())])
        .validation(validation)
        .build()
        .unwrap();
    let state = AppState {
        decoder: Arc::new(decoder),
    };
    let route = if guarded { any(handler) } else { any(bare) };
    let router: Router = Router::new().route("/ws", route).with_state(state);
    calls(router, good, expected)
}

fn by_authorizer(good: Option<bool>, expected: StatusCode) -> impl FnMut() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let authorizer = JwtAuthorizer::<FourStrings>::from_secret(SECRET)
        .validation(
            Validation::new()
                .iss(&["https://issuer.example"])
                .aud(&["chat"]),
        )
        .build();
    let layer = runtime.block_on(authorizer).unwrap().into_layer();
    calls(layer.layer(service_fn(answer_07)), good, expected)
}

/// It passes the claims on, which must be cloneable.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct All {
    sub: String,
    name: String,
    role: String,
    room: String,
}

/// It takes only an issuer's set of keys, which may contain a symmetric key.
fn by_resource_server(good: Option<bool>, expected: StatusCode) -> impl FnMut() {
    let key = base64_url(SECRET.as_bytes());
    let jwks = format!(r#"{{"keys":[{{"kty":"oct","alg":"HS256","kid":"2025-01","k":"{key}"}}]}}"#);
    let tenant = TenantConfiguration::static_builder(jwks)
        .audiences(&["chat"])
        .allowed_algorithms(&[jsonwebtoken_11::Algorithm::HS256])
        .build()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let server = <OAuth2ResourceServer<All>>::builder()
        .add_tenant(tenant)
        .build();
    let server = runtime.block_on(server).unwrap();
    calls(
        server.into_layer().layer(service_fn(answer)),
        good,
        expected,
    )
}

fn base64_url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
