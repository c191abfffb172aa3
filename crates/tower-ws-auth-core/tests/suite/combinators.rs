//! Strategies out of strategies, and out of closures.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::StatusCode;
use http::request::Parts;
use tower_ws_auth_core::{
    AuthLayer, Authenticate, AuthenticateExt, Authenticated, Grant, Rejection, RejectionKind,
    Validity,
};

use crate::support::{Inner, Token, User, handshake, rejection, send};

mod map {
    use super::*;

    #[tokio::test]
    async fn changes_the_identity_and_keeps_the_validity() {
        let inner = Inner::new();
        let layer = AuthLayer::new(Token::new().map(|user| user.0.len()));
        send(&layer, &inner, handshake("/ws?token=good")).await;
        let extensions = inner.head().extensions;
        let length: &Authenticated<usize> = extensions.get().unwrap();
        assert_eq!(**length, 3);
        assert!(extensions.get::<Authenticated<User>>().is_none());
        let validity: &Validity = extensions.get().unwrap();
        assert_eq!(validity.end(), Some(Token::end()));
    }

    #[tokio::test]
    async fn is_not_asked_about_a_refused_credential() {
        let layer = AuthLayer::new(Token::new().map(|user| -> User { panic!("{user:?}") }));
        let response = send(&layer, &Inner::new(), handshake("/ws?token=bad")).await;
        assert_eq!(rejection(&response).kind(), RejectionKind::TokenInvalid);
    }
}

mod authorize {
    use super::*;

    #[tokio::test]
    async fn sees_the_identity_and_a_head_without_the_credential() {
        let strategy = Token::new().authorize(|user, head| {
            assert_eq!(*user, User("ada"));
            assert_eq!(head.uri, "/ws?room=1");
            true
        });
        let inner = Inner::new();
        let request = handshake("/ws?token=good&room=1");
        send(&AuthLayer::new(strategy), &inner, request).await;
        assert_eq!(inner.calls(), 1);
    }

    #[tokio::test]
    async fn refuses_with_403_if_its_condition_fails() {
        let inner = Inner::new();
        let layer = AuthLayer::new(Token::new().authorize(|user, _| *user == User("eve")));
        let response = send(&layer, &inner, handshake("/ws?token=good")).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(rejection(&response).kind(), RejectionKind::Forbidden);
        assert_eq!(inner.calls(), 0);
    }

    #[tokio::test]
    async fn is_not_asked_about_a_refused_credential() {
        let layer = AuthLayer::new(Token::new().authorize(|user, _| panic!("{user:?}")));
        let response = send(&layer, &Inner::new(), handshake("/ws?token=bad")).await;
        assert_eq!(rejection(&response).kind(), RejectionKind::TokenInvalid);
    }

    #[tokio::test]
    async fn is_enforced_before_and_after_map_and_twice() {
        let inner = Inner::new();
        let mut passed = 0;
        for (before, between, after) in [
            (true, true, true),
            (false, true, true),
            (true, false, true),
            (true, true, false),
            (false, false, false),
        ] {
            let strategy = Token::new()
                .authorize(move |user: &User, _| before && user.0 == "ada")
                .map(|user| user.0.len())
                .authorize(move |length, _| between && *length == 3)
                .authorize(move |_, _| after)
                .map(|length| User(if length == 3 { "mapped" } else { "not" }));
            let response = send(
                &AuthLayer::new(strategy),
                &inner,
                handshake("/ws?token=good"),
            )
            .await;
            if before && between && after {
                passed += 1;
                assert_eq!(inner.user(), User("mapped"));
            } else {
                assert_eq!(rejection(&response).kind(), RejectionKind::Forbidden);
            }
            assert_eq!(inner.calls(), passed);
        }
        assert_eq!(passed, 1);
    }

    #[test]
    fn and_map_keep_the_name_and_the_single_use_of_the_strategy() {
        struct Ticket(Token);
        impl Authenticate for Ticket {
            type Credential = <Token as Authenticate>::Credential;
            type Verified = User;
            type Identity = User;
            type Future = <Token as Authenticate>::Future;
            const SINGLE_USE: bool = true;
            fn take(&self, head: &mut Parts) -> Result<Option<Self::Credential>, Rejection> {
                self.0.take(head)
            }
            fn verify(&self, credential: Self::Credential, head: &Parts) -> Self::Future {
                self.0.verify(credential, head)
            }
            fn admit(&self, user: User, _head: &Parts) -> Result<User, Rejection> {
                Ok(user)
            }
        }
        fn single_use<A: Authenticate>(strategy: &A) -> (bool, &'static str) {
            (A::SINGLE_USE, strategy.name())
        }
        let ticket = Ticket(Token::new()).map(|user| user).authorize(|_, _| true);
        let (single, name) = single_use(&ticket);
        assert!(single && name.ends_with("::Ticket"), "{name}");
        let token = Token::new().map(|user| user).authorize(|_, _| true);
        assert_eq!(single_use(&token), (false, "token"));
        // One of several is enough, whichever it is.
        let ticket = || Ticket(Token::new());
        assert!(single_use(&ticket().or(Token::new())).0);
        assert!(single_use(&Token::new().or(ticket())).0);
        assert!(single_use(&ticket().optional()).0);
        assert!(!single_use(&Token::new().or(Token::new())).0);
    }
}

mod a_closure {
    use super::*;

    #[tokio::test]
    async fn reads_removes_and_decides() {
        let layer = AuthLayer::new(|head: &mut Parts| {
            let key = head.headers.remove("x-api-key");
            async move {
                tokio::task::yield_now().await;
                match key {
                    Some(key) if key == "k-1" => Ok(Grant::new(User("acme")).until(Token::end())),
                    Some(_) => Err(Rejection::new(RejectionKind::TokenInvalid, "")),
                    None => Err(Rejection::new(RejectionKind::CredentialsMissing, "")),
                }
            }
        });
        let inner = Inner::new();
        for (request, status) in [
            (handshake("/ws"), 401),
            (handshake("/ws").header("x-api-key", "k-2"), 401),
            (handshake("/ws").header("x-api-key", "k-1"), 101),
        ] {
            assert_eq!(send(&layer, &inner, request).await.status(), status);
        }
        assert_eq!(inner.calls(), 1);
        assert_eq!(inner.user(), User("acme"));
        assert!(!inner.head().headers.contains_key("x-api-key"));
    }

    #[tokio::test]
    async fn can_be_mapped_and_authorized() {
        let closure = |_: &mut Parts| async { Ok(Grant::new(User("acme"))) };
        let strategy = closure
            .map(|user| user.0)
            .authorize(|_, head| head.uri.path() == "/ws");
        assert_eq!(strategy.name(), "closure");
        let layer = AuthLayer::new(strategy);
        let inner = Inner::new();
        let refused = send(&layer, &inner, handshake("/admin")).await;
        assert_eq!(rejection(&refused).kind(), RejectionKind::Forbidden);
        send(&layer, &inner, handshake("/ws")).await;
        assert_eq!(inner.calls(), 1);
    }

    #[tokio::test]
    async fn may_share_state_with_its_application() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let layer = AuthLayer::new(move |_: &mut Parts| {
            count.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Ok(Grant::new(User("ada"))))
        });
        send(&layer, &Inner::new(), handshake("/ws")).await;
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
}
