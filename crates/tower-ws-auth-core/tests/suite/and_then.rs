//! The asynchronous combinators: `and_then` and `authorize_async`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use http::request::Parts;
use tower_ws_auth_core::credential::Credential;
use tower_ws_auth_core::{
    AuthLayer, Authenticate, AuthenticateExt, Authenticated, BoxFuture, Grant, MemoryRevocations,
    Rejection, RejectionKind, Revocations, Validity,
};

use crate::support::{Inner, Token, User, handshake, rejection, send};

fn forbidden() -> Rejection {
    Rejection::new(RejectionKind::Forbidden, "the account is closed")
}

/// A token that is used up by `verify`.
struct Ticket {
    token: Token,
    spent: Arc<AtomicBool>,
}

impl Authenticate for Ticket {
    type Credential = Credential;
    type Verified = User;
    type Identity = User;
    type Future = BoxFuture<Result<Grant<User>, Rejection>>;

    const SINGLE_USE: bool = true;

    fn take(&self, head: &mut Parts) -> Result<Option<Credential>, Rejection> {
        self.token.take(head)
    }

    fn peek(
        &self,
        _credential: &Credential,
        _head: &Parts,
    ) -> Option<BoxFuture<Result<Grant<User>, Rejection>>> {
        Some(Box::pin(async { Ok(Grant::new(User("ada"))) }))
    }

    fn verify(&self, credential: Credential, head: &Parts) -> Self::Future {
        self.spent.store(true, Ordering::Relaxed);
        let verifying = self.token.verify(credential, head);
        Box::pin(async { Ok(verifying.await?.spent()) })
    }

    fn admit(&self, user: User, _head: &Parts) -> Result<User, Rejection> {
        Ok(user)
    }
}

fn ticket() -> (Ticket, Arc<AtomicBool>) {
    let spent = Arc::new(AtomicBool::new(false));
    let ticket = Ticket {
        token: Token::new(),
        spent: Arc::clone(&spent),
    };
    (ticket, spent)
}

mod a_lookup {
    use super::*;

    #[tokio::test]
    async fn changes_the_identity_later_and_keeps_the_validity() {
        let strategy = Token::new().and_then(|user: User, head| {
            assert_eq!(head.uri, "/ws?room=1", "the credential is gone");
            assert!(head.extensions.get::<&str>().is_some());
            async move {
                tokio::task::yield_now().await;
                Ok(user.0.len())
            }
        });
        assert_eq!(strategy.name(), "token");
        let inner = Inner::new();
        let request = handshake("/ws?token=good&room=1").extension("of an outer layer");
        send(&AuthLayer::new(strategy), &inner, request).await;
        let extensions = inner.head().extensions;
        assert_eq!(**extensions.get::<Authenticated<usize>>().unwrap(), 3);
        assert!(extensions.get::<Authenticated<User>>().is_none());
        let validity: &Validity = extensions.get().unwrap();
        assert_eq!(validity.end(), Some(Token::end()));
    }

    #[tokio::test]
    async fn refuses_with_the_rejection_of_its_future() {
        let inner = Inner::new();
        for kind in [RejectionKind::Forbidden, RejectionKind::Unavailable] {
            let strategy = Token::new().and_then(move |_: User, _| async move {
                Err::<User, _>(Rejection::new(kind, "no"))
            });
            let response = send(
                &AuthLayer::new(strategy),
                &inner,
                handshake("/ws?token=good"),
            )
            .await;
            assert_eq!(rejection(&response).kind(), kind);
        }
        assert_eq!(inner.calls(), 0);
    }

    #[tokio::test]
    async fn is_not_asked_about_a_refused_credential_or_identity() {
        let asked = |strategy| AuthLayer::new(strategy);
        let layer = asked(Token::new().and_then(|user: User, _| async move {
            panic!("{user:?}");
            #[allow(unreachable_code, reason = "for the type")]
            Ok(user)
        }));
        let response = send(&layer, &Inner::new(), handshake("/ws?token=bad")).await;
        assert_eq!(rejection(&response).kind(), RejectionKind::TokenInvalid);

        let strategy = Token::new().authorize(|_, _| false);
        let layer = AuthLayer::new(strategy.and_then(|user: User, _| async move {
            panic!("{user:?}");
            #[allow(unreachable_code, reason = "for the type")]
            Ok(user)
        }));
        let response = send(&layer, &Inner::new(), handshake("/ws?token=good")).await;
        assert_eq!(rejection(&response).kind(), RejectionKind::Forbidden);
    }

    #[tokio::test]
    async fn stands_before_and_after_every_other_combinator() {
        let revocations = Revocations::new(MemoryRevocations::new(Duration::from_secs(60), 9));
        let strategy = Token::new()
            .and_then(|user: User, _| async move { Ok(user.0) })
            .authorize(|name, _| *name == "ada")
            .and_then(|name: &'static str, _| async move { Ok(name.len()) })
            .revocable(revocations)
            .map(|length| length + 1)
            .optional()
            .and_then(|length: Option<usize>, _| async move { Ok(length.unwrap_or_default()) });
        let layer = AuthLayer::new(strategy);
        let inner = Inner::new();
        for (uri, length) in [("/ws?token=good", 4), ("/ws", 0)] {
            send(&layer, &inner, handshake(uri)).await;
            let head = inner.head();
            let seen: &Authenticated<usize> = head.extensions.get().unwrap();
            assert_eq!(**seen, length);
        }
    }

    #[tokio::test]
    async fn is_one_of_several() {
        let good = Token::new().and_then(|user: User, _| async move { Ok(user) });
        let closure = |_: &mut Parts| async {
            Err::<Grant<User>, _>(Rejection::new(RejectionKind::CredentialsMissing, ""))
        };
        let inner = Inner::new();
        let layer = AuthLayer::new(good.or(closure));
        send(&layer, &inner, handshake("/ws?token=good")).await;
        assert_eq!(inner.user(), User("ada"));
        let response = send(&layer, &inner, handshake("/ws?token=bad")).await;
        assert_eq!(rejection(&response).kind(), RejectionKind::TokenInvalid);
    }

    #[tokio::test]
    async fn asks_before_a_ticket_is_spent_and_again_after_it() {
        let (ticket, spent) = ticket();
        let (asked, seen) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&spent));
        let count = Arc::clone(&asked);
        let strategy = ticket.and_then(move |user: User, _| {
            let before = count.fetch_add(1, Ordering::Relaxed) == 0;
            assert_eq!(seen.load(Ordering::Relaxed), !before);
            async move { Ok(user) }
        });
        let response = send(
            &AuthLayer::new(strategy),
            &Inner::new(),
            handshake("/ws?token=good"),
        )
        .await;
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_refusal_does_not_spend_a_ticket() {
        let (ticket, spent) = ticket();
        let refuse = ticket.and_then(|_: User, _| async { Err::<User, _>(forbidden()) });
        let response = send(
            &AuthLayer::new(refuse),
            &Inner::new(),
            handshake("/ws?token=good"),
        )
        .await;
        assert_eq!(rejection(&response).kind(), RejectionKind::Forbidden);
        assert!(!spent.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn a_refusal_after_a_ticket_is_spent_says_that_it_is() {
        let (ticket, spent) = ticket();
        let late = Arc::clone(&spent);
        let outage = ticket.and_then(move |user: User, _| {
            let up = !late.load(Ordering::Relaxed);
            async move {
                let down = Rejection::new(RejectionKind::Unavailable, "the database");
                if up { Ok(user) } else { Err(down) }
            }
        });
        let response = send(
            &AuthLayer::new(outage),
            &Inner::new(),
            handshake("/ws?token=good"),
        )
        .await;
        let rejection = rejection(&response);
        assert_eq!(rejection.kind(), RejectionKind::Unavailable);
        assert_eq!(rejection.advice(), tower_ws_auth_core::Advice::RefreshLater);
    }

    #[tokio::test]
    async fn a_future_that_never_ends_or_panics_admits_nobody() {
        let inner = Inner::new();
        let pending = Token::new().and_then(|_: User, _| std::future::pending::<Result<User, _>>());
        let layer = AuthLayer::new(pending);
        let mut deciding =
            tokio_test::task::spawn(send(&layer, &inner, handshake("/ws?token=good")));
        for _ in 0..3 {
            assert!(deciding.poll().is_pending());
        }
        drop(deciding);

        let panics = Token::new().and_then(|user: User, _| async move {
            assert_ne!(user, User("ada"));
            Ok(user)
        });
        let layer = AuthLayer::new(panics);
        let request = handshake("/ws?token=good");
        let (within, twin) = (inner.clone(), layer.clone());
        let done = tokio::spawn(async move { send(&twin, &within, request).await.status() }).await;
        assert!(done.unwrap_err().is_panic());
        assert_eq!(inner.calls(), 0);
    }
}

mod authorize_async {
    use super::*;

    #[tokio::test]
    async fn admits_refuses_or_fails_as_its_future_says() {
        let inner = Inner::new();
        for (answer, kind) in [
            (Ok(true), None),
            (Ok(false), Some(RejectionKind::Forbidden)),
            (
                Err(Rejection::new(RejectionKind::Unavailable, "the database")),
                Some(RejectionKind::Unavailable),
            ),
        ] {
            let strategy = Token::new().authorize_async(move |user: &User, head| {
                assert_eq!((user, head.uri.path()), (&User("ada"), "/ws"));
                let answer = answer.clone();
                async move {
                    tokio::task::yield_now().await;
                    answer
                }
            });
            let response = send(
                &AuthLayer::new(strategy),
                &inner,
                handshake("/ws?token=good"),
            )
            .await;
            let refused = response.extensions().get::<Rejection>();
            assert_eq!(refused.map(Rejection::kind), kind);
        }
        assert_eq!((inner.calls(), inner.user()), (1, User("ada")));
    }

    #[tokio::test]
    async fn a_refusal_does_not_spend_a_ticket() {
        let (ticket, spent) = ticket();
        let refuse = ticket.authorize_async(|_: &User, _| async { Ok(false) });
        let response = send(
            &AuthLayer::new(refuse),
            &Inner::new(),
            handshake("/ws?token=good"),
        )
        .await;
        assert_eq!(rejection(&response).kind(), RejectionKind::Forbidden);
        assert!(!spent.load(Ordering::Relaxed));
    }
}
