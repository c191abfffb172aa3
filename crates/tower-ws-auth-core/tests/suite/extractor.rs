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
    async fn may_be_optional_for_a_handler_on_guarded_and_unguarded_routes() {
        async fn either(user: Option<Authenticated<User>>) -> String {
            user.map_or_else(|| "nobody".to_owned(), |user| user.0.to_owned())
        }
        let router = Router::new()
            .route("/ws", get(either).layer(AuthLayer::new(Token::new())))
            .route("/open", get(either));
        for (uri, seen) in [
            ("/ws?token=good", "ada"),
            ("/ws?token=bad", "token_invalid"),
            ("/open?token=good", "nobody"),
        ] {
            let response = send(router.clone(), handshake(uri)).await;
            assert_eq!(text(response).await, seen);
        }
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

mod a_rejection {
    use tower_ws_auth_core::RejectionKind;

    use super::*;

    #[tokio::test]
    async fn of_a_handler_is_an_answer_with_its_status_and_reason_and_no_detail() {
        let refuse = async || -> Result<(), Rejection> {
            Err(Rejection::new(RejectionKind::Forbidden, "not a member"))
        };
        let router = Router::new().route("/", get(refuse));
        let response = send(router, Request::get("/")).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(response.headers()["cache-control"], "no-store");
        // Evidence without a connection would keep other layers from converting it.
        assert!(response.extensions().get::<Rejection>().is_none());
        assert_eq!(text(response).await, "forbidden");
    }
}

mod path_parameters {
    use tower_ws_auth_core::{AuthenticateExt, ByPath, Rejection, RejectionKind, path_params};

    use super::*;

    async fn room(axum::extract::Path(room): axum::extract::Path<String>) -> String {
        room
    }

    type ByRoom<F> = tower_ws_auth_core::Authorize<Token, ByPath<String, F>>;

    fn layer(named: &'static str) -> AuthLayer<ByRoom<impl Fn(&User, String) -> bool>> {
        let member = Token::new().authorize_path(move |user: &User, room: String| {
            assert_eq!(*user, User("ada"));
            room == named
        });
        AuthLayer::new(member)
    }

    #[tokio::test]
    async fn are_decoded_once_as_the_handler_reads_them() {
        for (path, seen) in [
            ("/rooms/a%61", "aa"),
            ("/rooms/aa", "aa"),
            ("/rooms/a%2561", "forbidden"),
            ("/rooms/a%20a", "forbidden"),
            ("/rooms/a%ff", "forbidden"),
            ("/rooms/a%2Fa", "forbidden"),
        ] {
            let router = Router::new().route("/rooms/{room}", any(room).layer(layer("aa")));
            let response = send(router, handshake(&format!("{path}?token=good"))).await;
            assert_eq!(text(response).await, seen, "{path}");
        }
    }

    #[tokio::test]
    async fn are_found_however_the_layer_is_mounted_on_a_router() {
        let routes = || Router::new().route("/rooms/{room}", any(room));
        for router in [
            Router::new().route("/rooms/{room}", any(room).layer(layer("x/y"))),
            routes().route_layer(layer("x/y")),
            routes().layer(layer("x/y")),
        ] {
            let response = send(router.clone(), handshake("/rooms/x%2Fy?token=good")).await;
            assert_eq!(text(response).await, "x/y");
            let response = send(router, handshake("/rooms/x?token=good")).await;
            assert_eq!(text(response).await, "forbidden");
        }
    }

    #[tokio::test]
    async fn of_outer_routers_are_read_under_nest_with_their_types() {
        let member = Token::new()
            .authorize_path(|_: &User, (tenant, room): (u32, String)| tenant == 7 && room == "a b");
        let inner = Router::new().route(
            "/rooms/{room}",
            any(async || "in").layer(AuthLayer::new(member)),
        );
        let router = Router::new().nest("/tenants/{tenant}", inner);
        for (path, seen) in [
            ("/tenants/7/rooms/a%20b", "in"),
            ("/tenants/%37/rooms/a%20b", "in"),
            ("/tenants/8/rooms/a%20b", "forbidden"),
            ("/tenants/x/rooms/a%20b", "forbidden"),
        ] {
            let response = send(router.clone(), handshake(&format!("{path}?token=good"))).await;
            assert_eq!(text(response).await, seen, "{path}");
        }
    }

    #[tokio::test]
    async fn that_do_not_fit_the_route_or_are_missing_are_a_fault_of_ours_and_refuse() {
        let two = Token::new().authorize_path(|_: &User, _: (String, String)| true);
        let router = Router::new().route("/rooms/{room}", any(room).layer(AuthLayer::new(two)));
        let response = send(router, handshake("/rooms/a?token=good")).await;
        let rejection: &Rejection = response.extensions().get().unwrap();
        assert_eq!(rejection.kind(), RejectionKind::Unavailable);
        assert!(rejection.detail().contains("does not fit the route"));

        let outside = tower::ServiceBuilder::new()
            .layer(layer("a"))
            .service(Router::new().route("/rooms/{room}", any(room)));
        let request = handshake("/rooms/a?token=good")
            .body(Body::empty())
            .unwrap();
        let response = outside.oneshot(request).await.unwrap();
        let rejection: &Rejection = response.extensions().get().unwrap();
        assert_eq!(rejection.kind(), RejectionKind::Unavailable);
        assert!(rejection.detail().contains("outside of the router"));
    }

    #[tokio::test]
    async fn are_read_by_and_then_too() {
        let member = Token::new().and_then(|user: User, head| {
            let room = path_params::<u8>(head);
            async move { room.map(|room| (user, room)) }
        });
        let room = async |user: Authenticated<(User, u8)>| user.1.to_string();
        let router = Router::new().route("/rooms/{room}", any(room).layer(AuthLayer::new(member)));
        for (path, seen) in [("/rooms/%34", "4"), ("/rooms/256", "forbidden")] {
            let response = send(router.clone(), handshake(&format!("{path}?token=good"))).await;
            assert_eq!(text(response).await, seen);
        }
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
