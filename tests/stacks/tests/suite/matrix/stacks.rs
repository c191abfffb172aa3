//! The axes of the matrix. They are macros, because every cell has its own type: a cell first
//! proves that it compiles.

/// A third-party layer.
macro_rules! other {
    (trace) => {
        tower_http::trace::TraceLayer::new_for_http()
    };
    (compression) => {
        tower_http::compression::CompressionLayer::new()
    };
    (timeout) => {
        tower_http::timeout::TimeoutLayer::with_status_code(
            http::StatusCode::REQUEST_TIMEOUT,
            std::time::Duration::from_secs(20),
        )
    };
    (cors) => {
        tower_http::cors::CorsLayer::very_permissive()
    };
    (governor) => {
        // It makes its refusals from axum's body, so that is what has to stand inside of it.
        tower::ServiceBuilder::new()
            .layer(tower_governor::GovernorLayer::new(
                tower_governor::governor::GovernorConfigBuilder::default()
                    .burst_size(1000)
                    .key_extractor(tower_governor::key_extractor::GlobalKeyExtractor)
                    .finish()
                    .unwrap(),
            ))
            .layer(tower_http::map_response_body::MapResponseBodyLayer::new(
                axum::body::Body::new,
            ))
            .into_inner()
    };
    (catch_panic) => {
        tower_http::catch_panic::CatchPanicLayer::new()
    };
    (headers) => {
        tower::ServiceBuilder::new()
            .layer(tower_http::propagate_header::PropagateHeaderLayer::new(
                http::header::ACCEPT_LANGUAGE,
            ))
            .layer(tower_http::set_header::SetResponseHeaderLayer::overriding(
                http::header::SERVER,
                http::HeaderValue::from_static("test"),
            ))
            .into_inner()
    };
}

/// Ours, with that layer at a place among them.
macro_rules! stack {
    (outside, $other:ident, $close:expr) => {
        tower::ServiceBuilder::new()
            .layer(other!($other))
            .layer(stacks_tests::redact().unwrap())
            .layer($close)
            .layer(stacks_tests::origin())
            .layer(stacks_tests::auth())
            .layer(stacks_tests::lease())
    };
    (between, $other:ident, $close:expr) => {
        tower::ServiceBuilder::new()
            .layer(stacks_tests::redact().unwrap())
            .layer($close)
            .layer(other!($other))
            .layer(stacks_tests::origin())
            .layer(stacks_tests::auth())
            .layer(stacks_tests::lease())
    };
    (inside, $other:ident, $close:expr) => {
        tower::ServiceBuilder::new()
            .layer(stacks_tests::redact().unwrap())
            .layer($close)
            .layer(stacks_tests::origin())
            .layer(stacks_tests::auth())
            .layer(stacks_tests::lease())
            .layer(other!($other))
    };
}

/// A module of cells: `$serve!(mounting, stack)` is the future of a server's address.
macro_rules! cells {
    ($serve:ident, $mounting:ident) => {
        mod $mounting {
            cells!(@ $serve, $mounting, trace);
            cells!(@ $serve, $mounting, compression);
            cells!(@ $serve, $mounting, timeout);
            cells!(@ $serve, $mounting, cors);
            cells!(@ $serve, $mounting, governor);
            cells!(@ $serve, $mounting, catch_panic);
            cells!(@ $serve, $mounting, headers);
        }
    };
    (@ $serve:ident, $mounting:ident, $other:ident) => {
        mod $other {
            cells!(@ $serve, $mounting, $other, outside);
            cells!(@ $serve, $mounting, $other, between);
            cells!(@ $serve, $mounting, $other, inside);
        }
    };
    (@ $serve:ident, $mounting:ident, $other:ident, $place:ident) => {
        #[tokio::test]
        async fn $place() {
            // A close layer that also judges the answers of others gives its service another
            // connection: both have to work.
            for close in [
                stacks_tests::close(),
                stacks_tests::close().convert_error_responses(),
            ] {
                let address = $serve!($mounting, stack!($place, $other, close)).await.unwrap();
                stacks_tests::accepts(address).await.unwrap();
                stacks_tests::refuses(address).await.unwrap();
            }
        }
    };
}
