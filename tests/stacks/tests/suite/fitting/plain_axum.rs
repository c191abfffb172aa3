use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{any, get};
use http::{HeaderValue, StatusCode};
use socket_tests::{Answer, Claims, end_of, token};
use stacks_tests::{APP, EVIL, accepts, browser, browser_at, echo as chat, refuses, serve};
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_governor::GovernorLayer;
use tower_governor::governor::GovernorConfigBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::CorsLayer;
use tower_http::map_response_body::MapResponseBodyLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;
use tower_ws_auth::jwt::Jwt;
use tower_ws_auth::{
    AuthLayer, CloseFrameLayer, LeaseLayer, MissingOrigin, OriginLayer, Origins, RedactLayer,
};

use super::{BoxError, index, jwt, origins, request};

fn app(jwt: Jwt<Claims>, origins: Origins) -> Result<Router, BoxError> {
    // Ten attempts at once from one address, and then one a second.
    let attempts = GovernorConfigBuilder::default()
        .per_second(1)
        .burst_size(10)
        .finish();
    let sockets = ServiceBuilder::new()
        .layer(CloseFrameLayer::new().convert_error_responses())
        .layer(OriginLayer::new(origins, MissingOrigin::Allow))
        .layer(GovernorLayer::new(attempts.ok_or("a limit of zero")?))
        // A limiter makes its 429 from axum's body, and wants to find that inside.
        .layer(MapResponseBodyLayer::new(Body::new))
        .layer(AuthLayer::new(jwt))
        .layer(LeaseLayer::expiry_only());

    Ok(Router::new()
        .route("/ws", any(chat).layer(sockets))
        .route("/", get(index))
        // From here on everybody's layers, the last one outermost.
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            Duration::from_secs(10),
        ))
        .layer(CompressionLayer::new())
        .layer(CorsLayer::new().allow_origin(HeaderValue::from_static("https://app.example")))
        .layer(CatchPanicLayer::new())
        .layer(TraceLayer::new_for_http())
        .layer(RedactLayer::new(["token"], ["/ws"])?))
}

/// With the addresses of the peers, by which the limiter counts.
async fn run(listener: TcpListener, app: Router) -> std::io::Result<()> {
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app).await
}

#[tokio::test]
async fn accepts_and_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(run(listener, app(jwt(), origins()).unwrap()));
    accepts(address).await.unwrap();
    refuses(address).await.unwrap();
}

#[tokio::test]
async fn a_foreign_page_learns_nothing() {
    let address = serve(app(jwt(), origins()).unwrap()).await.unwrap();
    for token in [token(60), token(-3600)] {
        let target = format!("/ws?token={token}");
        let opened = browser_at(address, &target, &[("origin", EVIL)]).await;
        assert_eq!(end_of(opened).await, Answer::http(403, "origin_denied"));
    }
}

#[tokio::test]
async fn the_eleventh_attempt_in_a_second_reads_4429() {
    let address = serve(app(jwt(), origins()).unwrap()).await.unwrap();
    let query = format!("?token={}", token(60));
    for _ in 0..10 {
        browser(address, &query).await.unwrap();
    }
    let answer = end_of(browser(address, &query).await).await;
    assert_eq!(answer, Answer::closed(4429, "rate_limited"));
}

#[tokio::test]
async fn an_open_connection_ends_with_its_token() {
    let address = serve(app(jwt(), origins()).unwrap()).await.unwrap();
    let client = browser(address, &format!("?token={}", token(1))).await;
    assert_eq!(end_of(client).await, Answer::closed(4401, "token_expired"));
}

#[tokio::test]
async fn other_routes_are_unchanged() {
    let address = serve(app(jwt(), origins()).unwrap()).await.unwrap();
    let lines = format!("Origin: {APP}\r\nAccept-Encoding: gzip\r\n");
    let answer = request(address, "GET /?token=mine", &lines).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("content-encoding: gzip\r\n"), "{answer}");
    let allowed = format!("access-control-allow-origin: {APP}\r\n");
    assert!(answer.contains(&allowed), "{answer}");
}
