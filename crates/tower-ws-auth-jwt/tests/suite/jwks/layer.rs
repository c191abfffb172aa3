//! A handshake that waits for its key.

use std::convert::Infallible;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use serde_json::Value;
use test_support::handshake;
use tower::{Layer as _, ServiceExt as _};
use tower_ws_auth_core::{AuthLayer, Authenticate, Authenticated, Rejection};

use super::keys::{Pair, set};
use super::server::{Reply, Server, jwt};

/// Status and rejection.
async fn call<A>(strategy: A, token: &str) -> (u16, &'static str)
where
    A: Authenticate<Identity = Value>,
{
    let inner = tower::service_fn(|request: Request<()>| {
        let identity = request.extensions().get::<Authenticated<Value>>();
        assert!(identity.is_some());
        async { Ok::<_, Infallible>(Response::new(())) }
    });
    let request = handshake::request(&format!("/ws?token={token}"));
    let service = AuthLayer::new(strategy).layer(inner);
    let response = service.oneshot(request.body(()).unwrap()).await.unwrap();
    let rejection = response.extensions().get::<Rejection>();
    let token = rejection.map_or("", Rejection::reason);
    (response.status().as_u16(), token)
}

async fn late() -> Server {
    let server = Server::start().await;
    let pause = Duration::from_millis(100);
    server.publish("/jwks", Reply::Late(pause, set([Pair::P256.jwk("a")])));
    server
}

#[tokio::test]
async fn it_is_accepted_or_refused_when_the_keys_have_come() {
    let server = late().await;
    for (pair, expected) in [
        (Pair::P256, (StatusCode::OK.as_u16(), "")),
        (Pair::Ed, (401, "token_invalid")),
    ] {
        let jwks = server.jwks().start().unwrap();
        assert_eq!(call(jwt(jwks), &pair.token("a")).await, expected);
    }
    server.publish("/jwks", Reply::Status(500));
    let jwks = server.jwks().start().unwrap();
    let unavailable = (503, "unavailable");
    assert_eq!(call(jwt(jwks), &Pair::P256.token("a")).await, unavailable);
}

#[cfg(feature = "single-use")]
#[tokio::test]
async fn a_single_use_token_waits_and_is_used_up_once() {
    use std::sync::Arc;
    use tower_ws_auth_core::Clock;
    use tower_ws_auth_jwt::Jwt;
    use tower_ws_auth_ticket::MemoryTickets;

    let server = late().await;
    let minute = Duration::from_secs(60);
    let store = MemoryTickets::builder()
        .max_ttl(2 * minute)
        .build()
        .unwrap();
    let store = Arc::new(store);
    let now = Clock::system().unix_seconds();
    let token = |jti| {
        let claims = serde_json::json!({ "iss": "a", "jti": jti, "exp": now + 30 });
        Pair::P256.signed(Some("a"), &claims)
    };
    let (token, other) = (token("1"), token("2"));
    let strategy = |issuer| {
        let jwks = server.jwks().issuer(issuer).start().unwrap();
        let jwt = Jwt::builder(jwks).max_lifetime(minute).build().unwrap();
        jwt.single_use(store.clone()).unwrap()
    };
    // Of the keys' issuer only.
    assert_eq!(call(strategy("b"), &token).await, (401, "token_invalid"));
    assert_eq!(call(strategy("a"), &token).await, (200, ""));
    assert_eq!(call(strategy("a"), &token).await, (401, "token_invalid"));
    assert_eq!(call(strategy("a"), &other).await, (200, ""));
}
