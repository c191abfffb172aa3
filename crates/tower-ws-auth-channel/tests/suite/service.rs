//! The grammar of tower, and the checks before any policy.

use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok};
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_test::mock;
use tower_ws_auth_channel::{
    ChannelAuthLayer, Decision, Evidence, Join, JoinOutcome, Policy, policy_fn,
};
use tower_ws_auth_core::{Advice, Rejection, RejectionKind};

use crate::support::{TestJoin, ask, effect, join, join_with};

mod a_join_that_the_policy_lets_pass {
    use super::*;

    #[tokio::test]
    async fn reaches_the_service_that_was_polled_ready_and_gets_its_response() {
        let layer = ChannelAuthLayer::new(|join: &TestJoin| join.channel() == "lobby");
        let (mut service, mut inner) = mock::spawn_layer::<TestJoin, &'static str, _>(layer);
        inner.allow(0);
        assert_pending!(service.poll_ready());
        inner.allow(1);
        assert_ready_ok!(service.poll_ready());

        // A clone that was not polled ready would panic here.
        let mut answer = tokio_test::task::spawn(service.call(join_with("lobby", "canary")));
        assert_pending!(answer.poll());
        let (seen, respond) = inner.next_request().await.unwrap();
        assert_eq!((*seen.identity(), seen.channel()), ("ada", "lobby"));
        assert_eq!(seen.credential(), None);
        respond.send_response("welcome");
        assert!(matches!(
            assert_ready_ok!(answer.poll()),
            JoinOutcome::Admitted("welcome")
        ));

        // The clone in its place has to be polled ready again.
        inner.allow(0);
        assert_pending!(service.poll_ready());
    }

    #[tokio::test]
    async fn carries_the_evidence_of_the_policy_and_no_older_one() {
        let first = ChannelAuthLayer::new(policy_fn(|_: &TestJoin| async {
            Ok(Evidence::new().with(7_u8).with("moderator"))
        }));
        let JoinOutcome::Admitted(seen) = ask(&first, join("lobby")).await else {
            panic!("denied");
        };
        assert_eq!(seen.pass().get::<u8>(), Some(&7));

        let second = ChannelAuthLayer::new(|_: &TestJoin| true);
        let JoinOutcome::Admitted(seen) = ask(&second, seen).await else {
            panic!("denied");
        };
        let mut parts = seen.into_parts();
        assert_eq!(parts.pass.take::<u8>(), None);
        assert_eq!((parts.identity, &*parts.channel), ("ada", "lobby"));
    }

    #[tokio::test]
    async fn gets_the_inner_services_own_errors() {
        let layer = ChannelAuthLayer::new(|_: &TestJoin| true);
        let (mut service, mut inner) = mock::spawn_layer::<TestJoin, (), _>(layer);
        assert_ready_ok!(service.poll_ready());
        let answer = service.call(join("lobby"));
        let (answer, ()) = tokio::join!(answer, async {
            let (_, respond) = inner.next_request().await.unwrap();
            respond.send_error("full");
        });
        assert_eq!(answer.unwrap_err().to_string(), "full");

        inner.send_error("closed");
        assert_eq!(
            assert_ready_err!(service.poll_ready()).to_string(),
            "closed"
        );
    }
}

mod a_join_that_the_policy_refuses {
    use super::*;

    #[tokio::test]
    async fn is_answered_with_a_fixed_reason_and_never_reaches_the_service() {
        let layer = ChannelAuthLayer::new(|_: &TestJoin| false);
        let (mut service, mut inner) = mock::spawn_layer::<TestJoin, (), _>(layer);
        assert_ready_ok!(service.poll_ready());
        let mut answer = tokio_test::task::spawn(service.call(join("staff")));
        let answer = assert_ready_ok!(answer.poll());
        assert!(!answer.is_admitted());
        let denial = answer.into_result().unwrap_err();
        assert_eq!(denial.reason(), "forbidden");
        assert_eq!(denial.to_string(), "forbidden");
        assert_eq!(denial.channel(), "staff");
        assert_eq!(denial.kind(), RejectionKind::Forbidden);
        assert_eq!(denial.advice(), Advice::Stop);
        drop(service);
        assert!(inner.next_request().await.is_none());
    }

    #[tokio::test]
    async fn gives_back_the_place_that_it_had_reserved() {
        let inner = service_fn(async |_: TestJoin| Ok::<_, std::io::Error>(()));
        let layer = ChannelAuthLayer::new(|_: &TestJoin| false);
        let mut service = layer.layer(ConcurrencyLimit::new(inner, 1));
        for _ in 0..3 {
            let ready = tokio::time::timeout(Duration::from_secs(60), service.ready());
            let answer = ready.await.unwrap().unwrap().call(join("staff")).await;
            assert!(!answer.unwrap().is_admitted());
        }
    }

    #[tokio::test]
    async fn keeps_the_kind_of_the_closures_rejection() {
        let layer = ChannelAuthLayer::new(|_: &TestJoin| {
            Err::<(), _>(Rejection::new(RejectionKind::RateLimited, "ten a minute"))
        });
        let answer = ask(&layer, join("lobby")).await;
        let denial = answer.denial().unwrap();
        assert_eq!(denial.reason(), "rate_limited");
        assert_eq!(denial.rejection().detail(), "ten a minute");
        let good = ChannelAuthLayer::new(|_: &TestJoin| Ok::<(), Rejection>(()));
        assert_eq!(effect(&good, join("lobby")).await, "joined");
    }
}

mod a_policy_that_waits {
    use super::*;

    #[tokio::test]
    async fn may_be_dropped_half_way_and_the_service_is_never_called() {
        let layer = ChannelAuthLayer::new(policy_fn(|_: &TestJoin| pending::<Decision>()));
        let (mut service, mut inner) = mock::spawn_layer::<TestJoin, (), _>(layer);
        assert_ready_ok!(service.poll_ready());
        let mut answer = tokio_test::task::spawn(service.call(join("lobby")));
        assert_pending!(answer.poll());
        drop(answer);
        drop(service);
        assert!(inner.next_request().await.is_none());
    }

    #[tokio::test]
    async fn may_panic_and_the_service_is_never_called() {
        let layer = ChannelAuthLayer::new(policy_fn(|_: &TestJoin| async {
            panic!("a bug in the policy");
            #[allow(unreachable_code, reason = "it says what would be returned")]
            Decision::Ok(Evidence::new())
        }));
        let (mut service, mut inner) = mock::spawn_layer::<TestJoin, (), _>(layer);
        assert_ready_ok!(service.poll_ready());
        let joined = tokio::spawn(service.call(join("lobby"))).await;
        assert!(joined.unwrap_err().is_panic());
        drop(service);
        assert!(inner.next_request().await.is_none());
    }

    #[tokio::test]
    async fn decides_once_it_is_woken() {
        let (say, said) = tokio::sync::watch::channel(None);
        let layer = ChannelAuthLayer::new(policy_fn(move |_: &TestJoin| {
            let mut said = said.clone();
            async move {
                let said = said.wait_for(Option::is_some).await.unwrap();
                if *said == Some(true) {
                    Ok(Evidence::new())
                } else {
                    Err(Rejection::new(RejectionKind::Forbidden, "no"))
                }
            }
        }));
        let mut answer = tokio_test::task::spawn(effect(&layer, join("lobby")));
        assert_pending!(answer.poll());
        say.send_replace(Some(true));
        assert!(answer.is_woken());
        assert_eq!(assert_ready!(answer.poll()), "joined");
        say.send_replace(Some(false));
        assert_eq!(effect(&layer, join("lobby")).await, "forbidden");
    }
}

mod before_a_policy_is_asked {
    use super::*;

    /// Counts how often it is asked.
    fn counting(asked: &Arc<AtomicUsize>) -> ChannelAuthLayer<impl Policy<&'static str, ()>> {
        let asked = Arc::clone(asked);
        ChannelAuthLayer::new(move |_: &TestJoin| {
            asked.fetch_add(1, Ordering::Relaxed);
            true
        })
    }

    #[tokio::test]
    async fn an_invalid_name_is_forbidden() {
        let asked = Arc::new(AtomicUsize::new(0));
        let layer = counting(&asked);
        let long = "x".repeat(257);
        for name in ["", &long, "a\nb", "a\0", "\u{7f}", "a\u{85}b"] {
            assert_eq!(effect(&layer, join(name)).await, "forbidden", "{name:?}");
        }
        assert_eq!(asked.load(Ordering::Relaxed), 0);
        for name in [&long[1..], "räume/1", " ", "*", "{user}"] {
            assert_eq!(effect(&layer, join(name)).await, "joined", "{name:?}");
        }
    }

    #[tokio::test]
    async fn the_longest_name_is_the_applications_choice() {
        let layer = ChannelAuthLayer::new(|_: &TestJoin| true).longest_channel(5);
        assert_eq!(effect(&layer.clone(), join("lobby")).await, "joined");
        assert_eq!(effect(&layer, join("lobby2")).await, "forbidden");
    }

    #[tokio::test]
    async fn a_credential_of_more_than_8_kib_is_malformed() {
        let asked = Arc::new(AtomicUsize::new(0));
        let layer = counting(&asked);
        let long = "x".repeat(8 * 1024 + 1);
        let malformed = effect(&layer, join_with("lobby", &long)).await;
        assert_eq!(malformed, "credentials_malformed");
        assert_eq!(asked.load(Ordering::Relaxed), 0);
        assert_eq!(
            effect(&layer, join_with("lobby", &long[1..])).await,
            "joined"
        );
    }

    #[test]
    fn an_empty_credential_counts_as_missing() {
        assert_eq!(join_with("lobby", "").credential(), None);
        assert_eq!(join_with("lobby", "x").credential(), Some("x"));
    }
}

#[test]
fn everything_may_be_sent_to_another_thread() {
    fn sendable<T: Send + Sync>(_: &T) {}
    fn future<S: Service<Join<&'static str, ()>>>(_: &S)
    where
        S::Future: Send,
    {
    }
    let layer = ChannelAuthLayer::new(|_: &TestJoin| true);
    sendable(&layer);
    let service = layer.layer(service_fn(async |_: TestJoin| Ok::<_, std::io::Error>(())));
    sendable(&service);
    future(&service);
}

#[allow(dead_code, reason = "it is enough that it compiles")]
fn a_future_is_nameable(
    service: &mut tower_ws_auth_channel::ChannelAuth<
        tower_ws_auth_channel::Patterns<&'static str, ()>,
        tower::util::BoxCloneService<TestJoin, (), std::io::Error>,
    >,
) -> impl Future<Output = Result<JoinOutcome<()>, std::io::Error>> + use<> {
    service.call(join("lobby"))
}
