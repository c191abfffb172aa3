//! The layer's decision, and the requests that reach the inner service.

use std::any::{Any, TypeId};
use std::future::{Ready, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::request::Parts;
use http::{Extensions, Request, Response, StatusCode, Version};
use http_body_util::Empty;
use tower::{Layer, Service, ServiceExt};
use tower_test::mock;
use tower_ws_auth_core::{
    AuthLayer, Authenticate, AuthenticateExt, Authenticated, Grant, Rejection, RejectionKind,
    Validity,
};

use crate::support::{Inner, Token, User, handshake, rejection, send};

mod the_service_that_was_polled_ready_is_the_one_called {
    use super::*;

    /// Decides only when polled a second time.
    async fn slowly(verdict: Result<Grant<User>, Rejection>) -> Result<Grant<User>, Rejection> {
        tokio::task::yield_now().await;
        verdict
    }

    #[tokio::test]
    async fn also_while_the_strategy_is_pending() {
        let layer = AuthLayer::new(|_: &mut _| slowly(Ok(Grant::new(User("ada")))));
        // `Inner` panics when its unready clone is called.
        let inner = Inner::new();
        let mut service = layer.layer(inner.clone());
        for calls in 1..=3 {
            let request = handshake("/ws").body(()).unwrap();
            let mut response = pin!(service.ready().await.unwrap().call(request));
            let polled = poll_fn(|cx| Poll::Ready(response.as_mut().poll(cx))).await;
            assert!(polled.is_pending());
            assert_eq!(inner.calls(), calls - 1, "called before the decision");
            let response = response.await.unwrap();
            assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
            assert_eq!(inner.calls(), calls);
        }
    }

    #[tokio::test]
    async fn also_with_a_second_request_before_the_first_is_decided() {
        let layer = AuthLayer::new(|_: &mut _| slowly(Ok(Grant::new(User("ada")))));
        let inner = Inner::new();
        let mut service = layer.layer(inner.clone());
        let request = || handshake("/ws").body(()).unwrap();
        let first = service.ready().await.unwrap().call(request());
        let second = service.ready().await.unwrap().call(request());
        second.await.unwrap();
        first.await.unwrap();
        assert_eq!(inner.calls(), 2);
    }

    #[tokio::test]
    async fn and_its_readiness_is_the_layers_own() {
        let layer = AuthLayer::new(|_: &mut _| slowly(Ok(Grant::new(User("ada")))));
        let (mut service, mut inner) =
            mock::spawn_layer::<Request<()>, Response<Empty<Bytes>>, _>(layer);
        inner.allow(0);
        assert!(service.poll_ready().is_pending());
        inner.allow(1);
        assert!(service.poll_ready().is_ready());

        let request = handshake("/ws").body(()).unwrap();
        let (response, ()) = tokio::join!(service.call(request), async {
            let (request, answer) = inner.next_request().await.unwrap();
            let user: &Authenticated<User> = request.extensions().get().unwrap();
            assert_eq!(**user, User("ada"));
            answer.send_response(Response::new(Empty::new()));
        });
        assert_eq!(response.unwrap().status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn and_its_error_is_passed_on() {
        let layer = AuthLayer::new(Token::new());
        let (mut service, mut inner) =
            mock::spawn_layer::<Request<()>, Response<Empty<Bytes>>, _>(layer);
        assert!(service.poll_ready().is_ready());
        let request = handshake("/ws?token=good").body(()).unwrap();
        let (response, ()) = tokio::join!(service.call(request), async {
            let (_, answer) = inner.next_request().await.unwrap();
            answer.send_error("broken");
        });
        assert_eq!(response.unwrap_err().to_string(), "broken");
        inner.send_error("gone");
        assert!(matches!(service.poll_ready(), Poll::Ready(Err(_))));
    }
}

mod a_refused_request_never_reaches_the_service {
    use super::*;

    #[tokio::test]
    async fn at_any_step_of_the_decision() {
        let layer = AuthLayer::new(Token::new().authorize(|_, head| head.uri.path() == "/ws"));
        let inner = Inner::new();
        for (request, kind) in [
            (handshake("/ws"), RejectionKind::CredentialsMissing),
            (handshake("/ws?token=bad"), RejectionKind::TokenInvalid),
            (
                handshake("/ws?token=%00"),
                RejectionKind::CredentialsMalformed,
            ),
            (
                handshake("/ws?token=good&token=good"),
                RejectionKind::CredentialsMalformed,
            ),
            (handshake("/admin?token=good"), RejectionKind::Forbidden),
        ] {
            let response = send(&layer, &inner, request).await;
            assert_eq!(rejection(&response).kind(), kind);
        }
        let no_handshake = send(&layer, &inner, Request::get("/ws?token=good")).await;
        assert_eq!(rejection(&no_handshake).reason(), "handshake_invalid");
        assert_eq!(inner.calls(), 0);

        send(&layer, &inner, handshake("/ws?token=good")).await;
        assert_eq!(inner.calls(), 1);
    }

    #[tokio::test]
    async fn and_a_bad_handshake_is_refused_before_the_strategy_decides() {
        let layer = AuthLayer::new(NeverAsked);
        let inner = Inner::new();
        let without = |name: &str| {
            let mut request = handshake("/ws");
            request.headers_mut().unwrap().remove(name);
            request
        };
        for (clause, request) in [
            ("no field at all", Request::get("/ws")),
            ("method", handshake("/ws").method("POST")),
            ("HTTP version", handshake("/ws").version(Version::HTTP_10)),
            ("host", without("host")),
            ("upgrade", without("upgrade")),
            ("connection", without("connection")),
            ("key", without("sec-websocket-key")),
            ("version", without("sec-websocket-version")),
            ("another version", {
                without("sec-websocket-version").header("sec-websocket-version", "8")
            }),
            ("body", handshake("/ws").header("content-length", "5")),
        ] {
            let response = send(&layer, &inner, request).await;
            let token = rejection(&response).reason();
            assert_eq!(token, "handshake_invalid", "{clause}");
        }
        assert_eq!(inner.calls(), 0);
    }
}

/// A strategy that finds a credential and must not verify it.
struct NeverAsked;

impl Authenticate for NeverAsked {
    type Credential = ();
    type Verified = User;
    type Identity = User;
    type Future = Ready<Result<Grant<User>, Rejection>>;

    fn take(&self, _head: &mut Parts) -> Result<Option<()>, Rejection> {
        Ok(Some(()))
    }

    fn verify(&self, (): (), _head: &Parts) -> Self::Future {
        unreachable!("verified for a request that is no handshake")
    }

    fn admit(&self, user: User, _head: &Parts) -> Result<User, Rejection> {
        Ok(user)
    }
}

mod the_proof_in_the_extensions {
    use super::*;

    /// A request with the proof and the validity of another one, as an outer layer may leave them.
    async fn forged(uri: &str) -> http::request::Builder {
        let inner = Inner::new();
        let eve = Token::new().map(|_| User("eve"));
        send(&AuthLayer::new(eve), &inner, handshake("/ws?token=good")).await;
        let extensions = inner.head().extensions;
        let proof: &Authenticated<User> = extensions.get().unwrap();
        let validity = Grant::new(()).revocable_by("user:eve").validity().clone();
        handshake(uri).extension(proof.clone()).extension(validity)
    }

    /// Stands in for a constructor that is out of reach. A public one of the type itself comes
    /// before it.
    trait Unreachable: Sized {
        #[expect(clippy::new_ret_no_self, reason = "it stands in for one")]
        fn new(_: User) -> Forbidden {
            Forbidden
        }
    }

    struct Forbidden;

    impl Unreachable for Authenticated<User> {}

    #[test]
    fn is_made_by_core_alone() {
        fn is_forbidden<T: Any>(_: &T) -> bool {
            TypeId::of::<T>() == TypeId::of::<Forbidden>()
        }
        let forged = Authenticated::<User>::new(User("eve"));
        assert!(is_forbidden(&forged), "anybody can make a proof");
    }

    fn holds_one(extensions: &Extensions) -> bool {
        extensions.get::<Authenticated<User>>().is_some() || extensions.get::<Validity>().is_some()
    }

    /// The one that was granted takes the place of the forged one in any case: only the strategy
    /// can see whether that was removed before.
    #[tokio::test]
    async fn is_the_one_that_this_layer_granted() {
        let inner = Inner::new();
        let strategy = |head: &mut Parts| {
            assert!(!holds_one(&head.extensions), "the strategy reads it");
            ready(Ok(Grant::new(User("ada")).until(Token::end())))
        };
        let layer = AuthLayer::new(strategy.authorize(|_, head| !holds_one(&head.extensions)));
        let response = send(&layer, &inner, forged("/ws").await).await;
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(inner.user(), User("ada"));
        let head = inner.head();
        let validity: &Validity = head.extensions.get().unwrap();
        assert_eq!(validity.end(), Some(Token::end()));
        assert!(validity.revocation_keys().is_empty());
    }

    #[tokio::test]
    async fn is_gone_on_a_refusal() {
        let inner = Inner::new();
        let layer = AuthLayer::new(Token::new());
        for uri in ["/ws", "/ws?token=bad"] {
            let response = send(&layer, &inner, forged(uri).await).await;
            assert_eq!(inner.calls(), 0);
            let left = rejection(&response).take_head().unwrap().extensions;
            for extensions in [&left, response.extensions()] {
                assert!(!holds_one(extensions), "{uri}");
            }
        }
    }
}

mod a_strategy_that_does_not_decide {
    use super::*;

    #[test]
    fn because_it_panics_never_falls_through() {
        let inner = Inner::new();
        let layer = AuthLayer::new(|_: &mut _| async {
            let words = ["no", "user"];
            Ok(Grant::new(User(words[words.len()])))
        });
        let mut service = layer.layer(inner.clone());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(service.poll_ready(&mut cx).is_ready());
        let mut response = pin!(service.call(handshake("/ws").body(()).unwrap()));
        for _ in 0..3 {
            let polled = catch_unwind(AssertUnwindSafe(|| response.as_mut().poll(&mut cx)));
            assert!(!matches!(polled, Ok(Poll::Ready(_))));
        }
        assert_eq!(inner.calls(), 0);
    }

    #[test]
    fn because_its_condition_panics_never_falls_through() {
        let inner = Inner::new();
        let layer = AuthLayer::new(Token::new().authorize(|_, _| panic!("a bug in the condition")));
        let mut service = layer.layer(inner.clone());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(service.poll_ready(&mut cx).is_ready());
        let request = handshake("/ws?token=good").body(()).unwrap();
        let mut response = pin!(service.call(request));
        for _ in 0..3 {
            let polled = catch_unwind(AssertUnwindSafe(|| response.as_mut().poll(&mut cx)));
            assert!(!matches!(polled, Ok(Poll::Ready(_))));
        }
        assert_eq!(inner.calls(), 0);
    }

    #[tokio::test]
    async fn because_it_is_dropped_never_falls_through() {
        let inner = Inner::new();
        let layer = AuthLayer::new(|_: &mut _| std::future::pending::<Result<Grant<User>, _>>());
        let mut service = layer.layer(inner.clone());
        let request = handshake("/ws").body(()).unwrap();
        {
            let mut response = pin!(service.ready().await.unwrap().call(request));
            let polled = poll_fn(|cx| Poll::Ready(response.as_mut().poll(cx))).await;
            assert!(polled.is_pending());
        }
        assert_eq!(inner.calls(), 0);
    }
}

mod any_request {
    use super::*;

    #[tokio::test]
    async fn lets_an_ordinary_request_pass_that_is_authenticated() {
        let inner = Inner::answering(StatusCode::CREATED, None);
        let layer = AuthLayer::new(Token::new()).any_request();
        let post = || Request::post("/tickets").header("authorization", "Bearer good");
        let response = send(&layer, &inner, post()).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(inner.user(), User("ada"));

        let response = send(&AuthLayer::new(Token::new()), &inner, post()).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(inner.calls(), 1);
    }

    #[tokio::test]
    async fn lets_no_other_request_pass() {
        let inner = Inner::new();
        let layer = AuthLayer::new(Token::new()).any_request();
        for request in [
            Request::post("/tickets"),
            Request::get("/?token=bad"),
            handshake("/ws"),
        ] {
            let response = send(&layer, &inner, request).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        }
        assert_eq!(inner.calls(), 0);
    }
}
