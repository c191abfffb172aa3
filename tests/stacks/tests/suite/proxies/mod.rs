//! Behind the proxies that people have, with the configurations that `docs/fitting.md` shows.

mod gateway;
mod haproxy;
mod limits;
mod nginx;
mod proxy;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use axum::routing::any;
use socket_tests::{Answer, end_of, token};
use stacks_tests::{accepts, auth, browser, close, echo, lease, origin, plain, refuses, serve};
use tower::ServiceBuilder;

use self::proxy::Proxy;

/// Our stack behind a proxy, with the default reject delay.
async fn upstream() -> SocketAddr {
    let stack = ServiceBuilder::new()
        .layer(close().reject_delay(Duration::from_millis(300)))
        .layer(origin())
        .layer(auth())
        .layer(lease());
    let app = Router::new().route("/ws", any(echo).layer(stack));
    serve(app).await.unwrap()
}

/// The socket of a page that says nothing ends without a code, by the proxy's short timeout.
async fn ends_soon_without_a_code(proxy: &Proxy) {
    let opened = browser(proxy.address, &format!("?token={}", token(600))).await;
    assert!(opened.is_ok());
    let began = Instant::now();
    assert_eq!(end_of(opened).await, Answer::Lost);
    assert!(began.elapsed() < Duration::from_secs(20), "it does not end");
}

/// The requirements for every proxy.
async fn passes_everything_on(proxy: &Proxy) {
    accepts(proxy.address).await.unwrap();
    refuses(proxy.address).await.unwrap();
    let client = browser(proxy.address, &format!("?token={}", token(5))).await;
    let answer = end_of(client).await;
    assert_eq!(answer, Answer::closed(4401, "token_expired"));
    let foreign = [("origin", stacks_tests::EVIL)];
    let target = format!("/ws?token={}", token(600));
    let opened = stacks_tests::browser_at(proxy.address, &target, &foreign).await;
    assert_eq!(end_of(opened).await, Answer::http(403, "origin_denied"));
}

/// Three hundred at once: all read their code.
async fn a_crowd_reads_its_code(proxy: &Proxy) {
    let query = format!("?token={}", token(-3600));
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..300 {
        let (address, query) = (proxy.address, query.clone());
        crowd.spawn(async move { end_of(browser(address, &query).await).await });
    }
    while let Some(answer) = crowd.join_next().await {
        assert_eq!(answer.unwrap(), Answer::closed(4401, "token_expired"));
    }
}

const CANARY: &str = "CANARYc4n4ry";

/// Whether the token of a refused client is in the logs.
async fn leaks(proxy: &Proxy) -> bool {
    let query = format!("?room=1&token={CANARY}");
    let answer = end_of(browser(proxy.address, &query).await).await;
    assert_eq!(answer, Answer::closed(4401, "token_invalid"));
    proxy.logs(1).await.contains(CANARY)
}

/// The client's fields that the application reads.
async fn heads_arrive(build: impl AsyncFnOnce(SocketAddr) -> Proxy) {
    let show = async |request: Request| format!("{:?}", request.headers());
    let app = serve(Router::new().route("/ws", any(show))).await.unwrap();
    let proxy = build(app).await;
    let lines = "Origin: https://app.example\r\nX-Forwarded-For: 192.0.2.7\r\n";
    let lines = format!("{lines}Sec-WebSocket-Protocol: chat.v1\r\n");
    let answer = plain(proxy.address, "", &lines).await.unwrap();
    for expected in [
        format!("\"host\": \"{}\"", proxy.address),
        "\"origin\": \"https://app.example\"".to_owned(),
        "\"upgrade\": \"websocket\"".to_owned(),
        "\"sec-websocket-protocol\": \"chat.v1\"".to_owned(),
        "\"x-forwarded-proto\": \"http\"".to_owned(),
        "\"x-forwarded-for\": \"127.0.0.1\"".to_owned(),
    ] {
        assert!(answer.contains(&expected), "{expected} in {answer}");
    }
    assert!(!answer.contains("192.0.2.7"), "{answer}");
}
