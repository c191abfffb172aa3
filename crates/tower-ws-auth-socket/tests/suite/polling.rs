//! Socket.IO's polling transport: a session is its owner's alone, and the refused are told.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use test_support::SECRET;
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_ws_auth_core::origin::{MissingOrigin, OriginLayer, Origins};
use tower_ws_auth_core::{
    AuthLayer, AuthenticateExt, DisconnectReason, Grant, MemoryRevocations, Rejection,
    RejectionKind, ResponseBody, Revocations,
};
use tower_ws_auth_socket::close::{CloseFrameLayer, OriginalStatus};
use tower_ws_auth_socket::lease::LeaseLayer;
use tower_ws_auth_socket::polling::PollingLayer;
use tower_ws_auth_socket::protocol::ClientProtocol;

const OPEN: &str = r#"0{"sid":"SERVER-1","upgrades":["websocket"]}"#;

type Body = ResponseBody<ResponseBody<ResponseBody<ResponseBody<ResponseBody<Full<Bytes>>>>>>;

/// A server of Engine.IO behind every layer.
#[derive(Clone)]
struct Lab {
    service: BoxCloneSyncService<Request<()>, Response<Body>, Infallible>,
    /// The queries that the server has read.
    seen: Arc<Mutex<Vec<String>>>,
    revocations: Revocations,
}

/// The user is in `authorization`; `expired`, `forbidden` and `busy` are refused.
fn strategy(head: &mut Parts) -> impl Future<Output = Result<Grant<String>, Rejection>> + use<> {
    let user = head.headers.remove("authorization");
    let user = user.and_then(|user| user.to_str().map(str::to_owned).ok());
    async move {
        let user = user.unwrap_or_default();
        let kind = match user.as_str() {
            "expired" => RejectionKind::TokenExpired,
            "forbidden" => RejectionKind::Forbidden,
            "busy" => RejectionKind::Unavailable,
            _ => return Ok(Grant::new(user.clone()).revocable_by(format!("user:{user}"))),
        };
        Err(Rejection::new(kind, "as the test asks"))
    }
}

impl Lab {
    fn new() -> Self {
        Self::answering(|| Response::new(Full::from(OPEN)))
    }

    /// The server answers a request without a session by this.
    fn answering(
        opening: impl Fn() -> Response<Full<Bytes>> + Clone + Send + Sync + 'static,
    ) -> Self {
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let queries = Arc::clone(&seen);
        let server = service_fn(move |request: Request<()>| {
            let query = request.uri().query().unwrap_or_default().to_owned();
            queries.lock().unwrap().push(query.clone());
            let opening = opening.clone();
            async move {
                if query.contains("wait") {
                    std::future::pending::<()>().await;
                }
                let is_open = query.contains("sid=");
                Ok::<_, Infallible>(if is_open {
                    Response::new(Full::from("2"))
                } else {
                    opening()
                })
            }
        });
        let store = MemoryRevocations::new(Duration::from_secs(3600), 100);
        let revocations = Revocations::new(store);
        let origins = Origins::new(["https://app.example"]).unwrap();
        let service = ServiceBuilder::new()
            .layer(
                CloseFrameLayer::new()
                    .client_protocol(ClientProtocol::socket_io())
                    .reject_delay(Duration::ZERO),
            )
            .layer(OriginLayer::new(origins, MissingOrigin::Allow))
            .layer(AuthLayer::new(strategy.revocable(revocations.clone())).any_request())
            .layer(LeaseLayer::new(revocations.clone()))
            .layer(PollingLayer::new(SECRET, |user: &String| user.clone()).unwrap())
            .service(server);
        Self {
            service: BoxCloneSyncService::new(service),
            seen,
            revocations,
        }
    }

    fn request(method: Method, user: &str, query: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("/socket.io/?EIO=4{query}"))
            .header("authorization", user)
    }

    async fn answer(&self, request: http::request::Builder) -> Response<String> {
        let request = request.body(()).unwrap();
        let response = self.service.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Response::from_parts(head, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn poll(&self, user: &str, query: &str) -> Response<String> {
        let query = format!("&transport=polling{query}");
        self.answer(Self::request(Method::GET, user, &query)).await
    }

    /// The `sid` of a new session.
    async fn open(&self, user: &str) -> String {
        let answer = self.poll(user, "").await;
        assert_eq!(answer.status(), StatusCode::OK);
        let sid = answer.body().split('"').nth(3).unwrap();
        sid.to_owned()
    }

    fn take_seen(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

const UNKNOWN: &str = r#"{"code":1,"message":"Session ID unknown"}"#;

mod a_session {
    use super::*;

    #[tokio::test]
    async fn is_used_by_the_user_who_opened_it() {
        let lab = Lab::new();
        let sid = lab.open("ada").await;
        assert!(sid.starts_with("SERVER-1."), "{sid}");
        lab.take_seen();
        let answer = lab.poll("ada", &format!("&t=1&sid={sid}&x=y")).await;
        assert_eq!(
            (answer.status(), answer.body().as_str()),
            (StatusCode::OK, "2")
        );
        assert_eq!(
            lab.take_seen(),
            ["EIO=4&transport=polling&t=1&sid=SERVER-1&x=y"]
        );
    }

    #[tokio::test]
    async fn is_unknown_to_everybody_else_whatever_the_request() {
        let lab = Lab::new();
        let sid = lab.open("ada").await;
        lab.take_seen();
        for (method, query) in [
            (Method::GET, "&transport=polling"),
            (Method::POST, "&transport=polling"),
            (Method::GET, "&transport=websocket"),
            (Method::OPTIONS, ""),
        ] {
            let request = Lab::request(method.clone(), "eve", &format!("{query}&sid={sid}"));
            let answer = lab.answer(request).await;
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{method} {query}");
            assert_eq!(answer.body(), UNKNOWN);
            let rejection = answer.extensions().get::<Rejection>().unwrap();
            assert_eq!(rejection.kind(), RejectionKind::Forbidden);
        }
        assert_eq!(lab.take_seen(), [""; 0]);
    }

    #[tokio::test]
    async fn is_not_taken_over_by_an_upgrade() {
        let lab = Lab::new();
        let sid = lab.open("ada").await;
        lab.take_seen();
        let request = Lab::request(
            Method::GET,
            "eve",
            &format!("&transport=websocket&sid={sid}"),
        )
        .header("host", "app.example")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let answer = lab.answer(request).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert_eq!(answer.headers()["connection"], "close");
        assert_eq!(lab.take_seen(), [""; 0]);
    }

    #[tokio::test]
    async fn that_nobody_opened_here_is_unknown_to_its_server_too() {
        let lab = Lab::new();
        let sid = lab.open("ada").await;
        lab.take_seen();
        for query in [
            "&sid=SERVER-1".to_owned(),
            "&sid=".to_owned(),
            format!("&sid={sid}&sid=SERVER-2"),
            format!("&s%69d=SERVER-2&sid={sid}"),
            "&%73id=SERVER-1".to_owned(),
        ] {
            let answer = lab.poll("ada", &query).await;
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{query}");
        }
        assert_eq!(lab.take_seen(), [""; 0]);
    }

    #[tokio::test]
    async fn is_not_opened_if_its_answer_cannot_be_read() {
        for lab in [
            Lab::answering(|| Response::new(Full::from(vec![b' '; 64 * 1024 + 1]))),
            Lab::answering(|| {
                let mut response = Response::new(Full::from(OPEN));
                let gzip = http::HeaderValue::from_static("gzip");
                response.headers_mut().insert(CONTENT_ENCODING, gzip);
                response
            }),
        ] {
            let answer = lab.poll("ada", "").await;
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        }
    }

    #[tokio::test]
    async fn that_the_server_refuses_stays_refused() {
        let lab = Lab::answering(|| {
            let mut response = Response::new(Full::from(OPEN));
            *response.status_mut() = StatusCode::BAD_REQUEST;
            response
        });
        let answer = lab.poll("ada", "").await;
        assert_eq!(
            (answer.status(), answer.body().as_str()),
            (StatusCode::BAD_REQUEST, OPEN)
        );
    }

    #[tokio::test]
    async fn is_announced_with_its_new_length() {
        let lab = Lab::answering(|| {
            let mut response = Response::new(Full::from(OPEN));
            let length = OPEN.len().into();
            response.headers_mut().insert(CONTENT_LENGTH, length);
            response
        });
        let answer = lab.poll("ada", "").await;
        assert!(!answer.headers().contains_key(CONTENT_LENGTH));
        assert!(answer.body().len() > OPEN.len());
    }

    #[tokio::test]
    async fn is_not_opened_without_a_strategy() {
        let layer = PollingLayer::new(SECRET, |user: &String| user.clone()).unwrap();
        let service = ServiceBuilder::new().layer(layer).service(service_fn(
            async |_: Request<()>| -> Result<Response<Full<Bytes>>, Infallible> {
                panic!("the server is called")
            },
        ));
        let request = Lab::request(Method::GET, "ada", "&transport=polling");
        let response = service.oneshot(request.body(()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}

mod a_poll_under_way {
    use super::*;

    async fn ended(transport: &str, reason: DisconnectReason) -> Response<String> {
        let lab = Lab::new();
        let sid = lab.open("ada").await;
        lab.take_seen();
        let polling = {
            let lab = lab.clone();
            let query = format!("{transport}&sid={sid}&wait");
            let request = Lab::request(Method::GET, "ada", &query);
            tokio::spawn(async move { lab.answer(request).await })
        };
        while lab.seen.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        assert!(!polling.is_finished());
        lab.revocations.revoke("user:ada", reason).await.unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(30), polling).await;
        answer.expect("the poll does not end").unwrap()
    }

    #[tokio::test]
    async fn ends_with_its_lease_and_says_why() {
        let answer = ended("&transport=polling", DisconnectReason::Revoked).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(
            answer.body(),
            "42[\"auth_ended\",{\"reason\":\"revoked\"}]\u{1e}41"
        );
        assert_eq!(answer.headers()["cache-control"], "no-store");
    }

    #[tokio::test]
    async fn ends_however_its_transport_is_written() {
        for transport in [
            "&transport=poll%69ng",
            "&tr%61nsport=polling",
            "&transport=websocket",
            "",
        ] {
            let answer = ended(transport, DisconnectReason::Revoked).await;
            assert!(answer.body().contains("auth_ended"), "{transport}");
        }
    }

    #[tokio::test]
    async fn ends_without_a_disconnect_if_the_client_should_come_back() {
        let answer = ended("&transport=polling", DisconnectReason::TokenExpired).await;
        assert_eq!(
            answer.body(),
            "42[\"auth_ended\",{\"reason\":\"token_expired\"}]\u{1e}1"
        );
    }
}

mod a_refused_poll {
    use super::*;

    #[tokio::test]
    async fn is_opened_and_refused_in_packets() {
        let lab = Lab::new();
        let answer = lab.poll("forbidden", "").await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[CONTENT_TYPE], "text/plain; charset=UTF-8");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let original = answer.extensions().get::<OriginalStatus>().unwrap();
        assert_eq!(original.0, StatusCode::FORBIDDEN);
        let (open, refused) = answer.body().split_once('\u{1e}').unwrap();
        assert!(open.starts_with(r#"0{"sid":""#), "{open}");
        assert_eq!(
            refused,
            r#"44{"message":"forbidden","data":{"reason":"forbidden"}}"#
        );
        assert_eq!(lab.take_seen(), [""; 0]);
    }

    #[tokio::test]
    async fn of_an_open_session_ends_it() {
        let lab = Lab::new();
        let answer = lab.poll("expired", "&sid=abc").await;
        assert_eq!(
            answer.body(),
            "42[\"auth_ended\",{\"reason\":\"token_expired\"}]\u{1e}1"
        );
    }

    /// A client that reads anything but `ok` behind its packets takes it for a fault of the network:
    /// it connects again, and never reads the poll that says why.
    #[tokio::test]
    async fn says_why_and_not_the_answer_to_packets_which_reach_nobody() {
        let lab = Lab::new();
        for user in ["expired", "forbidden"] {
            let request = Lab::request(Method::POST, user, "&transport=polling&sid=a");
            let answer = lab.answer(request).await;
            assert_eq!((answer.status(), &**answer.body()), (StatusCode::OK, "ok"));
            assert_eq!(answer.headers()["cache-control"], "no-store");
            assert!(answer.extensions().get::<OriginalStatus>().is_some());
        }
        assert_eq!(lab.take_seen(), [""; 0]);
    }

    #[tokio::test]
    async fn keeps_its_status_where_packets_would_not_be_read() {
        let lab = Lab::new();
        for (request, status) in [
            // Such a client backs off only then.
            (
                Lab::request(Method::GET, "busy", "&transport=polling"),
                StatusCode::SERVICE_UNAVAILABLE,
            ),
            (
                Lab::request(Method::POST, "busy", "&transport=polling&sid=a"),
                StatusCode::SERVICE_UNAVAILABLE,
            ),
            (
                Lab::request(Method::POST, "forbidden", "&transport=polling"),
                StatusCode::FORBIDDEN,
            ),
            (
                Lab::request(Method::GET, "forbidden", ""),
                StatusCode::FORBIDDEN,
            ),
        ] {
            assert_eq!(lab.answer(request).await.status(), status);
        }
    }

    #[tokio::test]
    async fn of_a_foreign_page_learns_nothing() {
        let lab = Lab::new();
        for user in ["ada", "forbidden"] {
            let request = Lab::request(Method::GET, user, "&transport=polling");
            let request = request.header("origin", "https://evil.example");
            let answer = lab.answer(request).await;
            assert_eq!(
                (answer.status(), answer.body().as_str()),
                (StatusCode::FORBIDDEN, "origin_denied")
            );
        }
    }

    #[tokio::test]
    async fn is_held_as_long_as_a_refused_handshake() {
        let layers = ServiceBuilder::new()
            .layer(CloseFrameLayer::new().client_protocol(ClientProtocol::socket_io()))
            .layer(AuthLayer::new(strategy).any_request());
        let service = layers.service(service_fn(
            async |_: Request<()>| -> Result<Response<Full<Bytes>>, Infallible> {
                panic!("the server is called")
            },
        ));
        tokio::time::pause();
        let began = tokio::time::Instant::now();
        let request = Lab::request(Method::GET, "forbidden", "&transport=polling");
        let response = service.oneshot(request.body(()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(began.elapsed().as_millis() / 10, 30);
    }
}
