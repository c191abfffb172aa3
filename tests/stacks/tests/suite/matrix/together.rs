//! All of them at once, as people have them.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use http::StatusCode;
use stacks_tests::{accepts, auth, bare_echo, close, echo, lease, origin, refuses};
use stacks_tests::{serve, serve_hyper};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::CorsLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

fn timeout() -> TimeoutLayer {
    TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_secs(20))
}

#[tokio::test]
async fn one_builder_with_all_of_them_outside() {
    let stack = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(CatchPanicLayer::new())
        .layer(CorsLayer::very_permissive())
        .layer(CompressionLayer::new())
        .layer(timeout())
        .layer(close())
        .layer(other!(governor))
        .layer(origin())
        .layer(auth())
        .layer(lease());
    let app = Router::new().route("/ws", any(echo).layer(stack.clone()));
    let address = serve(app).await.unwrap();
    accepts(address).await.unwrap();
    refuses(address).await.unwrap();

    let address = serve_hyper(stack.service_fn(bare_echo::<Body>)).await;
    let address = address.unwrap();
    accepts(address).await.unwrap();
    refuses(address).await.unwrap();
}

#[tokio::test]
async fn all_of_them_inside() {
    let stack = ServiceBuilder::new()
        .layer(close())
        .layer(origin())
        .layer(auth())
        .layer(lease())
        .layer(TraceLayer::new_for_http())
        .layer(CompressionLayer::new())
        .layer(CorsLayer::very_permissive())
        .layer(CatchPanicLayer::new())
        .layer(other!(governor));
    let app = Router::new().route("/ws", any(echo)).layer(stack);
    let address = serve(app).await.unwrap();
    accepts(address).await.unwrap();
    refuses(address).await.unwrap();
}

#[tokio::test]
async fn calls_of_router_layer_from_the_inside_out() {
    let app = Router::new()
        .route("/ws", any(echo))
        .layer(lease())
        .layer(auth())
        .layer(origin())
        .layer(close())
        .layer(timeout())
        .layer(CompressionLayer::new())
        .layer(CorsLayer::very_permissive())
        .layer(CatchPanicLayer::new())
        .layer(TraceLayer::new_for_http());
    let address = serve(app).await.unwrap();
    accepts(address).await.unwrap();
    refuses(address).await.unwrap();
}
