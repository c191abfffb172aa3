use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response, StatusCode};
use serde_json::Value;
use test_support::handshake::request as handshake;
use tower::{Layer as _, ServiceExt as _};
use tower_ws_auth_core::credential::{Carriers, SubprotocolFormat};
use tower_ws_auth_core::{
    AllowedOrigin, Authenticate as _, Authenticated, Clock, Rejection, Validity,
};
use tower_ws_auth_jwt::{Jwt, JwtLayer};

use crate::support::*;

/// Status, rejection, how often the inner service was called.
async fn call(jwt: Jwt<Value>, request: http::request::Builder) -> (StatusCode, String, usize) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let inner = tower::service_fn(move |request: Request<()>| {
        counter.fetch_add(1, Ordering::SeqCst);
        let extensions = request.extensions();
        assert!(extensions.get::<Authenticated<Value>>().is_some());
        let until = extensions.get::<Validity>().unwrap().end();
        assert_eq!(until, Some(Clock::at(NOW + 60)));
        assert!(!format!("{request:?}").contains("eyJ"));
        async { Ok::<_, Infallible>(Response::new(())) }
    });
    let service = JwtLayer::new(jwt).layer(inner);
    let response = service.oneshot(request.body(()).unwrap()).await.unwrap();
    let rejection = response.extensions().get::<Rejection>();
    let token = rejection.map_or("", Rejection::reason).to_owned();
    (response.status(), token, calls.load(Ordering::SeqCst))
}

const ACCEPTED: (StatusCode, String, usize) = (StatusCode::OK, String::new(), 1);

fn refused(status: StatusCode, token: &str) -> (StatusCode, String, usize) {
    (status, token.to_owned(), 0)
}

#[tokio::test]
async fn by_default_the_token_travels_in_the_query_or_as_bearer() {
    let query = handshake(&format!("/ws?token={}", good()));
    assert_eq!(call(jwt(), query).await, ACCEPTED);
    let header = handshake("/ws").header("authorization", format!("Bearer {}", good()));
    assert_eq!(call(jwt(), header).await, ACCEPTED);
    let elsewhere = handshake(&format!("/ws?access_token={}", good()));
    let missing = refused(StatusCode::UNAUTHORIZED, "credentials_missing");
    assert_eq!(call(jwt(), elsewhere).await, missing);
}

#[tokio::test]
async fn other_carriers_replace_the_default() {
    let carriers = || {
        Carriers::builder()
            .query_bearer("Authorization")
            .subprotocol(SubprotocolFormat::Phoenix)
            .build()
            .unwrap()
    };
    let jwt = || builder().carriers(carriers()).build().unwrap();
    let query = handshake(&format!("/ws?Authorization=Bearer+{}", good()));
    assert_eq!(call(jwt(), query).await, ACCEPTED);
    let entry = format!("phoenix, base64url.bearer.phx.{}", b64(good()));
    let subprotocol = handshake("/ws").header("sec-websocket-protocol", entry);
    assert_eq!(call(jwt(), subprotocol).await, ACCEPTED);
    let default = handshake(&format!("/ws?token={}", good()));
    let missing = refused(StatusCode::UNAUTHORIZED, "credentials_missing");
    assert_eq!(call(jwt(), default).await, missing);
}

#[tokio::test]
async fn a_refused_token_never_reaches_the_service() {
    for (token, reason) in [
        (claims(r#"{"exp":1}"#), "token_expired"),
        (claims(r#"{"exp":1e11,"nbf":1e10}"#), "token_not_yet_valid"),
        (good().replace("eyJ", "eyK"), "token_invalid"),
        ("no-token".to_owned(), "token_invalid"),
    ] {
        let request = handshake(&format!("/ws?token={token}"));
        let expected = refused(StatusCode::UNAUTHORIZED, reason);
        assert_eq!(call(jwt(), request).await, expected);
    }
    let long = handshake(&format!("/ws?token={}", "a".repeat(60_000)));
    let malformed = refused(StatusCode::BAD_REQUEST, "credentials_malformed");
    assert_eq!(call(jwt(), long).await, malformed);
}

#[test]
fn a_token_in_a_cookie_is_ambient_and_one_in_the_query_is_not() {
    let carriers = Carriers::builder().query("token").cookie("jwt").build();
    let jwt = builder().carriers(carriers.unwrap()).build().unwrap();
    for (uri, cookie, ambient) in [("/?token=a", "", false), ("/", "jwt=a", true)] {
        let request = Request::get(uri).header("cookie", cookie);
        let origin = AllowedOrigin::vouch_for("https://app.example".parse().unwrap());
        let mut head = request.extension(origin).body(()).unwrap().into_parts().0;
        let credential = jwt.take(&mut head).unwrap().unwrap();
        assert_eq!(credential.is_ambient(), ambient);
    }
}
