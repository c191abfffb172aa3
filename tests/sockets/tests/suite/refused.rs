//! A refused handshake never reaches the service. A page reads why from the close frame,
//! everybody else from the HTTP answer.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use socket_tests::{
    Answer, SECRET, Server, Stack, end_of, handshake, now, raw, servers, token, token_with,
};
use test_support::handshake::head;
use tower_ws_auth::close::{Close, CloseCode};
use tower_ws_auth::credential::Carriers;
use tower_ws_auth::jwt::{Jwt, Key};
use tower_ws_auth::{AuthLayer, CloseFrameLayer, RejectionKind};

use crate::APP;

/// Query and headers of a refused request, and the status and the token that it reads.
type Refusal = (String, Vec<(&'static str, String)>, u16, &'static str);

fn refusals() -> Vec<Refusal> {
    let good = token(600);
    let other_key = token_with(&json!({ "sub": "ada", "exp": now() + 600 }), &[b'x'; 32]);
    let early = json!({ "sub": "ada", "exp": now() + 600, "nbf": now() + 300 });
    let bare = |query: String| (query, Vec::new());
    let refused = |(query, headers), status, token| (query, headers, status, token);
    vec![
        refused(bare(String::new()), 401, "credentials_missing"),
        refused(bare("?token=".into()), 400, "credentials_malformed"),
        refused(bare("?token=a.b.c%00".into()), 400, "credentials_malformed"),
        refused(bare("?token[]=a".into()), 400, "credentials_malformed"),
        refused(
            bare(format!("?token={good}&token={good}")),
            400,
            "credentials_malformed",
        ),
        refused(
            bare(format!("?token={}", "a".repeat(9000))),
            400,
            "credentials_malformed",
        ),
        refused(
            bare(format!("?token={}", "a".repeat(40_000))),
            400,
            "credentials_malformed",
        ),
        refused(
            (
                format!("?token={good}"),
                vec![("authorization", format!("Bearer {good}"))],
            ),
            400,
            "credentials_malformed",
        ),
        refused(bare("?token=not-a-jwt".into()), 401, "token_invalid"),
        refused(bare(format!("?token={other_key}")), 401, "token_invalid"),
        refused(
            bare(format!("?token={}", &good[..good.len() - 1])),
            401,
            "token_invalid",
        ),
        refused(bare(format!("?token={}", token(-60))), 401, "token_expired"),
        refused(
            bare(format!("?token={}", token_with(&early, SECRET))),
            401,
            "token_not_yet_valid",
        ),
        refused(
            (
                String::new(),
                vec![("cookie", format!("jwt={}", token(-60)))],
            ),
            401,
            "token_expired",
        ),
    ]
}

#[tokio::test]
async fn a_page_reads_code_and_reason_from_the_close_frame() {
    for server in servers(Stack::default()).await.unwrap() {
        for (query, headers, status, reason) in refusals() {
            let mut all = vec![APP];
            all.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
            let answer = end_of(handshake(server.address, &query, &all).await).await;
            assert_eq!(
                answer,
                Answer::closed(4000 + status, reason),
                "{} {query}",
                server.name
            );
        }
        assert_eq!((server.echo.calls(), server.echo.messages()), (0, 0));
    }
}

#[tokio::test]
async fn a_client_without_origin_reads_the_http_status() {
    for server in servers(Stack::default()).await.unwrap() {
        for (query, headers, status, reason) in refusals() {
            if headers.iter().any(|(name, _)| *name == "cookie") {
                continue;
            }
            let all: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
            let answer = end_of(handshake(server.address, &query, &all).await).await;
            assert_eq!(
                answer,
                Answer::http(status, reason),
                "{} {query}",
                server.name
            );
        }
        assert_eq!(server.echo.calls(), 0);
    }
}

#[tokio::test]
async fn a_cookie_does_not_decide_without_an_origin() {
    for server in servers(Stack::default()).await.unwrap() {
        let cookie = format!("jwt={}", token(600));
        let answer = end_of(handshake(server.address, "", &[("cookie", &cookie)]).await).await;
        assert_eq!(answer, Answer::http(403, "origin_denied"));
        assert_eq!(server.echo.calls(), 0);
    }
}

#[tokio::test]
async fn a_foreign_page_gets_a_plain_403_and_learns_nothing() {
    for server in servers(Stack::default()).await.unwrap() {
        for origin in [
            "https://evil.example",
            "http://app.example",
            "https://app.example.",
            "null",
        ] {
            for query in [
                format!("?token={}", token(600)),
                "?token=x".into(),
                String::new(),
            ] {
                let answer = handshake(server.address, &query, &[("origin", origin)]).await;
                assert_eq!(
                    end_of(answer).await,
                    Answer::http(403, "origin_denied"),
                    "{origin}"
                );
            }
        }
        assert_eq!(server.echo.calls(), 0);
    }
}

/// On raw bytes: the client library is content with any that it offered.
#[tokio::test]
async fn one_of_the_offered_subprotocols_is_selected_and_never_the_one_with_the_token() {
    let close = brief().deadline(Duration::from_millis(50));
    // One stack takes the token out of the list, the other does not look there.
    let in_query = Carriers::builder().query("token").build().unwrap();
    let jwt = Jwt::builder(Key::hs256(SECRET).unwrap()).carriers(in_query);
    let without = Stack {
        jwt: AuthLayer::new(jwt.build().unwrap()),
        ..Stack::closing(close.clone())
    };
    for stack in [Stack::closing(close), without] {
        for server in servers(stack).await.unwrap() {
            for (offered, expected) in [
                ("chat.v1", Some("chat.v1")),
                ("unknown, chat.v1", Some("unknown")),
                ("phoenix, base64url.bearer.phx.YS5iLmM", Some("phoenix")),
                ("base64url.bearer.phx.YS5iLmM, phoenix", Some("phoenix")),
                ("Base64URL.Bearer.phx.YS5iLmM, phoenix", Some("phoenix")),
                ("base64url.bearer.other.YS5iLmM, phoenix", Some("phoenix")),
                ("base64url.bearer.phx.YS5iLmM", None),
            ] {
                let request = upgrade_with(&format!("Sec-WebSocket-Protocol: {offered}\r\n"));
                let answer = answer_head(&raw(server.address, &request).await.unwrap());
                assert!(answer.starts_with("http/1.1 101 "), "{offered}: {answer}");
                let mut lines = answer.lines();
                let selected = lines.find_map(|line| line.strip_prefix("sec-websocket-protocol: "));
                assert_eq!(selected, expected, "{} {offered}", server.name);
            }
        }
    }
    for server in servers(Stack::closing(brief().subprotocols(["b", "a"])))
        .await
        .unwrap()
    {
        let request = upgrade_with("Sec-WebSocket-Protocol: x, a, b\r\n");
        let answer = answer_head(&raw(server.address, &request).await.unwrap());
        assert!(answer.contains("sec-websocket-protocol: b\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_offers_only_its_token_is_refused_as_malformed() {
    for server in servers(Stack::default()).await.unwrap() {
        let only = ("sec-websocket-protocol", "base64url.bearer.phx.YS5iLmM");
        let answer = end_of(handshake(server.address, "", &[only]).await).await;
        assert_eq!(answer, Answer::http(400, "credentials_malformed"));
    }
}

#[tokio::test]
async fn a_client_that_sends_while_it_is_refused_still_reads_its_code() {
    for server in servers(Stack::default()).await.unwrap() {
        for _ in 0..20 {
            let client = handshake(server.address, "?token=x", &[APP]).await.unwrap();
            let (mut sink, mut stream) = client.split();
            let sending = async move {
                let mut sent = 0;
                while sent < 2000 && sink.send("busy busy busy".into()).await.is_ok() {
                    sent += 1;
                }
            };
            let reading = async move {
                while let Some(Ok(message)) = stream.next().await {
                    if let tokio_tungstenite::tungstenite::Message::Close(Some(frame)) = message {
                        return Some((u16::from(frame.code), frame.reason.as_str().to_owned()));
                    }
                }
                None
            };
            let ((), read) = tokio::join!(sending, reading);
            assert_eq!(
                read,
                Some((4401, "token_invalid".to_owned())),
                "{}",
                server.name
            );
        }
        assert_eq!(server.echo.messages(), 0);
    }
}

#[tokio::test]
async fn the_message_before_the_close_frame_says_more() {
    let close = CloseFrameLayer::new()
        .reject_delay(Duration::ZERO)
        .first_message_json();
    for server in servers(Stack::closing(close)).await.unwrap() {
        let query = format!("?token={}", token(-1));
        let answer = end_of(handshake(server.address, &query, &[APP]).await).await;
        let message = r#"{"type":"rejected","code":4401,"reason":"token_expired","retryable":false,"retry_after":null}"#;
        assert_eq!(
            answer,
            Answer::Closed(4401, "token_expired".into(), vec![message.to_owned()])
        );
    }
}

#[tokio::test]
async fn predicate_code_and_reason_are_the_applications_to_choose() {
    let close = CloseFrameLayer::new()
        .reject_delay(Duration::ZERO)
        .when(|rejection, _head| rejection.kind() != RejectionKind::CredentialsMissing)
        .close_with(|rejection| Close::new(CloseCode::POLICY, rejection.reason().to_uppercase()));
    for server in servers(Stack::closing(close)).await.unwrap() {
        let answer = end_of(handshake(server.address, "?token=x", &[]).await).await;
        assert_eq!(answer, Answer::closed(1008, "TOKEN_INVALID"));
        let answer = end_of(handshake(server.address, "", &[APP]).await).await;
        assert_eq!(answer, Answer::http(401, "credentials_missing"));
    }
}

#[tokio::test]
async fn the_answer_comes_after_the_reject_delay() {
    let hold = Duration::from_secs(3);
    let close = CloseFrameLayer::new().reject_delay(hold);
    let at = async |server: Server| {
        let began = Instant::now();
        let answer = end_of(handshake(server.address, "?token=x", &[APP]).await).await;
        assert_eq!(answer, Answer::closed(4401, "token_invalid"));
        assert!(began.elapsed() >= hold);
        // A client that keeps the plain answer is not delayed.
        let began = Instant::now();
        let answer = end_of(handshake(server.address, "?token=x", &[]).await).await;
        assert_eq!(answer, Answer::http(401, "token_invalid"));
        assert!(began.elapsed() < hold);
    };
    let [one, other] = servers(Stack::closing(close)).await.unwrap();
    tokio::join!(at(one), at(other));
}

/// For clients that never answer the close frame.
fn brief() -> CloseFrameLayer {
    CloseFrameLayer::new()
        .reject_delay(Duration::ZERO)
        .deadline(Duration::from_millis(300))
}

fn upgrade_with(fields: &str) -> String {
    head("/ws", &format!("Origin: https://app.example\r\n{fields}"))
}

fn answer_head(answer: &str) -> String {
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    format!("{}\r\n", head.to_ascii_lowercase())
}

#[tokio::test]
async fn the_converted_answer_keeps_nothing_of_the_refusal() {
    for server in servers(Stack::closing(brief())).await.unwrap() {
        let answer = answer_head(&raw(server.address, &upgrade_with("")).await.unwrap());
        let mut lines = answer.lines();
        assert_eq!(lines.next(), Some("http/1.1 101 switching protocols"));
        let mut fields: Vec<_> = lines.filter(|line| !line.starts_with("date: ")).collect();
        fields.sort_unstable();
        let expected = [
            "connection: upgrade",
            "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=",
            "upgrade: websocket",
        ];
        assert_eq!(fields, expected, "{}", server.name);
    }
}

#[tokio::test]
async fn the_plain_answer_has_the_headers_that_belong_to_it_and_ends_the_connection() {
    for server in servers(Stack::default()).await.unwrap() {
        let request = upgrade_with("").replace("Origin: https://app.example\r\n", "");
        // Bytes behind a refused upgrade are not another request.
        let smuggled = format!("{request}GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let answer = raw(server.address, &smuggled).await.unwrap();
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        let head = answer_head(&answer);
        assert!(head.starts_with("http/1.1 401 "), "{answer}");
        for field in [
            "connection: close",
            "cache-control: no-store",
            "www-authenticate: bearer",
        ] {
            assert!(head.contains(&format!("\r\n{field}\r\n")), "{answer}");
        }
        assert!(answer.ends_with("\r\n\r\ncredentials_missing"), "{answer}");
    }
}
