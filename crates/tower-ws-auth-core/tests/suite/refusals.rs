//! The answer to a refused client, and the rejection for a layer further out.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, COOKIE, ORIGIN, RETRY_AFTER,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{HeaderName, Request, StatusCode, Version};
use http_body_util::{BodyExt, Empty};
use tower_ws_auth_core::handshake::{Handshake, HandshakeError};
use tower_ws_auth_core::{AuthLayer, Rejection, RejectionKind};

use crate::support::{Answer, Inner, Token, handshake, rejection, send};

fn refuse(rejection: Rejection, head: Parts) -> Answer {
    rejection.into_response::<Empty<Bytes>>(head)
}

/// An ordinary request, so that only the headers of the kind are there.
fn ordinary() -> Parts {
    Request::new(()).into_parts().0
}

fn header(response: &Answer, name: HeaderName) -> Option<&str> {
    let value = response.headers().get(name)?;
    Some(value.to_str().unwrap())
}

mod each_kind {
    use super::*;

    const KINDS: [(RejectionKind, u16, &str, Option<&str>); 14] = [
        (
            RejectionKind::MessageMalformed,
            400,
            "message_malformed",
            None,
        ),
        (RejectionKind::MessageTimeout, 408, "message_timeout", None),
        (
            RejectionKind::CredentialsMissing,
            401,
            "credentials_missing",
            Some("Bearer"),
        ),
        (
            RejectionKind::HandshakeInvalid(HandshakeError::Key),
            400,
            "handshake_invalid",
            None,
        ),
        (
            RejectionKind::CredentialsMalformed,
            400,
            "credentials_malformed",
            None,
        ),
        (
            RejectionKind::TokenInvalid,
            401,
            "token_invalid",
            Some(r#"Bearer error="invalid_token", error_description="token_invalid""#),
        ),
        (
            RejectionKind::TokenExpired,
            401,
            "token_expired",
            Some(r#"Bearer error="invalid_token", error_description="token_expired""#),
        ),
        (
            RejectionKind::TokenNotYetValid,
            401,
            "token_not_yet_valid",
            Some(r#"Bearer error="invalid_token", error_description="token_not_yet_valid""#),
        ),
        (
            RejectionKind::TicketInvalid,
            401,
            "ticket_invalid",
            Some(r#"Bearer error="invalid_token", error_description="ticket_invalid""#),
        ),
        (
            RejectionKind::SessionInvalid,
            401,
            "session_invalid",
            Some("Cookie"),
        ),
        (RejectionKind::OriginDenied, 403, "origin_denied", None),
        (RejectionKind::Forbidden, 403, "forbidden", None),
        (RejectionKind::RateLimited, 429, "rate_limited", None),
        (RejectionKind::Unavailable, 503, "unavailable", None),
    ];

    #[tokio::test]
    async fn has_its_status_its_token_as_text_and_is_not_stored() {
        for (kind, status, token, challenge) in KINDS {
            let response = refuse(Rejection::new(kind, "for the log only"), ordinary());
            assert_eq!(response.status(), status, "{kind:?}");
            assert_eq!(header(&response, CACHE_CONTROL), Some("no-store"));
            let text = header(&response, CONTENT_TYPE);
            assert_eq!(text, Some("text/plain; charset=utf-8"));
            assert_eq!(header(&response, WWW_AUTHENTICATE), challenge, "{kind:?}");
            assert_eq!(rejection(&response).kind(), kind);
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, token);
        }
    }

    /// A request that could be quoted: each part of it is `canary`.
    fn quotable() -> Parts {
        let request = Request::get("/canary?canary=canary")
            .header(ORIGIN, "https://canary.example")
            .header(SEC_WEBSOCKET_PROTOCOL, "canary")
            .header(CACHE_CONTROL, "canary")
            .header("x-request-id", "canary");
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn has_no_other_headers() {
        for (kind, ..) in KINDS {
            let response = refuse(Rejection::new(kind, "canary"), quotable());
            for (name, value) in response.headers() {
                let value = value.to_str().unwrap();
                assert!(!value.contains("canary"), "{kind:?} {name}: {value}");
            }
            let mut names: Vec<_> = response.headers().keys().cloned().collect();
            names.sort_by_key(ToString::to_string);
            let mut expected = vec![CACHE_CONTROL, CONTENT_TYPE];
            if response.status() == StatusCode::UNAUTHORIZED {
                expected.push(WWW_AUTHENTICATE);
            }
            if matches!(kind, RejectionKind::HandshakeInvalid(_)) {
                expected.insert(1, CONNECTION);
            }
            assert_eq!(names, expected, "{kind:?}");
        }
    }

    #[test]
    fn that_is_401_has_a_challenge_rfc9110_15_5_2() {
        for (kind, ..) in KINDS {
            let response = refuse(Rejection::new(kind, ""), ordinary());
            let challenged = header(&response, WWW_AUTHENTICATE).is_some();
            assert_eq!(challenged, response.status() == StatusCode::UNAUTHORIZED);
        }
    }
}

mod an_invalid_handshake {
    use super::*;

    fn answer(error: HandshakeError, version: Version) -> Answer {
        let mut head = ordinary();
        head.version = version;
        let kind = RejectionKind::HandshakeInvalid(error);
        refuse(Rejection::new(kind, ""), head)
    }

    #[test]
    fn by_its_method_is_405_with_allow_rfc9110_15_5_6() {
        for (version, allowed) in [(Version::HTTP_11, "GET"), (Version::HTTP_2, "CONNECT")] {
            let response = answer(HandshakeError::Method, version);
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(header(&response, ALLOW), Some(allowed));
        }
    }

    #[test]
    fn by_its_version_is_426_with_the_right_one_rfc6455_4_2_2() {
        let response = answer(HandshakeError::Version, Version::HTTP_11);
        assert_eq!(response.status(), StatusCode::UPGRADE_REQUIRED);
        assert_eq!(header(&response, SEC_WEBSOCKET_VERSION), Some("13"));
        assert_eq!(header(&response, UPGRADE), Some("websocket"));
        assert_eq!(header(&response, CONNECTION), Some("upgrade, close"));

        let response = answer(HandshakeError::Version, Version::HTTP_2);
        assert_eq!(header(&response, SEC_WEBSOCKET_VERSION), Some("13"));
        assert_eq!(header(&response, UPGRADE), None);
        assert_eq!(header(&response, CONNECTION), None);
    }

    #[test]
    fn otherwise_is_400() {
        for error in [
            HandshakeError::HttpVersion,
            HandshakeError::Host,
            HandshakeError::Upgrade,
            HandshakeError::Connection,
            HandshakeError::Key,
            HandshakeError::Body,
            HandshakeError::Protocol,
        ] {
            let response = answer(error, Version::HTTP_11);
            assert_eq!(response.status(), StatusCode::BAD_REQUEST);
            assert_eq!(header(&response, ALLOW), None);
            assert_eq!(header(&response, UPGRADE), None);
        }
    }

    #[tokio::test]
    async fn is_named_in_the_evidence() {
        let layer = AuthLayer::new(Token::new());
        let request = handshake("/ws?token=good").header("host", "twice");
        let rejection = rejection(&send(&layer, &Inner::new(), request).await);
        let kind = RejectionKind::HandshakeInvalid(HandshakeError::Host);
        assert_eq!(rejection.kind(), kind);
        assert_eq!(rejection.detail(), "there is not exactly one `Host`");
    }
}

mod retry_after_rfc9110_10_2_3 {
    use super::*;

    fn seconds(pause: Duration) -> Option<String> {
        let rejection = Rejection::new(RejectionKind::RateLimited, "").with_retry_after(pause);
        let response = refuse(rejection, ordinary());
        header(&response, RETRY_AFTER).map(str::to_owned)
    }

    #[test]
    fn is_in_whole_seconds_rounded_up() {
        for (millis, expected) in [(0, "0"), (1, "1"), (1000, "1"), (1001, "2"), (90_000, "90")] {
            assert_eq!(
                seconds(Duration::from_millis(millis)).as_deref(),
                Some(expected)
            );
        }
    }

    #[test]
    fn is_absent_if_unknown() {
        let response = refuse(Rejection::new(RejectionKind::Unavailable, ""), ordinary());
        assert_eq!(header(&response, RETRY_AFTER), None);
    }

    #[test]
    fn does_not_overflow() {
        let longest = u64::MAX.to_string();
        assert_eq!(seconds(Duration::MAX), Some(longest));
    }
}

mod the_head_of_a_refused_request {
    use super::*;

    #[tokio::test]
    async fn is_taken_exactly_once_over_all_copies_of_the_rejection() {
        let layer = AuthLayer::new(Token::new());
        let response = send(&layer, &Inner::new(), handshake("/ws?room=1")).await;
        let first = rejection(&response);
        let second = first.clone();
        let head = first.take_head().unwrap();
        assert_eq!(head.uri, "/ws?room=1");
        assert!(Handshake::check(&head).is_ok());
        assert!(first.take_head().is_none());
        assert!(second.take_head().is_none());
        assert!(rejection(&response).take_head().is_none());
    }

    #[tokio::test]
    async fn does_not_show_in_the_rejection() {
        let layer = AuthLayer::new(Token::new());
        let response = send(&layer, &Inner::new(), handshake("/ws?room=1")).await;
        let rejection = rejection(&response);
        assert!(!format!("{rejection:?} {rejection}").contains("room"));
    }

    #[test]
    fn is_not_there_before_a_layer_refused_it() {
        let rejection = Rejection::new(RejectionKind::Forbidden, "");
        assert!(rejection.take_head().is_none());
    }

    #[tokio::test]
    async fn has_its_own_extensions() {
        #[derive(Clone)]
        struct Socket;
        let layer = AuthLayer::new(Token::new());
        let request = handshake("/ws").extension(Socket);
        let response = send(&layer, &Inner::new(), request).await;
        let head = rejection(&response).take_head().unwrap();
        assert!(head.extensions.get::<Socket>().is_some());
    }

    /// `canary` in one place, or in a bad way in it. The subprotocol's is `canary` in base64.
    fn requests() -> Vec<http::request::Builder> {
        let header = |name, value: &str| handshake("/ws").header(name, value);
        let long = "canary".repeat(2_000);
        vec![
            handshake(&format!("/ws?token={long}")),
            handshake(&format!("/ws?token={long}{long}")),
            header(AUTHORIZATION, &format!("Bearer {long}")),
            header(
                SEC_WEBSOCKET_PROTOCOL,
                &format!("chat, base64url.bearer.phx.{}", "Y2FuYXJ5".repeat(2_000)),
            ),
            header(COOKIE, &format!("jwt={long}")),
            handshake("/ws?a=1&token=canary"),
            handshake("/ws?token=canary&token=canary"),
            handshake("/ws?token[]=canary"),
            handshake("/ws?token=canary%00"),
            header(AUTHORIZATION, "Bearer canary"),
            header(AUTHORIZATION, "Bearer canary canary"),
            header(AUTHORIZATION, "Bearer canary").header(AUTHORIZATION, "Bearer canary"),
            header(
                SEC_WEBSOCKET_PROTOCOL,
                "chat, base64url.bearer.phx.Y2FuYXJ5",
            ),
            header(SEC_WEBSOCKET_PROTOCOL, "base64url.bearer.phx.Y2FuYXJ5"),
            header(
                SEC_WEBSOCKET_PROTOCOL,
                "chat, base64url.bearer.phx.=Y2FuYXJ5",
            ),
            header(COOKIE, "a=1; jwt=canary"),
            header(COOKIE, "jwt=canary; jwt=canary"),
            header(COOKIE, "jwt=canary canary"),
            header(COOKIE, "jwt=canary").header(AUTHORIZATION, "Bearer canary"),
            handshake("/ws?token=canary").header(AUTHORIZATION, "Bearer canary"),
            // Malformed in the first place that is looked at, and yet the others are emptied.
            handshake("/ws?token[]=canary")
                .header(AUTHORIZATION, "Bearer canary")
                .header(
                    SEC_WEBSOCKET_PROTOCOL,
                    "chat, base64url.bearer.phx.Y2FuYXJ5",
                )
                .header(COOKIE, "jwt=canary"),
        ]
    }

    fn has_no_credential(response: &Answer) {
        let head = rejection(response).take_head().unwrap();
        let text = format!("{:?} {:?}", head.uri, head.headers);
        assert!(!text.contains("canary"), "{text}");
        assert!(!text.contains("Y2FuYXJ5"), "{text}");
        // The field of the rest may be marked as sensitive, and print as nothing.
        for value in head.headers.values() {
            let value = String::from_utf8_lossy(value.as_bytes());
            assert!(!value.contains("canary"), "{value}");
        }
    }

    #[tokio::test]
    async fn has_no_credential_where_that_was_refused() {
        let layer = AuthLayer::new(Token::new());
        for request in requests() {
            has_no_credential(&send(&layer, &Inner::new(), request).await);
        }
    }

    #[tokio::test]
    async fn has_no_credential_where_the_handshake_was_invalid() {
        let layer = AuthLayer::new(Token::new());
        for request in requests() {
            let request = request.header("host", "twice");
            let response = send(&layer, &Inner::new(), request).await;
            assert_eq!(rejection(&response).reason(), "handshake_invalid");
            has_no_credential(&response);
        }
    }

    #[tokio::test]
    async fn has_no_credential_where_the_request_was_no_handshake_at_all() {
        let layer = AuthLayer::new(Token::new());
        for request in requests() {
            let response = send(&layer, &Inner::new(), request.method("POST")).await;
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
            has_no_credential(&response);
        }
    }
}

#[test]
fn the_advice_says_whether_the_same_credential_may_pass_later() {
    use tower_ws_auth_core::Advice;
    for (advice, retryable) in [
        (Advice::Wait, true),
        (Advice::BackOff, true),
        (Advice::LogIn, false),
        (Advice::Refresh, false),
        (Advice::RefreshLater, false),
        (Advice::RefreshOnce, false),
        (Advice::Stop, false),
    ] {
        assert_eq!(advice.retryable(), retryable, "{advice:?}");
    }
}

#[tokio::test]
async fn the_head_of_a_refused_handshake_can_be_taken_once() {
    let response = send(
        &AuthLayer::new(Token::new()),
        &Inner::new(),
        handshake("/ws?token=bad"),
    )
    .await;
    let rejection = rejection(&response);
    let shown = rejection.take_handshake(|head, _| head.uri.to_string());
    assert_eq!(shown.as_deref(), Some("/ws"));
    assert_eq!(
        rejection.take_handshake(|head, _| head.uri.to_string()),
        None
    );
}

/// RFC 9113 §8.2.2: such a field makes the response malformed.
#[cfg(feature = "http2")]
#[tokio::test]
async fn a_refused_handshake_of_http2_says_nothing_about_its_connection() {
    let request = Request::builder()
        .method("CONNECT")
        .uri("https://example.com/ws?token=bad")
        .version(Version::HTTP_2)
        .header("sec-websocket-version", "13")
        .extension(hyper::ext::Protocol::from_static("websocket"));
    let response = send(&AuthLayer::new(Token::new()), &Inner::new(), request).await;
    assert_eq!(rejection(&response).kind(), RejectionKind::TokenInvalid);
    assert!(!response.headers().contains_key(CONNECTION));
}

#[tokio::test]
async fn a_key_with_however_many_foreign_characters_is_no_key() {
    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    for strays in 1..=4 {
        let mut request = handshake("/ws?token=good");
        let key = "!".repeat(strays) + &KEY[strays..];
        let headers = request.headers_mut().unwrap();
        headers.insert("sec-websocket-key", key.parse().unwrap());
        let response = send(&AuthLayer::new(Token::new()), &Inner::new(), request).await;
        let kind = rejection(&response).kind();
        assert!(matches!(kind, RejectionKind::HandshakeInvalid(_)), "{key}");
    }
}
