//! Every other reason refuses a request before its credential is used up.

use std::future::{Ready, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::request::Parts;
use tower::{Layer, Service};
use tower_ws_auth_core::credential::{Carriers, Credential};
use tower_ws_auth_core::private::ConnectionLimits;
use tower_ws_auth_core::revocation::{OverLimit, Recorded};
use tower_ws_auth_core::{
    Advice, AuthLayer, Authenticate, AuthenticateExt, BoxFuture, Clock, DisconnectReason, Grant,
    MemoryRevocations, Rejection, RejectionKind, Revocation, RevocationKey, RevocationStore,
    Revocations, StoreError,
};

use crate::support::{Inner, User, handshake, rejection, send};

/// Knows one voucher, `good`, for one use.
#[derive(Clone)]
struct Voucher {
    carriers: Carriers,
    state: Arc<State>,
    /// Whether its store says what a voucher is worth without taking it.
    peeks: bool,
}

#[derive(Default)]
struct State {
    is_down: AtomicBool,
    spent: AtomicBool,
    peeked: AtomicUsize,
    asked: AtomicUsize,
}

impl Voucher {
    fn new() -> Self {
        Self {
            carriers: Carriers::builder().query("voucher").build().unwrap(),
            state: Arc::default(),
            peeks: true,
        }
    }

    fn without_peek() -> Self {
        Self {
            peeks: false,
            ..Self::new()
        }
    }

    fn is_spent(&self) -> bool {
        self.state.spent.load(Ordering::SeqCst)
    }

    fn peeked(&self) -> usize {
        self.state.peeked.load(Ordering::SeqCst)
    }

    fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }

    fn worth(&self, voucher: &Credential) -> Result<Grant<User>, Rejection> {
        if self.state.is_down.load(Ordering::SeqCst) {
            return Err(Rejection::new(RejectionKind::Unavailable, "down"));
        }
        if voucher.as_str() != "good" || self.is_spent() {
            let kind = RejectionKind::TicketInvalid;
            return Err(Rejection::new(kind, "unknown or used"));
        }
        let grant = Grant::new(User("ada")).revocable_by("user:ada");
        Ok(grant.refused_as(RejectionKind::TicketInvalid))
    }
}

impl Authenticate for Voucher {
    type Credential = Credential;
    type Verified = User;
    type Identity = User;
    type Future = Ready<Result<Grant<User>, Rejection>>;

    const SINGLE_USE: bool = true;

    fn take(&self, head: &mut Parts) -> Result<Option<Credential>, Rejection> {
        self.carriers.take(head)
    }

    fn peek(
        &self,
        voucher: &Credential,
        _head: &Parts,
    ) -> Option<BoxFuture<Result<Grant<User>, Rejection>>> {
        self.peeks.then(|| {
            self.state.peeked.fetch_add(1, Ordering::SeqCst);
            let worth = self.worth(voucher);
            let answer: BoxFuture<_> = Box::pin(async {
                tokio::task::yield_now().await;
                worth
            });
            answer
        })
    }

    fn verify(&self, voucher: Credential, _head: &Parts) -> Self::Future {
        self.state.asked.fetch_add(1, Ordering::SeqCst);
        let worth = self.worth(&voucher);
        self.state.spent.store(worth.is_ok(), Ordering::SeqCst);
        ready(worth.map(Grant::spent))
    }

    fn admit(&self, user: User, _head: &Parts) -> Result<User, Rejection> {
        Ok(user)
    }
}

/// A [`Voucher`] whose store waits once before it takes one.
#[derive(Clone)]
struct Slow(Voucher);

impl Voucher {
    fn spending_slowly(self) -> Slow {
        Slow(self)
    }
}

impl Authenticate for Slow {
    type Credential = Credential;
    type Verified = User;
    type Identity = User;
    type Future = BoxFuture<Result<Grant<User>, Rejection>>;

    const SINGLE_USE: bool = true;

    fn take(&self, head: &mut Parts) -> Result<Option<Credential>, Rejection> {
        self.0.take(head)
    }

    fn peek(
        &self,
        voucher: &Credential,
        head: &Parts,
    ) -> Option<BoxFuture<Result<Grant<User>, Rejection>>> {
        self.0.peek(voucher, head)
    }

    fn verify(&self, voucher: Credential, _head: &Parts) -> Self::Future {
        let store = self.0.clone();
        store.state.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            tokio::task::yield_now().await;
            let worth = store.worth(&voucher);
            store.state.spent.store(worth.is_ok(), Ordering::SeqCst);
            worth.map(Grant::spent)
        })
    }

    fn admit(&self, user: User, _head: &Parts) -> Result<User, Rejection> {
        Ok(user)
    }
}

/// The decision about a handshake with this voucher.
async fn answer<A>(strategy: A, voucher: &str) -> Result<(), Rejection>
where
    A: Authenticate,
{
    let inner = Inner::new();
    let request = handshake(&format!("/ws?voucher={voucher}"));
    let response = send(&AuthLayer::new(strategy), &inner, request).await;
    if response.status() == 101 {
        assert_eq!(inner.calls(), 1);
        return Ok(());
    }
    assert_eq!(inner.calls(), 0);
    Err(rejection(&response))
}

async fn token_of<A: Authenticate>(strategy: A, voucher: &str) -> &'static str {
    match answer(strategy, voucher).await {
        Ok(()) => "accepted",
        Err(rejection) => rejection.reason(),
    }
}

mod a_condition {
    use super::*;

    #[tokio::test]
    async fn that_fails_leaves_the_credential_valid() {
        let voucher = Voucher::new();
        let refusing = voucher.clone().authorize(|_, _| false);
        assert_eq!(token_of(refusing, "good").await, "forbidden");
        assert_eq!((voucher.asked(), voucher.is_spent()), (0, false));
        let permitting = || voucher.clone().authorize(|_, _| true);
        assert_eq!(token_of(permitting(), "good").await, "accepted");
        assert_eq!((voucher.asked(), voucher.is_spent()), (1, true));
        assert_eq!(token_of(permitting(), "good").await, "ticket_invalid");
    }

    #[tokio::test]
    async fn is_asked_first_in_every_combination() {
        let other = |_: &mut Parts| async {
            Err::<Grant<User>, _>(Rejection::new(RejectionKind::TokenInvalid, ""))
        };
        let voucher = Voucher::new();
        let of = || voucher.clone().authorize(|_, _| false);
        assert_eq!(token_of(of().map(|user| user), "good").await, "forbidden");
        assert_eq!(token_of(of().or(other), "good").await, "forbidden");
        assert_eq!(token_of(of().optional(), "good").await, "forbidden");
        assert_eq!(
            token_of(of().or(other).optional(), "good").await,
            "forbidden"
        );
        let later = voucher.clone().or(other).authorize(|_, _| false);
        assert_eq!(token_of(later, "good").await, "forbidden");
        let memory = MemoryRevocations::new(Duration::from_secs(60), 10);
        let revocable = of().revocable(Revocations::new(memory));
        assert_eq!(token_of(revocable, "good").await, "forbidden");
        assert_eq!((voucher.asked(), voucher.is_spent()), (0, false));
    }

    #[tokio::test]
    async fn that_is_not_there_costs_no_look() {
        let voucher = Voucher::new();
        let memory = MemoryRevocations::new(Duration::from_secs(60), 10);
        let revocable = voucher.clone().revocable(Revocations::new(memory));
        assert_eq!(
            token_of(revocable.map(|user| user), "good").await,
            "accepted"
        );
        assert_eq!((voucher.peeked(), voucher.asked()), (0, 1));
    }

    #[tokio::test]
    async fn is_not_asked_about_a_bad_credential() {
        let strategy = Voucher::new().authorize(|user, _| panic!("{user:?}"));
        assert_eq!(token_of(strategy, "bad").await, "ticket_invalid");
    }

    #[test]
    fn that_panics_admits_no_request_and_spends_nothing() {
        let (inner, voucher) = (Inner::new(), Voucher::new());
        let strategy = voucher.clone().authorize(|_, _| panic!("a bug"));
        let mut service = AuthLayer::new(strategy).layer(inner.clone());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(service.poll_ready(&mut cx).is_ready());
        let request = handshake("/ws?voucher=good").body(()).unwrap();
        let mut response = pin!(service.call(request));
        assert!(response.as_mut().poll(&mut cx).is_pending());
        for _ in 0..3 {
            let polled = catch_unwind(AssertUnwindSafe(|| response.as_mut().poll(&mut cx)));
            assert!(!matches!(polled, Ok(Poll::Ready(_))));
        }
        assert_eq!((inner.calls(), voucher.asked()), (0, 0));
    }
}

mod a_limit {
    use super::*;

    fn revocations() -> Revocations {
        let memory = MemoryRevocations::new(Duration::from_secs(60), 10);
        Revocations::builder(memory)
            .allowed_skew(Duration::ZERO)
            .build()
    }

    fn max_connections(count: usize) -> Arc<ConnectionLimits> {
        let limits = ConnectionLimits::new();
        Arc::new(limits.max_connections(count, "user:", OverLimit::RefuseNewest))
    }

    /// A connection that is open under the voucher's key.
    async fn open(revocations: &Revocations) -> tower_ws_auth_core::private::Watch {
        let grant = Grant::new(())
            .revocable_by("user:ada")
            .issued_at(Clock::at(1));
        let watch = revocations.watch(grant.validity()).await.unwrap();
        watch.open(&ConnectionLimits::new(), None).unwrap().end();
        watch
    }

    #[tokio::test]
    async fn that_every_layer_has_reached_leaves_the_credential_valid() {
        let (revocations, voucher) = (revocations(), Voucher::new());
        let strategy = || voucher.clone().revocable(revocations.clone());
        let layers = [max_connections(1), max_connections(1)];
        for limits in &layers {
            revocations.enforce(limits);
        }
        let there = open(&revocations).await;
        for _ in 0..2 {
            let refused = answer(strategy(), "good").await.unwrap_err();
            assert_eq!(refused.kind(), RejectionKind::RateLimited);
            assert_eq!(refused.advice(), Advice::BackOff);
            assert_eq!(voucher.asked(), 0);
        }
        drop(there);
        assert_eq!(token_of(strategy(), "good").await, "accepted");
        assert_eq!(token_of(strategy(), "good").await, "ticket_invalid");
    }

    #[tokio::test]
    async fn that_some_layer_has_not_reached_refuses_no_request_early() {
        for other in [max_connections(2), Arc::default()] {
            let (revocations, voucher) = (revocations(), Voucher::new());
            let first = max_connections(1);
            revocations.enforce(&first);
            revocations.enforce(&other);
            let _there = open(&revocations).await;
            let strategy = voucher.clone().revocable(revocations.clone());
            assert_eq!(token_of(strategy, "good").await, "accepted");
        }
    }

    #[tokio::test]
    async fn is_that_of_layers_in_use() {
        let (revocations, voucher) = (revocations(), Voucher::new());
        let dropped: Arc<ConnectionLimits> = Arc::default();
        revocations.enforce(&dropped);
        drop(dropped);
        let limits = max_connections(1);
        revocations.enforce(&limits);
        let _there = open(&revocations).await;
        let strategy = || voucher.clone().revocable(revocations.clone());
        assert_eq!(token_of(strategy(), "good").await, "rate_limited");
        drop(limits);
        assert_eq!(token_of(strategy(), "good").await, "accepted");
    }

    #[tokio::test]
    async fn of_two_handshakes_is_held_by_the_first() {
        let revocations = revocations();
        let limits = max_connections(1);
        revocations.enforce(&limits);
        let [first, second] = [Voucher::new(), Voucher::new()];
        let inner = Inner::new();
        let begin = |voucher: &Voucher| {
            let strategy = voucher.clone().spending_slowly();
            let strategy = strategy.revocable(revocations.clone());
            let mut service = AuthLayer::new(strategy).layer(inner.clone());
            let mut cx = Context::from_waker(Waker::noop());
            assert!(service.poll_ready(&mut cx).is_ready());
            let request = handshake("/ws?voucher=good").body(()).unwrap();
            Box::pin(service.call(request))
        };
        // The strategy looks, and then it spends: it waits once each time.
        let mut racing = begin(&first);
        for _ in 0..2 {
            let mut cx = Context::from_waker(Waker::noop());
            assert!(racing.as_mut().poll(&mut cx).is_pending());
        }
        assert_eq!((first.asked(), first.is_spent()), (1, false));
        let refused = begin(&second).await.unwrap();
        assert_eq!(rejection(&refused).kind(), RejectionKind::RateLimited);
        assert_eq!(second.asked(), 0);
        // It is dropped, and its place is free.
        drop(racing);
        assert!(revocations.is_empty());
        assert_eq!(begin(&second).await.unwrap().status(), 101);
        assert!(second.is_spent());
    }

    /// It is refused without a place, and is not spent either.
    #[tokio::test]
    async fn is_not_held_by_a_revoked_credential() {
        let (revocations, voucher) = (revocations(), Voucher::new());
        let limits = max_connections(1);
        revocations.enforce(&limits);
        let strategy = || voucher.clone().revocable(revocations.clone());
        revocations
            .revoke("user:ada", DisconnectReason::Revoked)
            .await
            .unwrap();
        let refused = answer(strategy(), "good").await.unwrap_err();
        assert_eq!(refused.kind(), RejectionKind::TicketInvalid);
        assert_eq!(voucher.asked(), 0);
        assert!(revocations.is_empty());
    }

    /// Counts the questions that it answers.
    struct Asked(MemoryRevocations, Arc<AtomicUsize>);

    impl RevocationStore for Asked {
        fn find(
            &self,
            keys: Vec<RevocationKey>,
        ) -> BoxFuture<Result<Vec<Option<Revocation>>, StoreError>> {
            self.1.fetch_add(1, Ordering::SeqCst);
            self.0.find(keys)
        }

        fn record(
            &self,
            key: Arc<str>,
            revocation: Revocation,
        ) -> BoxFuture<Result<Recorded, StoreError>> {
            self.0.record(key, revocation)
        }
    }

    /// It was checked before it is spent, and the store is not asked again.
    #[tokio::test]
    async fn leaves_a_revocation_while_a_credential_is_spent_to_its_registration() {
        let asked = Arc::new(AtomicUsize::new(0));
        let memory = MemoryRevocations::new(Duration::from_secs(60), 10);
        let revocations = Revocations::new(Asked(memory, Arc::clone(&asked)));
        let voucher = Voucher::new();
        let limits = max_connections(1);
        revocations.enforce(&limits);
        let strategy = voucher.clone().spending_slowly();
        let strategy = strategy.revocable(revocations.clone());
        let inner = Inner::new();
        let mut service = AuthLayer::new(strategy).layer(inner.clone());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(service.poll_ready(&mut cx).is_ready());
        let request = handshake("/ws?voucher=good").body(()).unwrap();
        let mut response = pin!(service.call(request));
        for _ in 0..2 {
            assert!(response.as_mut().poll(&mut cx).is_pending());
        }
        assert_eq!(voucher.asked(), 1);
        revocations
            .revoke("user:ada", DisconnectReason::Revoked)
            .await
            .unwrap();
        let refused = rejection(&response.await.unwrap());
        assert_eq!(refused.kind(), RejectionKind::TicketInvalid);
        assert_eq!((inner.calls(), asked.load(Ordering::SeqCst)), (0, 1));
        assert!(voucher.is_spent() && revocations.is_empty());
    }

    /// A client that is advised to come back must be able to pass then.
    #[tokio::test]
    async fn is_no_reason_to_come_back_for_a_credential_that_is_refused_anyway() {
        let (revocations, voucher) = (revocations(), Voucher::new());
        let limits = max_connections(0);
        revocations.enforce(&limits);
        let strategy = || voucher.clone().revocable(revocations.clone());
        assert_eq!(token_of(strategy(), "good").await, "rate_limited");
        let forbidden = strategy().authorize(|_, _| false);
        assert_eq!(token_of(forbidden, "good").await, "forbidden");
        assert_eq!(token_of(strategy(), "bad").await, "ticket_invalid");
        revocations
            .revoke("user:ada", DisconnectReason::Revoked)
            .await
            .unwrap();
        assert_eq!(token_of(strategy(), "good").await, "ticket_invalid");
        assert!(revocations.is_empty());
        assert_eq!(voucher.asked(), 0);
    }
}

mod the_advice {
    use super::*;

    #[tokio::test]
    async fn is_to_come_back_with_the_same_credential_while_it_is_not_spent() {
        let voucher = Voucher::new();
        voucher.state.is_down.store(true, Ordering::SeqCst);
        let strategy = voucher.clone().authorize(|_, _| true);
        let refused = answer(strategy, "good").await.unwrap_err();
        assert_eq!(refused.advice(), Advice::BackOff);
        assert_eq!(voucher.asked(), 0);
    }

    #[tokio::test]
    async fn is_to_get_another_one_when_it_is() {
        struct Down;
        impl RevocationStore for Down {
            fn find(
                &self,
                _: Vec<RevocationKey>,
            ) -> BoxFuture<Result<Vec<Option<Revocation>>, StoreError>> {
                Box::pin(async { Err(StoreError::new("down")) })
            }
            fn record(
                &self,
                _: Arc<str>,
                _: Revocation,
            ) -> BoxFuture<Result<Recorded, StoreError>> {
                Box::pin(async { Err(StoreError::new("down")) })
            }
        }
        let voucher = Voucher::new();
        let strategy = voucher.clone().revocable(Revocations::new(Down));
        let refused = answer(strategy, "good").await.unwrap_err();
        assert!(voucher.is_spent());
        assert_eq!(refused.kind(), RejectionKind::Unavailable);
        assert_eq!(refused.advice(), Advice::RefreshLater);
        assert!(!refused.advice().retryable());
    }

    #[tokio::test]
    async fn reports_a_spent_credential_if_the_store_cannot_peek() {
        struct Wait(Voucher);
        impl Authenticate for Wait {
            type Credential = Credential;
            type Verified = User;
            type Identity = User;
            type Future = Ready<Result<Grant<User>, Rejection>>;
            const SINGLE_USE: bool = true;
            fn take(&self, head: &mut Parts) -> Result<Option<Credential>, Rejection> {
                self.0.take(head)
            }
            fn verify(&self, voucher: Credential, head: &Parts) -> Self::Future {
                self.0.verify(voucher, head)
            }
            fn admit(&self, _: User, _: &Parts) -> Result<User, Rejection> {
                Err(Rejection::new(RejectionKind::RateLimited, "full"))
            }
        }
        let voucher = Voucher::without_peek();
        let refused = answer(Wait(voucher.clone()), "good").await.unwrap_err();
        assert_eq!(refused.advice(), Advice::RefreshLater);
        let voucher = Voucher::without_peek();
        let refusing = voucher.clone().authorize(|_, _| false);
        let refused = answer(refusing, "good").await.unwrap_err();
        assert_eq!(refused.advice(), Advice::Stop);
        assert!(voucher.is_spent());
    }
}
