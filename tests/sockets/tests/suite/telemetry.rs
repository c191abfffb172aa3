//! The log for operators: the true outcome of every decision, and never a credential.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::any;
use futures_util::SinkExt;
use http::{Request, Response, StatusCode};
use socket_tests::{Server, Stack, end_of, handshake, token};
use test_support::{Log, until};
use tower::ServiceBuilder;
use tower_http::trace::TraceLayer;
use tower_ws_auth::close::OriginalStatus;
use tower_ws_auth::{ClientProtocol, CloseFrameLayer, Rejection, RejectionKind};

use crate::APP;

#[tokio::test]
async fn a_stack_at_trace_level_logs_everything_but_the_credential() {
    let log = Log::capture();

    let seen = Arc::new(Mutex::new(Vec::new()));
    let outside = Arc::clone(&seen);
    let stack = Stack::default();
    let span = |request: &Request<_>| tracing::info_span!("request", method = %request.method(), path = request.uri().path());
    // Outermost an observer, as metrics would be.
    let layers = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .map_response(move |response: Response<_>| {
            let original = response.extensions().get::<OriginalStatus>().copied();
            let rejection = response
                .extensions()
                .get::<Rejection>()
                .map(Rejection::kind);
            let what = (
                response.status(),
                original.map(|original| original.0),
                rejection,
            );
            outside.lock().unwrap().push(what);
            response
        })
        .layer(stack.close)
        .layer(stack.origin)
        .layer(stack.jwt);
    let handler = any(async |request: axum::extract::Request| {
        tracing::trace!(?request, "the handler logs all it has");
    });
    let router = Router::new().route("/ws", handler.layer(layers));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });

    let (good, expired) = (token(600), token(-60));
    let bearer = format!("Bearer {good}");
    let cookie = format!("jwt={expired}");
    let good_query = format!("?token={good}");
    let twice = format!("?token={good}&token={good}");
    let expired_query = format!("?token={expired}");
    for (query, headers) in [
        (good_query.as_str(), vec![]),
        ("", vec![("authorization", bearer.as_str())]),
        (expired_query.as_str(), vec![]),
        (expired_query.as_str(), vec![APP]),
        (twice.as_str(), vec![APP]),
        ("", vec![APP, ("cookie", cookie.as_str())]),
    ] {
        end_of(handshake(address, query, &headers).await).await;
    }

    // The log of a closing handshake comes after its client has read it.
    let three = || log.text().matches("closing handshake ended").count() >= 3;
    until("three closing handshakes", three).await;

    let unauthorized = StatusCode::UNAUTHORIZED;
    let expired_kind = Some(RejectionKind::TokenExpired);
    let observed = seen.lock().unwrap().clone();
    assert_eq!(
        observed[2..5],
        [
            (unauthorized, None, expired_kind),
            (
                StatusCode::SWITCHING_PROTOCOLS,
                Some(unauthorized),
                expired_kind
            ),
            (
                StatusCode::SWITCHING_PROTOCOLS,
                Some(StatusCode::BAD_REQUEST),
                Some(RejectionKind::CredentialsMalformed)
            ),
        ]
    );

    let text = log.text();
    for expected in [
        r#"handshake accepted strategy="jwt" outcome="accepted" latency_us="#,
        r#"handshake refused strategy="jwt" outcome="refused" kind="token_expired" status=401"#,
        r#"rejection converted to a close frame kind="token_expired" status=401 code=4401"#,
        r#"closing handshake ended closing_handshake="peer_closed""#,
        "the handler logs all it has",
        "path=\"/ws\"",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    for secret in [&good, &expired] {
        for part in secret.split('.').skip(1).chain([secret.as_str()]) {
            assert!(
                !text.contains(part),
                "a part of a token is in the log:\n{text}"
            );
        }
    }
}

#[tokio::test]
async fn a_script_says_in_which_protocol_and_what_ended_it() {
    let log = Log::capture();
    let close = CloseFrameLayer::new()
        .reject_delay(Duration::ZERO)
        .client_protocol(ClientProtocol::detect());
    let server = Server::axum(Stack::closing(close)).await.unwrap();
    // A library of the test, which answers the close frame of its own accord.
    let mut socket = handshake(server.address, "?EIO=4&token=x", &[])
        .await
        .unwrap();
    socket.send("40".into()).await.unwrap();
    socket.close(None).await.unwrap();
    end_of(Ok(socket)).await;
    let ended = || log.text().contains("closing handshake ended");
    until("its end", ended).await;
    let text = log.text();
    for expected in [
        r#"status=401 code=1000 protocol="socket_io""#,
        r#"script ended protocol="socket_io" script="closed""#,
        r#"closing handshake ended closing_handshake="peer_closed""#,
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
}
