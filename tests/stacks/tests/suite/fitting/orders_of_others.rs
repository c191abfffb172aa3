//! The symptoms of third-party layers at a wrong place among ours.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{any, post};
use http::{Request, StatusCode};
use socket_tests::{Answer, end_of, token};
use stacks_tests::{APP, accepts, auth, browser, close, echo, origin, refuses, serve};
use test_support::{Log, PATIENCE};
use tower::ServiceBuilder;
use tower_governor::GovernorLayer;
use tower_governor::governor::GovernorConfigBuilder;
use tower_governor::key_extractor::GlobalKeyExtractor;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::CorsLayer;
use tower_http::map_response_body::MapResponseBodyLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::{DefaultOnResponse, TraceLayer};
use tower_ws_auth::{AuthLayer, CloseFrameLayer, RedactError, RedactLayer, RedactedQuery};
use tracing::Level;

use super::{jwt, request};

async fn expired(router: Router) -> Answer {
    let address = serve(router).await.unwrap();
    end_of(browser(address, &format!("?token={}", token(-3600))).await).await
}

async fn good(router: Router) -> Answer {
    let address = serve(router).await.unwrap();
    end_of(browser(address, &format!("?token={}", token(600))).await).await
}

/// Admits one request, and no more.
macro_rules! one_and_no_more {
    () => {
        ServiceBuilder::new()
            .layer(GovernorLayer::new(
                GovernorConfigBuilder::default()
                    .per_second(60)
                    .burst_size(1)
                    .key_extractor(GlobalKeyExtractor)
                    .finish()
                    .unwrap(),
            ))
            .layer(MapResponseBodyLayer::new(Body::new))
            .into_inner()
    };
}

mod rate_limit {
    use super::*;

    async fn second(router: Router) -> Answer {
        let address = serve(router).await.unwrap();
        let query = format!("?token={}", token(600));
        browser(address, &query).await.unwrap();
        end_of(browser(address, &query).await).await
    }

    #[tokio::test]
    async fn outside_of_the_close_layer_its_429_is_1006_to_a_page() {
        let stack = ServiceBuilder::new()
            .layer(one_and_no_more!())
            .layer(close().convert_error_responses())
            .layer(auth());
        let answer = second(Router::new().route("/ws", any(echo).layer(stack))).await;
        assert!(matches!(answer, Answer::Http(429, _)), "{answer:?}");
    }

    #[tokio::test]
    async fn inside_of_it_without_the_classifier_too() {
        let stack = ServiceBuilder::new()
            .layer(close())
            .layer(one_and_no_more!())
            .layer(auth());
        let answer = second(Router::new().route("/ws", any(echo).layer(stack))).await;
        assert!(matches!(answer, Answer::Http(429, _)), "{answer:?}");
    }

    #[tokio::test]
    async fn inside_of_it_with_the_classifier_it_is_4429() {
        let stack = ServiceBuilder::new()
            .layer(close().convert_error_responses())
            .layer(one_and_no_more!())
            .layer(auth());
        let answer = second(Router::new().route("/ws", any(echo).layer(stack))).await;
        assert_eq!(answer, Answer::closed(4429, "rate_limited"));
    }

    #[tokio::test]
    async fn by_address_without_connect_info_it_refuses_everybody() {
        let by_address = GovernorConfigBuilder::default().finish().unwrap();
        let stack = ServiceBuilder::new()
            .layer(close().convert_error_responses())
            .layer(GovernorLayer::new(by_address))
            .layer(MapResponseBodyLayer::new(Body::new))
            .layer(auth());
        let app = Router::new().route("/ws", any(echo).layer(stack));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // Not `into_make_service_with_connect_info`.
        tokio::spawn(async move { axum::serve(listener, app).await });
        let query = format!("?token={}", token(600));
        let answer = end_of(browser(address, &query).await).await;
        assert!(matches!(answer, Answer::Http(500, _)), "{answer:?}");
    }

    #[tokio::test]
    async fn inside_of_the_strategy_it_does_not_count_the_refused() {
        let stack = ServiceBuilder::new()
            .layer(close())
            .layer(auth())
            .layer(one_and_no_more!());
        let app = Router::new().route("/ws", any(echo).layer(stack));
        let address = serve(app).await.unwrap();
        for _ in 0..3 {
            refuses(address).await.unwrap();
        }
    }
}

mod timeout {
    use super::*;

    /// And long enough for all that is not held.
    const SHORT: Duration = Duration::from_secs(2);

    fn short() -> TimeoutLayer {
        TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, SHORT)
    }

    #[tokio::test]
    async fn outside_of_the_close_layer_and_shorter_than_its_delay_it_replaces_the_answer() {
        let held = CloseFrameLayer::new().reject_delay(SHORT * 10);
        let stack = ServiceBuilder::new().layer(held).layer(auth());
        let app = Router::new()
            .route("/ws", any(echo).layer(stack))
            .layer(short());
        assert_eq!(expired(app).await, Answer::http(408, ""));
    }

    #[tokio::test]
    async fn inside_of_it_the_reject_delay_is_not_counted() {
        let held = CloseFrameLayer::new().reject_delay(SHORT + Duration::from_millis(500));
        let stack = ServiceBuilder::new()
            .layer(held)
            .layer(short())
            .layer(auth());
        let app = Router::new().route("/ws", any(echo).layer(stack));
        assert_eq!(expired(app).await, Answer::closed(4401, "token_expired"));
    }

    #[tokio::test]
    async fn it_ends_no_open_socket() {
        let stack = ServiceBuilder::new().layer(close()).layer(auth());
        let app = Router::new()
            .route("/ws", any(echo).layer(stack))
            .layer(short());
        let address = serve(app).await.unwrap();
        let client = browser(address, &format!("?token={}", token(600))).await;
        tokio::time::sleep(SHORT + Duration::from_millis(300)).await;
        crate::fitting::echoes(client).await;
    }

    #[tokio::test]
    async fn with_the_classifier_a_slow_service_reads_as_4000_and_the_status() {
        let slow = async || {
            tokio::time::sleep(PATIENCE).await;
        };
        let most = Duration::from_millis(100);
        for status in [StatusCode::REQUEST_TIMEOUT, StatusCode::SERVICE_UNAVAILABLE] {
            let stack = ServiceBuilder::new()
                .layer(close().convert_error_responses())
                .layer(auth())
                .layer(TimeoutLayer::with_status_code(status, most));
            let answer = good(Router::new().route("/ws", any(slow).layer(stack))).await;
            let code = 4000 + status.as_u16();
            assert_eq!(answer, Answer::closed(code, "unavailable"));
        }
    }
}

mod compression {
    use tower_http::compression::predicate::Predicate;

    use super::*;

    #[derive(Clone)]
    struct Always;

    impl Predicate for Always {
        fn should_compress<B: http_body::Body>(&self, _: &http::Response<B>) -> bool {
            true
        }
    }

    /// A 101 has no body to compress; only its header says otherwise then.
    #[tokio::test]
    async fn even_of_everything_it_does_no_harm_to_an_upgrade() {
        for outside in [true, false] {
            let ours = ServiceBuilder::new().layer(close()).layer(auth());
            let all = || CompressionLayer::new().compress_when(Always);
            let route = any(echo);
            let app = if outside {
                Router::new().route("/ws", route.layer(ours)).layer(all())
            } else {
                let both = ours.layer(all());
                Router::new().route("/ws", route.layer(both))
            };
            let address = serve(app).await.unwrap();
            accepts(address).await.unwrap();
            let answer = end_of(browser(address, &format!("?token={}", token(-3600))).await).await;
            assert_eq!(answer, Answer::closed(4401, "token_expired"));
        }
    }
}

mod panics {
    use super::*;

    async fn panics() {
        panic!("a bug in the handler");
    }

    #[tokio::test]
    async fn a_caught_one_stays_a_500() {
        let stack = ServiceBuilder::new()
            .layer(close().convert_error_responses())
            .layer(auth())
            .layer(CatchPanicLayer::new());
        let answer = good(Router::new().route("/ws", any(panics).layer(stack))).await;
        assert!(matches!(answer, Answer::Http(500, _)), "{answer:?}");
    }

    #[tokio::test]
    async fn an_uncaught_one_is_a_lost_connection() {
        let stack = ServiceBuilder::new().layer(close()).layer(auth());
        let answer = good(Router::new().route("/ws", any(panics).layer(stack))).await;
        assert_eq!(answer, Answer::Lost);
    }
}

mod cors {
    use super::*;

    const PREFLIGHT: &str = "Origin: https://app.example\r\n\
        Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n";

    /// A preflight carries no credential, and a mint endpoint on another host gets one.
    #[tokio::test]
    async fn inside_of_a_strategy_its_preflight_is_refused() {
        let mint = ServiceBuilder::new()
            .layer(AuthLayer::new(jwt()).any_request())
            .layer(CorsLayer::very_permissive());
        let app = Router::new().route("/ticket", post(crate::fitting::index).layer(mint));
        let address = serve(app).await.unwrap();
        let answer = request(address, "OPTIONS /ticket", PREFLIGHT).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    }

    #[tokio::test]
    async fn outside_of_it_the_preflight_is_answered_and_refusals_can_be_read() {
        let mint = AuthLayer::new(jwt()).any_request();
        let app = Router::new()
            .route("/ticket", post(crate::fitting::index).layer(mint))
            .layer(CorsLayer::very_permissive());
        let address = serve(app).await.unwrap();
        let answer = request(address, "OPTIONS /ticket", PREFLIGHT).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let lines = format!("Origin: {APP}\r\nContent-Length: 0\r\n");
        let answer = request(address, "POST /ticket", &lines).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        let readable = format!("access-control-allow-origin: {APP}\r\n");
        assert!(answer.contains(&readable), "{answer}");
    }

    /// It is the browser that obeys CORS, and for a WebSocket it does not ask.
    #[tokio::test]
    async fn in_place_of_an_origin_layer_it_stops_no_socket() {
        let only_ours = CorsLayer::new().allow_origin(http::HeaderValue::from_static(APP));
        let stack = ServiceBuilder::new().layer(close()).layer(auth());
        let app = Router::new()
            .route("/ws", any(echo).layer(stack))
            .layer(only_ours);
        let address = serve(app).await.unwrap();
        let target = format!("/ws?token={}", token(600));
        let foreign = [("origin", stacks_tests::EVIL)];
        let opened = stacks_tests::browser_at(address, &target, &foreign).await;
        crate::fitting::echoes(opened).await;
    }
}

mod tracing_of_uris {
    use super::*;

    /// The URI as a layer at this place sees it.
    async fn seen(build: impl FnOnce(Router, Spy) -> Router) -> String {
        let spy = Spy::default();
        let stack = ServiceBuilder::new()
            .layer(close())
            .layer(origin())
            .layer(auth());
        let app = Router::new().route("/ws", any(echo).layer(stack));
        let address = serve(build(app, spy.clone())).await.unwrap();
        accepts(address).await.unwrap();
        let seen = spy.0.lock().unwrap();
        seen.clone()
    }

    #[derive(Clone, Default)]
    struct Spy(Arc<Mutex<String>>);

    impl Spy {
        fn look(&self, request: Request<Body>) -> Request<Body> {
            *self.0.lock().unwrap() = request.uri().to_string();
            request
        }
    }

    fn redact() -> RedactLayer {
        RedactLayer::new(["token"], ["/ws"]).unwrap()
    }

    #[tokio::test]
    async fn inside_of_the_redact_layer_there_is_no_token() {
        let uri = seen(|app, spy| {
            let look = tower::util::MapRequestLayer::new(move |request| spy.look(request));
            app.layer(look).layer(redact())
        });
        assert_eq!(uri.await, "/ws");
    }

    #[tokio::test]
    async fn outside_of_it_the_token_is_in_every_log() {
        let uri = seen(|app, spy| {
            let look = tower::util::MapRequestLayer::new(move |request| spy.look(request));
            app.layer(redact()).layer(look)
        });
        assert!(uri.await.contains("token=ey"));
    }

    fn traced() -> Result<Router, RedactError> {
        let stack = ServiceBuilder::new().layer(close()).layer(auth());
        let spans = RedactedQuery::new(["token"])?;
        let trace = TraceLayer::new_for_http().make_span_with(spans);

        let answers = DefaultOnResponse::new().level(Level::INFO);
        let route = any(echo).layer(stack);
        let app = Router::new().route("/ws", route);
        Ok(app.layer(trace.on_response(answers)))
    }

    #[tokio::test]
    async fn a_redacted_span_needs_no_redact_layer() {
        let log = Log::capture();
        let address = serve(traced().unwrap()).await.unwrap();
        let query = format!("?room=1&token={}", token(600));
        browser(address, &query).await.unwrap();
        let log = log.text();
        assert!(log.contains("uri=/ws?room=1&token=redacted"), "{log}");
        assert!(!log.contains("token=ey"), "{log}");
    }
}
