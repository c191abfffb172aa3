use axum::Router;
use axum::routing::any;
use http_body_util::Empty;
use socket_tests::Claims;
use stacks_tests::{accepts, bare_echo, echo as chat, refuses, serve, serve_hyper};
use tower::{ServiceBuilder, service_fn};
use tower_ws_auth::jwt::{Jwt, JwtLayer};
use tower_ws_auth::{AuthLayer, CloseFrameLayer, LeaseLayer, MissingOrigin, OriginLayer, Origins};

use super::{jwt, origins};

type Guard = (CloseFrameLayer, OriginLayer, JwtLayer<Claims>, LeaseLayer);

fn guard(jwt: Jwt<Claims>, origins: Origins) -> Guard {
    (
        CloseFrameLayer::new(),
        OriginLayer::new(origins, MissingOrigin::Allow),
        AuthLayer::new(jwt),
        LeaseLayer::expiry_only(),
    )
}

#[tokio::test]
async fn guards_a_route_a_router_and_a_fallback_alike() {
    let guard = guard(jwt(), origins());
    let routes = || Router::new().route("/ws", any(chat));
    for app in [
        Router::new().route("/ws", any(chat).layer(guard.clone())),
        routes().route_layer(guard.clone()),
        routes().layer(guard.clone()),
        Router::new().fallback_service(
            ServiceBuilder::new()
                .layer(guard.clone())
                .service(any(chat)),
        ),
    ] {
        let address = serve(app).await.unwrap();
        accepts(address).await.unwrap();
        refuses(address).await.unwrap();
    }
}

#[tokio::test]
async fn guards_a_service_without_axum() {
    let service = tower::Layer::layer(
        &guard(jwt(), origins()),
        service_fn(bare_echo::<Empty<bytes::Bytes>>),
    );
    let address = serve_hyper(service).await.unwrap();
    accepts(address).await.unwrap();
    refuses(address).await.unwrap();
}
