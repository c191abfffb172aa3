//! A refusal by another layer becomes a close frame too. A handler that took the socket before
//! never meets the refused client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::extract::ws::{Message as AxumMessage, WebSocket, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures_util::{SinkExt, StreamExt};
use http::StatusCode;
use socket_tests::{Answer, Http2, PATIENCE, Stack, end_of, handshake, token};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tower::ServiceBuilder;
use tower_governor::GovernorLayer;
use tower_governor::governor::GovernorConfigBuilder;
use tower_governor::key_extractor::GlobalKeyExtractor;
use tower_http::map_response_body::MapResponseBodyLayer;
use tower_http::timeout::TimeoutLayer;
use tower_ws_auth::{CloseFrameLayer, Rejection, RejectionKind, ResponseBody};

use crate::APP;

fn converting() -> CloseFrameLayer {
    CloseFrameLayer::new()
        .reject_delay(Duration::ZERO)
        .convert_error_responses()
}

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// The same handshake over both protocols.
async fn answers(
    address: SocketAddr,
    query: &str,
    headers: &[(&'static str, &str)],
) -> [Answer; 2] {
    let http1 = end_of(handshake(address, query, headers).await).await;
    let mut client = Http2::connect(address).await.unwrap();
    let http2 = end_of(client.open(query, headers).await).await;
    [http1, http2]
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if matches!(message, AxumMessage::Close(_)) || socket.send(message).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_rate_limit_of_tower_governor_is_read_as_4429() {
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = calls.clone();
    let limit = GovernorConfigBuilder::default()
        .per_second(600)
        .burst_size(1)
        .key_extractor(GlobalKeyExtractor)
        .finish()
        .unwrap();
    let stack = Stack::default();
    let layers = ServiceBuilder::new()
        .layer(converting().first_message_json())
        .layer(stack.origin)
        // Other people's layers ask much of a body; axum's has it.
        .layer(MapResponseBodyLayer::new(Body::new))
        .layer(GovernorLayer::new(limit))
        .layer(MapResponseBodyLayer::new(Body::new))
        .layer(stack.jwt);
    let handler = async move |upgrade: WebSocketUpgrade| {
        seen.fetch_add(1, Ordering::SeqCst);
        upgrade.on_upgrade(echo)
    };
    let address = serve(Router::new().route("/ws", any(handler).layer(layers))).await;
    let query = format!("?token={}", token(600));

    let mut first = handshake(address, &query, &[APP]).await.unwrap();
    first.send("hello".into()).await.unwrap();
    assert_eq!(first.next().await.unwrap().unwrap(), Message::text("hello"));

    for answer in answers(address, &query, &[APP]).await {
        let Answer::Closed(4429, reason, messages) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(reason, "rate_limited");
        let [message] = &messages[..] else {
            panic!("{messages:?}")
        };
        let message: serde_json::Value = serde_json::from_str(message).unwrap();
        assert_eq!(
            (&message["code"], &message["retryable"]),
            (&4429.into(), &true.into())
        );
        let pause = message["retry_after"].as_u64().unwrap();
        assert!((590..=600).contains(&pause), "{message}");
    }
    // A client other than a browser reads the limiter's own answer.
    let answer = handshake(address, &query, &[]).await;
    let Answer::Http(429, body) = end_of(answer).await else {
        panic!()
    };
    assert!(body.contains("Too Many Requests"), "{body}");
    // Rejections of our own layers keep their meaning.
    let foreign = [("origin", "https://evil.example")];
    for answer in answers(address, &query, &foreign).await {
        assert_eq!(answer, Answer::http(403, "origin_denied"));
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_timeout_of_tower_http_is_read_as_4408_and_the_handler_is_gone() {
    let timeout =
        TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_millis(100));
    let layers = ServiceBuilder::new().layer(converting()).layer(timeout);
    let handler = async |upgrade: WebSocketUpgrade| {
        tokio::time::sleep(PATIENCE).await;
        upgrade.on_upgrade(echo)
    };
    let address = serve(Router::new().route("/ws", any(handler).layer(layers))).await;
    for answer in answers(address, "", &[APP]).await {
        assert_eq!(answer, Answer::closed(4408, "unavailable"));
    }
    assert!(matches!(
        answers(address, "", &[]).await,
        [Answer::Http(408, _), Answer::Http(408, _)]
    ));
}

#[tokio::test]
async fn a_handler_that_takes_the_socket_and_answers_403_never_meets_the_client() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let handler = async move |mut request: Request| {
        let upgrade = hyper::upgrade::on(&mut request);
        let tell = tell.clone();
        let (tell_begin, begun) = oneshot::channel();
        tokio::spawn(async move {
            let _ = tell_begin.send(());
            let _ = tell.send(upgrade.await.map(|_| ()).map_err(|error| error.to_string()));
        });
        // It has begun to wait, on the one thread that there is.
        begun.await.unwrap();
        (StatusCode::FORBIDDEN, "you are banned").into_response()
    };
    let router = Router::new().route("/ws", any(handler).layer(converting()));
    let address = serve(router).await;
    for answer in answers(address, "", &[APP]).await {
        assert_eq!(answer, Answer::closed(4403, "forbidden"));
    }
    for _ in 0..2 {
        let waited = timeout(PATIENCE, told.recv()).await;
        assert!(
            waited.unwrap().unwrap().is_err(),
            "the handler has a socket"
        );
    }
    for answer in answers(address, "", &[]).await {
        assert_eq!(answer, Answer::http(403, "you are banned"));
    }
}

#[tokio::test]
async fn our_own_rejections_and_other_responses_are_as_without_a_classifier() {
    let stack = Stack::closing(converting());
    for server in socket_tests::servers(stack.clone()).await.unwrap() {
        let answer = end_of(handshake(server.address, "?token=x", &[APP]).await).await;
        assert_eq!(
            answer,
            Answer::closed(4401, "token_invalid"),
            "{}",
            server.name
        );
        let answer = end_of(handshake(server.address, "?token=x", &[]).await).await;
        assert_eq!(answer, Answer::http(401, "token_invalid"));
        assert_eq!(server.echo.calls(), 0);
    }
    for server in socket_tests::http2_servers(stack).await.unwrap() {
        let mut client = Http2::connect(server.address).await.unwrap();
        let answer = end_of(client.open("?token=x", &[APP]).await).await;
        assert_eq!(
            answer,
            Answer::closed(4401, "token_invalid"),
            "{}",
            server.name
        );
        assert_eq!(server.echo.calls(), 0);
    }
    let router = Router::new().route(
        "/ws",
        any(async || StatusCode::NOT_FOUND).layer(converting()),
    );
    for answer in answers(serve(router).await, "", &[APP]).await {
        assert_eq!(answer, Answer::http(404, ""));
    }
}

#[tokio::test]
async fn an_application_that_answers_by_itself_hands_one_value_on_and_a_page_reads_the_code() {
    let stack = Stack::default();
    let own = |response: Response<ResponseBody<Body>>| {
        let Some(rejection) = response.extensions().get::<Rejection>().cloned() else {
            return response.map(Body::new);
        };
        let mut own = (rejection.status(), "ask the help desk").into_response();
        own.extensions_mut().insert(rejection);
        own
    };
    let layers = ServiceBuilder::new()
        .layer(CloseFrameLayer::new().reject_delay(Duration::ZERO))
        .map_response(own)
        .layer(stack.jwt);
    let handler = async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(echo);
    let address = serve(Router::new().route("/ws", any(handler).layer(layers))).await;
    for answer in answers(address, "?token=x", &[APP]).await {
        assert_eq!(answer, Answer::closed(4401, "token_invalid"));
    }
    for answer in answers(address, "?token=x", &[]).await {
        assert_eq!(answer, Answer::http(401, "ask the help desk"));
    }
}

async fn exchange<S>(mut socket: WebSocketStream<S>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    for size in [0, 1, 125, 126, 4096, 65_535, 65_536, 300_000] {
        let sent: Vec<u8> = (0..=250).cycle().take(size).collect();
        socket.send(sent.clone().into()).await.unwrap();
        let back = timeout(PATIENCE, socket.next()).await;
        assert_eq!(back.unwrap().unwrap().unwrap(), Message::binary(sent));
    }
    socket.close(None).await.unwrap();
    while timeout(PATIENCE, socket.next()).await.unwrap().is_some() {}
}

#[tokio::test]
async fn an_accepted_response_passes_byte_for_byte() {
    let handler = async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(echo);
    let stack = Stack::closing(converting());
    let layers = ServiceBuilder::new()
        .layer(stack.close)
        .layer(stack.origin)
        .layer(stack.jwt);
    let address = serve(Router::new().route("/ws", any(handler).layer(layers))).await;
    let query = format!("?token={}", token(600));
    exchange(handshake(address, &query, &[APP]).await.unwrap()).await;
    exchange(handshake(address, &query, &[]).await.unwrap()).await;
    let mut client = Http2::connect(address).await.unwrap();
    exchange(client.open(&query, &[APP]).await.unwrap()).await;
    exchange(client.open(&query, &[]).await.unwrap()).await;
}

#[tokio::test]
async fn one_classifying_layer_in_another_is_one_too_many_and_works() {
    let handler = async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(echo);
    let refuse = async || StatusCode::FORBIDDEN;
    let router = Router::new()
        .route(
            "/ws",
            any(handler).layer(
                ServiceBuilder::new()
                    .layer(converting())
                    .layer(converting()),
            ),
        )
        .layer(converting());
    exchange(handshake(serve(router).await, "", &[APP]).await.unwrap()).await;
    let router = Router::new()
        .route("/ws", any(refuse).layer(converting()))
        .layer(converting());
    for answer in answers(serve(router).await, "", &[APP]).await {
        assert_eq!(answer, Answer::closed(4403, "forbidden"));
    }
}

#[tokio::test]
async fn a_classifier_of_ones_own_sees_two_heads_without_credentials() {
    let close = CloseFrameLayer::new()
        .reject_delay(Duration::ZERO)
        .classify(|response, head| {
            assert_eq!(head.uri, "/ws");
            assert!(!format!("{head:?}").contains("CANARY"));
            assert_eq!(head.headers["sec-websocket-protocol"], "chat");
            let locked = response.status == StatusCode::LOCKED;
            locked.then(|| Rejection::new(RejectionKind::Forbidden, "banned"))
        });
    let locked = async |_: Request| -> Response { StatusCode::LOCKED.into_response() };
    let address = serve(Router::new().route("/ws", any(locked).layer(close))).await;
    let headers = [
        APP,
        ("cookie", "sid=CANARY"),
        (
            "sec-websocket-protocol",
            "base64url.bearer.phx.CANARY, chat",
        ),
    ];
    for answer in answers(address, "?token=CANARY", &headers).await {
        assert_eq!(answer, Answer::closed(4403, "forbidden"));
    }
}
