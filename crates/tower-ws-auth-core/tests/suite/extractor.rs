//! axum: the proof as an argument, and the `OriginalUri` without the credential.

use axum::Router;
use axum::body::Body;
use axum::extract::OriginalUri;
use axum::response::Response;
use axum::routing::{any, get};
use http::request::Builder;
use http::{Request, StatusCode, Uri};
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_ws_auth_core::{AuthLayer, Authenticated, Rejection};

use crate::support::{Token, User, handshake};

async fn hello(user: Authenticated<User>) -> String {
    format!("hello, {}", user.0)
}

async fn send(router: Router, request: Builder) -> Response {
    let request = request.body(Body::empty()).unwrap();
    router.oneshot(request).await.unwrap()
}

async fn text(response: Response) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.into()).unwrap()
}

mod authenticated {
    use super::*;

    #[tokio::test]
    async fn is_an_argument_of_the_handler_behind_the_layer() {
        let guarded = || {
            Router::new()
                .route("/ws", get(hello))
                .layer(AuthLayer::new(Token::new()))
        };
        let response = send(guarded(), handshake("/ws?token=good")).await;
        assert_eq!(text(response).await, "hello, ada");
        let response = send(guarded(), handshake("/ws?token=bad")).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(response.extensions().get::<Rejection>().is_some());
        assert_eq!(text(response).await, "token_invalid");
    }

    #[tokio::test]
    async fn is_500_where_the_layer_was_forgotten() {
        let router = Router::new().route("/ws", get(hello));
        let response = send(router, handshake("/ws?token=good")).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(text(response).await, "");
    }

    #[tokio::test]
    async fn is_500_where_the_layer_grants_another_identity() {
        let other = AuthLayer::new(|_: &mut _| async { Ok(tower_ws_auth_core::Grant::new("ada")) });
        let router = Router::new().route("/ws", get(hello)).layer(other);
        let response = send(router, handshake("/ws")).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[tokio::test]
    async fn guards_the_routes_that_were_added_before_the_layer_and_only_these() {
        let router = Router::new()
            .route("/ws", get(hello))
            .route_layer(AuthLayer::new(Token::new()))
            .route("/health", get(async || "up"));
        let response = send(router.clone(), Request::get("/health")).await;
        assert_eq!(text(response).await, "up");
        let response = send(router.clone(), handshake("/ws")).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let response = send(router, handshake("/nowhere")).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
    }
}

mod original_uri {
    use super::*;

    async fn both(uri: Uri, OriginalUri(original): OriginalUri) -> String {
        format!("{uri} {original}")
    }

    fn nested() -> Router {
        let inner = Router::new()
            .route("/ws", any(both))
            .route_layer(AuthLayer::new(Token::new()));
        Router::new().nest("/api", Router::new().nest("/v1", inner))
    }

    #[tokio::test]
    async fn loses_the_credential_in_a_nested_router_and_keeps_the_rest() {
        for (sent, seen) in [
            ("/api/v1/ws?token=good", "/ws /api/v1/ws"),
            (
                "/api/v1/ws?a=1&token=good&b=%20",
                "/ws?a=1&b=%20 /api/v1/ws?a=1&b=%20",
            ),
            (
                "http://example.com:1/api/v1/ws?token=good",
                "http://example.com:1/ws http://example.com:1/api/v1/ws",
            ),
        ] {
            let response = send(nested(), handshake(sent)).await;
            assert_eq!(text(response).await, seen);
        }
    }

    #[tokio::test]
    async fn is_left_alone_where_the_credential_travels_elsewhere() {
        let request = handshake("/api/v1/ws?a=1").header("authorization", "Bearer good");
        let response = send(nested(), request).await;
        assert_eq!(text(response).await, "/ws?a=1 /api/v1/ws?a=1");
    }

    #[tokio::test]
    async fn loses_the_credential_also_around_the_whole_router() {
        let router = Router::new()
            .nest("/api", Router::new().route("/ws", any(both)))
            .layer(AuthLayer::new(Token::new()));
        for (sent, seen) in [
            ("/api/ws?token=good", "/ws /api/ws"),
            ("/api/ws?token=good&a=1", "/ws?a=1 /api/ws?a=1"),
        ] {
            let response = send(router.clone(), handshake(sent)).await;
            assert_eq!(text(response).await, seen);
        }
    }

    #[tokio::test]
    async fn loses_the_credential_in_a_refusal() {
        let long = format!("/api/v1/ws?token={}", "canary".repeat(4000));
        for sent in [
            "/api/v1/ws?a=1&token=canary",
            "/api/v1/ws?token=canary&token=canary",
            "/api/v1/ws?token=%00canary",
            &long,
        ] {
            let response = send(nested(), handshake(sent)).await;
            let rejection: &Rejection = response.extensions().get().unwrap();
            let head = rejection.take_head().unwrap();
            let OriginalUri(original) = head.extensions.get().unwrap();
            assert_eq!(original.path(), "/api/v1/ws");
            assert!(!original.to_string().contains("canary"), "{original}");
        }
    }
}
