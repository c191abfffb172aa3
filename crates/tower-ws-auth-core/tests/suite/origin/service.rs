//! The layer around a service, and together with a strategy.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, COOKIE, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use test_support::handshake;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_test::mock;
use tower_ws_auth_core::credential::{Carriers, SubprotocolFormat};
use tower_ws_auth_core::handshake::Handshake;
use tower_ws_auth_core::origin::{MissingOrigin, OriginLayer, Origins};
use tower_ws_auth_core::{AllowedOrigin, AuthLayer, Grant, Rejection, RejectionKind, ResponseBody};

const PAGE: &str = "https://example.com";

fn layer(missing: MissingOrigin) -> OriginLayer {
    OriginLayer::new(Origins::new([PAGE]).unwrap(), missing)
}

fn handshake(origin: Option<&str>) -> Request<()> {
    let request = handshake::request_from("/ws", origin);
    request.body(()).unwrap()
}

/// The inner service: it says by which origin it was reached.
async fn reached(request: Request<()>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let mut response = Response::new(Empty::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let vouched = request.extensions().get::<AllowedOrigin>();
    response
        .extensions_mut()
        .insert(Reached(vouched.map(|allowed| allowed.value().clone())));
    Ok(response)
}

#[derive(Clone, Debug, PartialEq)]
struct Reached(Option<HeaderValue>);

fn reached_by<B>(response: &Response<B>) -> Option<Reached> {
    assert!(response.extensions().get::<Rejection>().is_none());
    response.extensions().get().cloned()
}

/// The rejection of a response that the inner service has not seen.
fn refused<B>(response: &Response<B>) -> Rejection {
    assert_eq!(response.extensions().get::<Reached>(), None);
    response.extensions().get::<Rejection>().unwrap().clone()
}

async fn call<S, B>(service: S, request: Request<()>) -> Response<B>
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
{
    service.oneshot(request).await.unwrap()
}

mod an_allowed_page {
    use super::*;

    #[tokio::test]
    async fn reaches_the_service_that_was_polled_ready_with_its_request_unchanged() {
        let (mut service, mut inner) = mock::spawn_layer::<Request<()>, Response<Empty<Bytes>>, _>(
            layer(MissingOrigin::Refuse),
        );
        inner.allow(0);
        assert!(service.poll_ready().is_pending());
        inner.allow(1);
        assert!(service.poll_ready().is_ready());

        let request = handshake(Some(PAGE));
        let (response, mut arrived) = tokio::join!(service.call(request), async {
            let (request, answer) = inner.next_request().await.unwrap();
            let response = Response::builder().status(101).body(Empty::new());
            answer.send_response(response.unwrap());
            request.into_parts().0
        });
        let status = response.unwrap().status();
        assert_eq!(status, StatusCode::SWITCHING_PROTOCOLS);
        let vouched = arrived.extensions.remove::<AllowedOrigin>().unwrap();
        assert_eq!(vouched.value(), PAGE);
        let sent = handshake(Some(PAGE)).into_parts().0;
        assert_eq!(
            (arrived.method, arrived.uri, arrived.headers),
            (sent.method, sent.uri, sent.headers)
        );
    }

    #[tokio::test]
    async fn still_has_to_authenticate() {
        let strategy = |_: &mut http::request::Parts| async {
            let kind = RejectionKind::TokenInvalid;
            Err::<Grant<()>, _>(Rejection::new(kind, "nobody passes"))
        };
        let service =
            (layer(MissingOrigin::Refuse), AuthLayer::new(strategy)).layer(service_fn(reached));
        let response = call(service, handshake(Some(PAGE))).await;
        assert_eq!(refused(&response).kind(), RejectionKind::TokenInvalid);
    }
}

mod a_foreign_page {
    use super::*;

    #[tokio::test]
    async fn gets_403_and_a_closed_connection_and_never_reaches_the_service() {
        let service = layer(MissingOrigin::Allow).layer(service_fn(reached));
        for page in ["https://evil.net", "null", "https://example.com:8443"] {
            let response = call(service.clone(), handshake(Some(page))).await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN);
            assert_eq!(response.headers()[CONNECTION], "close");
            assert_eq!(refused(&response).kind(), RejectionKind::OriginDenied);
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, "origin_denied");
        }
    }

    #[tokio::test]
    async fn learns_nothing_about_its_visitor() {
        let strategy = |head: &mut http::request::Parts| {
            let known = head.headers.remove(COOKIE).is_some();
            async move {
                let refused = Rejection::new(RejectionKind::SessionInvalid, "unknown");
                if known {
                    Ok(Grant::new(()))
                } else {
                    Err(refused)
                }
            }
        };
        let service =
            (layer(MissingOrigin::Refuse), AuthLayer::new(strategy)).layer(service_fn(reached));
        let mut seen = Vec::new();
        for cookie in [None, Some("sid=1")] {
            let mut request = handshake(Some("https://evil.net"));
            if let Some(cookie) = cookie {
                request
                    .headers_mut()
                    .insert(COOKIE, cookie.parse().unwrap());
            }
            let response = call(service.clone(), request).await;
            refused(&response);
            let (head, body) = response.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            seen.push((head.status, head.headers, body));
        }
        assert_eq!(seen[0], seen[1]);
    }

    #[tokio::test]
    async fn with_two_origins_is_refused() {
        let mut request = handshake(Some(PAGE));
        request
            .headers_mut()
            .append("origin", HeaderValue::from_static(PAGE));
        let service = layer(MissingOrigin::Allow).layer(service_fn(reached));
        let response = call(service, request).await;
        assert_eq!(refused(&response).kind(), RejectionKind::OriginDenied);
    }

    #[tokio::test]
    async fn leaves_its_handshake_and_no_credential_in_the_rejection() {
        let mut request = handshake(Some("https://evil.net"));
        *request.uri_mut() = "/ws?token=canary&x=1".parse().unwrap();
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, "Bearer canary".parse().unwrap());
        headers.insert(COOKIE, "a=1; jwt=canary".parse().unwrap());
        let offered = "chat, base64url.bearer.phx.canary, graphql-ws";
        headers.insert(SEC_WEBSOCKET_PROTOCOL, offered.parse().unwrap());

        let service = layer(MissingOrigin::Refuse).layer(service_fn(reached));
        let response = call(service, request).await;
        let mut head = refused(&response).take_head().unwrap();
        assert_eq!(head.uri, "/ws");
        assert_eq!(head.headers[SEC_WEBSOCKET_PROTOCOL], "chat, graphql-ws");
        assert!(Handshake::check(&head).is_ok());
        assert!(!format!("{head:?} {response:?}").contains("canary"));

        let carriers = Carriers::builder()
            .query("token")
            .bearer_header()
            .subprotocol(SubprotocolFormat::Phoenix)
            .cookie("jwt")
            .build()
            .unwrap();
        assert!(carriers.take(&mut head).unwrap().is_none());
    }

    #[tokio::test]
    async fn leaves_the_rest_of_an_absolute_uri() {
        for (sent, left) in [
            (
                "https://example.com/ws?token=canary",
                "https://example.com/ws",
            ),
            ("https://example.com?token=canary", "https://example.com/"),
            ("/?", "/"),
        ] {
            let mut request = handshake(Some("https://evil.net"));
            *request.uri_mut() = sent.parse().unwrap();
            let service = layer(MissingOrigin::Refuse).layer(service_fn(reached));
            let response = call(service, request).await;
            assert_eq!(refused(&response).take_head().unwrap().uri, left);
        }
    }
}

mod a_client_without_origin {
    use super::*;

    #[tokio::test]
    async fn is_refused_where_only_pages_connect() {
        let service = layer(MissingOrigin::Refuse).layer(service_fn(reached));
        let response = call(service, handshake(None)).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(refused(&response).detail(), "no `Origin`");
    }

    #[tokio::test]
    async fn passes_if_that_is_allowed_without_the_mark_of_an_allowed_origin() {
        let service = layer(MissingOrigin::Allow).layer(service_fn(reached));
        let response = call(service, handshake(None)).await;
        assert_eq!(reached_by(&response), Some(Reached(None)));
    }

    #[tokio::test]
    async fn is_refused_in_either_case_by_a_strategy_that_reads_a_cookie() {
        for (origin, passes) in [(None, false), (Some(PAGE), true)] {
            let carriers = Carriers::builder().cookie("jwt").build().unwrap();
            let strategy = move |head: &mut http::request::Parts| {
                let taken = carriers.take(head);
                async move { taken.map(|cookie| Grant::new(cookie.is_some())) }
            };
            let service =
                (layer(MissingOrigin::Allow), AuthLayer::new(strategy)).layer(service_fn(reached));
            let mut request = handshake(origin);
            request
                .headers_mut()
                .insert(COOKIE, HeaderValue::from_static("jwt=a"));
            let response = call(service, request).await;
            if passes {
                assert!(reached_by(&response).is_some());
            } else {
                assert_eq!(refused(&response).kind(), RejectionKind::OriginDenied);
            }
        }
    }
}

mod a_mark_of_another_origin_layer {
    use super::*;

    fn vouched(origin: Option<&str>) -> Request<()> {
        let mut request = handshake(origin);
        let stranger = HeaderValue::from_static("https://evil.net");
        request
            .extensions_mut()
            .insert(AllowedOrigin::vouch_for(stranger));
        request
    }

    #[tokio::test]
    async fn is_gone_before_the_service_sees_the_request() {
        let service = layer(MissingOrigin::Allow).layer(service_fn(reached));
        let response = call(service.clone(), vouched(None)).await;
        assert_eq!(reached_by(&response), Some(Reached(None)));
        let response = call(service, vouched(Some(PAGE))).await;
        let page = HeaderValue::from_static(PAGE);
        assert_eq!(reached_by(&response), Some(Reached(Some(page))));
    }

    #[tokio::test]
    async fn is_gone_from_a_refused_head() {
        let service = layer(MissingOrigin::Refuse).layer(service_fn(reached));
        let response = call(service, vouched(Some("https://evil.net"))).await;
        let head = refused(&response).take_head().unwrap();
        assert!(head.extensions.get::<AllowedOrigin>().is_none());
    }

    #[tokio::test]
    async fn does_not_pass_an_inner_layer_with_a_shorter_list() {
        let wide = Origins::new([PAGE, "https://evil.net"]).unwrap();
        let wide = OriginLayer::new(wide, MissingOrigin::Refuse);
        let service = (wide, layer(MissingOrigin::Refuse)).layer(service_fn(reached));
        let response = call(service.clone(), handshake(Some("https://evil.net"))).await;
        assert_eq!(refused(&response).kind(), RejectionKind::OriginDenied);
        let response = call(service, handshake(Some(PAGE))).await;
        assert!(reached_by(&response).is_some());
    }
}

mod the_service_of_the_layer {
    use super::*;

    #[test]
    fn is_send_and_clone_and_prints_its_list() {
        fn sane<T: Send + Sync + Clone + std::fmt::Debug>(value: &T) -> String {
            format!("{value:?}")
        }
        let layer = layer(MissingOrigin::Refuse);
        assert!(sane(&layer).contains(PAGE));
        assert!(sane(&layer.layer(())).contains(PAGE));
    }

    #[tokio::test]
    async fn passes_an_error_of_the_service_on() {
        let failing = service_fn(async |_: Request<()>| {
            Err::<Response<ResponseBody<Empty<Bytes>>>, _>("broken")
        });
        let service = layer(MissingOrigin::Refuse).layer(failing);
        let error = service.oneshot(handshake(Some(PAGE))).await.unwrap_err();
        assert_eq!(error, "broken");
    }
}

mod without_an_origin {
    use super::*;

    /// Whether it passes, and whether as an allowed page's.
    fn passes(missing: MissingOrigin, request: http::request::Builder) -> (bool, bool) {
        let origins = Origins::new(["https://example.com"]).unwrap();
        let vouched = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let seen = std::sync::Arc::clone(&vouched);
        let layer = OriginLayer::new(origins, missing);
        let mut service = layer.layer(tower::service_fn(move |request: Request<()>| {
            let there = request.extensions().get::<AllowedOrigin>().is_some();
            seen.store(there, std::sync::atomic::Ordering::SeqCst);
            async { Ok::<_, std::convert::Infallible>(Response::new(())) }
        }));
        let request = request.body(()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let answer = runtime.block_on(async { service.call(request).await.unwrap() });
        let vouched = vouched.load(std::sync::atomic::Ordering::SeqCst);
        (answer.status() == StatusCode::OK, vouched)
    }

    #[test]
    fn the_browsers_word_counts_for_a_plain_get_where_that_is_wanted() {
        let get = |site: &str| Request::get("/").header("sec-fetch-site", site);
        let same = MissingOrigin::AllowSameOrigin;
        assert_eq!(passes(same, get("same-origin")), (true, true));
        for refused in [
            Request::get("/"),
            get("same-site"),
            get("cross-site"),
            get("none"),
            get("Same-Origin"),
            get("same-origin").header("sec-fetch-site", "same-origin"),
            get("same-origin").header("upgrade", "websocket"),
            get("same-origin").header("origin", "https://evil.net"),
            get("same-origin").header("origin", "null"),
            Request::post("/").header("sec-fetch-site", "same-origin"),
        ] {
            assert_eq!(passes(same, refused), (false, false));
        }
        assert_eq!(
            passes(MissingOrigin::Refuse, get("same-origin")),
            (false, false)
        );
        assert_eq!(
            passes(MissingOrigin::Allow, get("same-origin")),
            (true, false)
        );
    }
}
