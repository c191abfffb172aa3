//! The symptoms of our own layers in a wrong order, and at a wrong place of a router.

use axum::Router;
use axum::routing::any;
use socket_tests::{Answer, end_of, token};
use stacks_tests::serve;
use stacks_tests::{APP, EVIL, accepts, auth, browser, browser_at, close, echo, lease, origin};
use tower::ServiceBuilder;

async fn good(router: Router) -> Answer {
    let address = serve(router).await.unwrap();
    end_of(browser(address, &format!("?token={}", token(60))).await).await
}

async fn expired(router: Router) -> Answer {
    let address = serve(router).await.unwrap();
    end_of(browser(address, &format!("?token={}", token(-3600))).await).await
}

#[tokio::test]
async fn a_close_layer_inside_of_the_strategy_converts_nothing() {
    let stack = ServiceBuilder::new().layer(auth()).layer(close());
    let answer = expired(Router::new().route("/ws", any(echo).layer(stack))).await;
    // The page sees 1006.
    assert_eq!(answer, Answer::http(401, "token_expired"));
}

#[tokio::test]
async fn of_two_strategies_the_inner_one_misses_the_credential() {
    let stack = ServiceBuilder::new()
        .layer(close())
        .layer(auth())
        .layer(auth());
    let answer = good(Router::new().route("/ws", any(echo).layer(stack))).await;
    assert_eq!(answer, Answer::closed(4401, "credentials_missing"));
}

#[tokio::test]
async fn an_origin_layer_inside_of_the_strategy_shows_foreign_pages_who_is_logged_in() {
    let stack = ServiceBuilder::new()
        .layer(close())
        .layer(auth())
        .layer(origin());
    let app = Router::new().route("/ws", any(echo).layer(stack));
    let address = serve(app).await.unwrap();
    let foreign = async |token: String| {
        let target = format!("/ws?token={token}");
        end_of(browser_at(address, &target, &[("origin", EVIL)]).await).await
    };
    let answer = foreign(token(-3600)).await;
    assert_eq!(answer, Answer::closed(4401, "token_expired"));
    let answer = foreign(token(60)).await;
    assert_eq!(answer, Answer::http(403, "origin_denied"));
}

#[tokio::test]
async fn a_lease_layer_outside_of_the_strategy_refuses_everybody() {
    let stack = ServiceBuilder::new()
        .layer(close())
        .layer(lease())
        .layer(auth());
    let answer = good(Router::new().route("/ws", any(echo).layer(stack))).await;
    assert_eq!(answer, Answer::closed(4503, "unavailable"));
}

#[tokio::test]
async fn two_close_layers_do_no_harm() {
    let stack = ServiceBuilder::new()
        .layer(close())
        .layer(close())
        .layer(auth());
    let app = Router::new().route("/ws", any(echo).layer(stack));
    assert_eq!(expired(app).await, Answer::closed(4401, "token_expired"));
}

#[tokio::test]
async fn a_route_that_is_added_after_the_layer_is_unguarded_and_its_proof_is_missing() {
    let stack = ServiceBuilder::new().layer(close()).layer(auth());
    let answer = good(Router::new().layer(stack).route("/ws", any(echo))).await;
    assert!(matches!(answer, Answer::Http(500, _)), "{answer:?}");
}

#[tokio::test]
async fn a_fallback_is_no_route_for_route_layer() {
    let stack = ServiceBuilder::new().layer(close()).layer(auth());
    let app = Router::new()
        .route("/other", any(echo))
        .fallback(echo)
        .route_layer(stack);
    let answer = good(app).await;
    assert!(matches!(answer, Answer::Http(500, _)), "{answer:?}");
}

#[tokio::test]
async fn a_layer_around_the_whole_router_refuses_pages_and_unknown_paths_too() {
    let stack = ServiceBuilder::new().layer(close()).layer(auth());
    let app = Router::new()
        .route("/ws", any(echo))
        .route("/", any(crate::fitting::index))
        .layer(stack);
    let address = serve(app).await.unwrap();
    accepts(address).await.unwrap();
    for path in ["/", "/nowhere"] {
        let line = format!("GET {path}");
        let answer = crate::fitting::request(address, &line, &format!("Origin: {APP}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
}

#[tokio::test]
async fn a_route_for_get_alone_answers_other_methods_itself() {
    let stack = ServiceBuilder::new().layer(close()).layer(auth());
    let app = Router::new().route("/ws", axum::routing::get(echo).layer(stack));
    let address = serve(app).await.unwrap();
    accepts(address).await.unwrap();
    let mut connection = socket_tests::Http2::connect(address).await.unwrap();
    let query = format!("?token={}", token(60));
    let answer = end_of(connection.open(&query, &[("origin", APP)]).await).await;
    // HTTP/2 opens a socket by CONNECT.
    assert!(matches!(answer, Answer::Http(405, _)), "{answer:?}");
}
