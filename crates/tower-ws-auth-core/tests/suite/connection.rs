//! After any answer but 101 to a request for an upgrade the connection closes (RFC 9110 §7.8).
//! Bytes behind the request are not another request.

use http::header::{CONNECTION, UPGRADE};
use http::request::Builder;
use http::{Request, StatusCode, Version};
use tower_ws_auth_core::AuthLayer;

use crate::support::{Answer, Inner, Token, handshake, send};

fn connection(response: &Answer) -> Vec<&str> {
    let lines = response.headers().get_all(CONNECTION).iter();
    lines.map(|line| line.to_str().unwrap()).collect()
}

async fn answer_of(inner: &Inner, request: Builder) -> Answer {
    send(&AuthLayer::new(Token::new()).any_request(), inner, request).await
}

mod closes {
    use super::*;

    #[tokio::test]
    async fn after_a_refused_upgrade() {
        for uri in ["/ws", "/ws?token=bad", "/ws?token=%00"] {
            let layer = AuthLayer::new(Token::new());
            let response = send(&layer, &Inner::new(), handshake(uri)).await;
            assert_eq!(connection(&response), ["close"], "{uri}");
        }
    }

    #[tokio::test]
    async fn after_an_invalid_upgrade() {
        let layer = AuthLayer::new(Token::new());
        let response = send(&layer, &Inner::new(), Request::get("/ws")).await;
        assert_eq!(connection(&response), ["close"]);
        let eight = Request::get("/ws")
            .header("host", "example.com")
            .header("upgrade", "websocket")
            .header("connection", "upgrade")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("sec-websocket-version", "8");
        let response = send(&layer, &Inner::new(), eight).await;
        assert_eq!(response.status(), StatusCode::UPGRADE_REQUIRED);
        assert_eq!(connection(&response), ["upgrade, close"]);
    }

    #[tokio::test]
    async fn after_an_accepted_upgrade_that_the_handler_does_not_answer_by_101() {
        for (status, own) in [
            (StatusCode::OK, None),
            (StatusCode::INTERNAL_SERVER_ERROR, None),
            (StatusCode::OK, Some("keep-alive")),
            (StatusCode::BAD_REQUEST, Some("close")),
        ] {
            let inner = Inner::answering(status, own);
            let layer = AuthLayer::new(Token::new());
            let response = send(&layer, &inner, handshake("/ws?token=good")).await;
            assert_eq!(inner.calls(), 1);
            assert!(connection(&response).join(", ").ends_with("close"));
        }
    }

    #[tokio::test]
    async fn after_an_upgrade_to_any_protocol() {
        let inner = Inner::answering(StatusCode::OK, None);
        let request = Request::post("/?token=good").header(UPGRADE, "h2c");
        let response = answer_of(&inner, request).await;
        assert_eq!(connection(&response), ["close"]);
    }

    #[tokio::test]
    async fn without_taking_the_upgrade_of_a_426_away() {
        let inner = Inner::answering(StatusCode::UPGRADE_REQUIRED, Some("upgrade"));
        let layer = AuthLayer::new(Token::new());
        let response = send(&layer, &inner, handshake("/ws?token=good")).await;
        let all = connection(&response).join(", ");
        assert!(all.contains("upgrade") && all.contains("close"), "{all}");
    }
}

mod stays {
    use super::*;

    #[tokio::test]
    async fn on_101() {
        let layer = AuthLayer::new(Token::new());
        let response = send(&layer, &Inner::new(), handshake("/ws?token=good")).await;
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(connection(&response), ["upgrade"]);
    }

    #[tokio::test]
    async fn on_ordinary_requests() {
        let inner = Inner::answering(StatusCode::OK, None);
        for uri in ["/?token=good", "/?token=bad"] {
            let response = answer_of(&inner, Request::post(uri)).await;
            assert!(connection(&response).is_empty());
        }
    }

    #[tokio::test]
    async fn on_http2_where_connection_is_no_field() {
        let inner = Inner::answering(StatusCode::OK, None);
        for uri in ["/?token=good", "/?token=bad"] {
            for request in [Request::get(uri), handshake(uri)] {
                let response = answer_of(&inner, request.version(Version::HTTP_2)).await;
                assert!(connection(&response).is_empty());
                assert!(!response.headers().contains_key(UPGRADE));
            }
        }
        let layer = AuthLayer::new(Token::new());
        for method in ["GET", "CONNECT"] {
            let request = handshake("/ws").version(Version::HTTP_2).method(method);
            let response = send(&layer, &inner, request).await;
            assert!(connection(&response).is_empty());
            assert!(!response.headers().contains_key(UPGRADE));
        }
    }
}
