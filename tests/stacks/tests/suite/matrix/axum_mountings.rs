//! The ways to mount layers in an axum app.

macro_rules! app {
    (router_layer, $stack:expr) => {
        stacks_tests::serve(
            axum::Router::new()
                .route("/ws", axum::routing::any(stacks_tests::echo))
                .layer($stack),
        )
    };
    (route_layer, $stack:expr) => {
        stacks_tests::serve(
            axum::Router::new()
                .route("/ws", axum::routing::any(stacks_tests::echo))
                .route_layer($stack),
        )
    };
    (per_route, $stack:expr) => {
        stacks_tests::serve(
            axum::Router::new().route("/ws", axum::routing::any(stacks_tests::echo).layer($stack)),
        )
    };
    (nested, $stack:expr) => {
        stacks_tests::serve(
            axum::Router::new().nest(
                "/ws",
                axum::Router::new()
                    .route("/", axum::routing::any(stacks_tests::echo))
                    .layer($stack),
            ),
        )
    };
    (fallback, $stack:expr) => {
        stacks_tests::serve(
            axum::Router::new()
                .fallback(stacks_tests::echo)
                .layer($stack),
        )
    };
}

cells!(app, router_layer);
cells!(app, route_layer);
cells!(app, per_route);
cells!(app, nested);
cells!(app, fallback);
