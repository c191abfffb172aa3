//! Revocation: refuses older credentials and ends open connections, without a gap between the two.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LockResult, Mutex, MutexGuard, Weak};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use http::{Request, Response, request::Parts};
use tower::{Layer, Service, ServiceExt};
use tower_ws_auth_core::private::{Listener, Watch};
use tower_ws_auth_core::revocation::{LocalConnections, Recorded};
use tower_ws_auth_core::{
    AuthLayer, AuthenticateExt, BoxFuture, Clock, DisconnectReason, Grant, MemoryRevocations,
    Rejection, RejectionKind, Revocation, RevocationKey, RevocationStore, Revocations, StoreError,
    Validity,
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// On one node, whose clock issues and revokes.
fn in_memory(clock: Clock) -> Revocations {
    let store = MemoryRevocations::new(DAY, 1000);
    let revocations = Revocations::builder(store).clock(clock);
    revocations.allowed_skew(Duration::ZERO).build()
}

fn grant(issued_at: Option<SystemTime>, keys: &[&str]) -> Grant<&'static str> {
    let grant = Grant::new("ada");
    let grant = match issued_at {
        Some(moment) => grant.issued_at(moment),
        None => grant,
    };
    keys.iter()
        .fold(grant, |grant, &key| grant.revocable_by(key))
}

async fn watch(revocations: &Revocations, grant: &Grant<&str>) -> Result<Watch, RejectionKind> {
    let watched = revocations.watch(grant.validity()).await;
    watched.map_err(|rejection| rejection.kind())
}

mod at_the_handshake {
    use super::*;

    /// Answers a request whose strategy grants this.
    async fn kind(
        revocations: &Revocations,
        grant: Grant<&'static str>,
    ) -> Result<(), RejectionKind> {
        let strategy = move |_: &mut Parts| {
            let grant = grant.clone();
            async move { Ok::<_, Rejection>(grant) }
        };
        let layer = AuthLayer::new(strategy.revocable(revocations.clone())).any_request();
        let mut service = layer.layer(tower::service_fn(async |request: Request<()>| {
            assert!(request.extensions().get::<Validity>().is_some());
            Ok::<_, std::convert::Infallible>(Response::new(()))
        }));
        let service = service.ready().await.unwrap();
        let response = service.call(Request::new(())).await.unwrap();
        match response.extensions().get::<Rejection>() {
            Some(rejection) => Err(rejection.kind()),
            None => Ok(()),
        }
    }

    #[tokio::test]
    async fn a_credential_issued_before_the_revocation_is_refused_and_a_later_one_passes() {
        let revocations = in_memory(Clock::fixed(1000));
        revocations
            .revoke("user:ada", DisconnectReason::Revoked)
            .await
            .unwrap();
        let micro = Duration::from_micros(1);
        for (issued_at, passes) in [
            (Clock::at(1), false),
            (Clock::at(1000) - micro, false),
            (Clock::at(1000), false),
            (Clock::at(1000) + micro, true),
            (Clock::at(2000), true),
        ] {
            let decided = kind(&revocations, grant(Some(issued_at), &["user:ada"])).await;
            assert_eq!(decided.is_ok(), passes, "{issued_at:?}");
        }
    }

    #[tokio::test]
    async fn a_credential_of_unknown_age_counts_as_older() {
        let revocations = in_memory(Clock::fixed(1000));
        assert_eq!(kind(&revocations, grant(None, &["user:ada"])).await, Ok(()));
        revocations
            .revoke("user:ada", DisconnectReason::Revoked)
            .await
            .unwrap();
        let refused = kind(&revocations, grant(None, &["user:ada"])).await;
        assert_eq!(refused, Err(RejectionKind::TokenInvalid));
    }

    #[tokio::test]
    async fn each_of_its_keys_revokes_a_grant_and_no_other_does() {
        for (revoked, passes) in [
            ("user:ada", false),
            ("token:7", false),
            ("user:ad", true),
            ("user:adaa", true),
            ("", true),
        ] {
            let revocations = in_memory(Clock::fixed(1000));
            revocations
                .revoke(revoked, DisconnectReason::Revoked)
                .await
                .unwrap();
            let old = grant(Some(Clock::at(1)), &["user:ada", "token:7"]);
            assert_eq!(kind(&revocations, old).await.is_ok(), passes, "{revoked:?}");
        }
    }

    #[tokio::test]
    async fn the_strategy_chooses_the_kind_of_the_rejection() {
        let revocations = in_memory(Clock::fixed(1000));
        revocations
            .revoke("user:ada", DisconnectReason::Revoked)
            .await
            .unwrap();
        for refused_as in [RejectionKind::TicketInvalid, RejectionKind::SessionInvalid] {
            let old = grant(Some(Clock::at(1)), &["user:ada"]).refused_as(refused_as);
            assert_eq!(kind(&revocations, old).await, Err(refused_as));
        }
    }

    #[tokio::test]
    async fn a_store_that_fails_or_answers_for_fewer_keys_refuses_as_unavailable() {
        for answer in [Err(StoreError::new("down")), Ok(Vec::new())] {
            let revocations = Revocations::new(Scripted::answering(answer));
            let refused = kind(&revocations, grant(Some(Clock::at(1)), &["user:ada"])).await;
            assert_eq!(refused, Err(RejectionKind::Unavailable));
            assert!(revocations.is_empty());
        }
    }

    #[tokio::test]
    async fn a_grant_without_keys_needs_no_store() {
        let revocations = Revocations::new(Scripted::answering(Err(StoreError::new("down"))));
        assert_eq!(kind(&revocations, grant(None, &[])).await, Ok(()));
    }

    #[tokio::test]
    async fn a_memory_that_is_full_refuses_to_revoke_rather_than_to_forget() {
        let revocations = Revocations::new(MemoryRevocations::new(DAY, 2));
        for user in ["user:ada", "user:bob", "user:ada"] {
            revocations
                .revoke(user, DisconnectReason::Revoked)
                .await
                .unwrap();
        }
        let error = revocations
            .revoke("user:eve", DisconnectReason::Revoked)
            .await;
        let error = error.unwrap_err();
        assert!(matches!(error, StoreError::Full), "{error}");
        let refused = kind(&revocations, grant(None, &["user:ada"])).await;
        assert!(refused.is_err());
    }

    #[tokio::test]
    async fn a_revocation_is_forgotten_after_the_retention() {
        let short = Duration::from_millis(30);
        let revocations = Revocations::new(MemoryRevocations::new(short, 1));
        revocations
            .revoke("user:ada", DisconnectReason::Revoked)
            .await
            .unwrap();
        std::thread::sleep(2 * short);
        assert_eq!(kind(&revocations, grant(None, &["user:ada"])).await, Ok(()));
        // And makes room.
        revocations
            .revoke("user:bob", DisconnectReason::Revoked)
            .await
            .unwrap();
    }
}

mod on_an_open_connection {
    use super::*;

    #[derive(Default)]
    struct Heard(Mutex<Vec<DisconnectReason>>);

    impl Heard {
        fn lock(&self) -> LockResult<MutexGuard<'_, Vec<DisconnectReason>>> {
            self.0.lock()
        }
    }

    impl Listener for Heard {
        fn ended(&self, reason: &DisconnectReason) {
            self.lock().unwrap().push(reason.clone());
        }
    }

    fn listen(watch: &Watch) -> Arc<Heard> {
        let heard = Arc::new(Heard::default());
        let listener: Weak<Heard> = Arc::downgrade(&heard);
        watch.connection().listen(listener);
        heard
    }

    #[tokio::test]
    async fn every_connection_under_the_key_hears_of_it_once_with_the_reason() {
        let revocations = in_memory(Clock::system());
        let now = SystemTime::now() - Duration::from_secs(1);
        let mut open = Vec::new();
        for n in 0..100 {
            let user = if n % 2 == 0 { "user:ada" } else { "user:bob" };
            let watch = watch(&revocations, &grant(Some(now), &[user]))
                .await
                .unwrap();
            open.push((user, listen(&watch), watch));
        }
        for _ in 0..2 {
            let reason = DisconnectReason::application(4999, "banned").unwrap();
            revocations.revoke("user:ada", reason).await.unwrap();
        }
        for (user, heard, watch) in &open {
            let heard = heard.lock().unwrap();
            let said: Vec<_> = heard.iter().map(DisconnectReason::reason).collect();
            let expected: &[_] = if *user == "user:ada" {
                &["banned"]
            } else {
                &[]
            };
            assert_eq!(said, expected);
            assert_eq!(
                watch.connection().disconnect_reason().is_some(),
                !expected.is_empty()
            );
        }
    }

    #[tokio::test]
    async fn one_that_listens_after_its_end_hears_of_it_at_once() {
        let revocations = in_memory(Clock::system());
        let watch = watch(&revocations, &grant(None, &["user:ada"]))
            .await
            .unwrap();
        revocations
            .revoke("user:ada", DisconnectReason::SessionEnded)
            .await
            .unwrap();
        assert_eq!(
            *listen(&watch).lock().unwrap(),
            [DisconnectReason::SessionEnded]
        );
    }

    #[tokio::test]
    async fn one_whose_handshake_knew_of_a_revocation_goes_on_however_often_it_is_told() {
        let store = Scripted::default();
        let here = store.here();
        let revocations = Revocations::new(store.clone());
        let revoked = |at| Revocation::new(Clock::at(at), DisconnectReason::Revoked);
        store.answer(Ok(vec![Some(revoked(1000))]));
        let younger = grant(Some(Clock::at(1061)), &["user:ada"]);
        let watch = watch(&revocations, &younger).await.unwrap();
        let here = here.lock().unwrap().clone().unwrap();
        // Late news of one before that is no news.
        for known in [revoked(1000), revoked(999), revoked(1000)] {
            here.revoked("user:ada", &known).await;
            assert_eq!(watch.connection().disconnect_reason(), None);
        }
        // A later one ends it, although its credential was issued later still.
        let new = revoked(1001);
        here.revoked("user:ada", &new).await;
        assert_eq!(
            watch.connection().disconnect_reason(),
            Some(DisconnectReason::Revoked)
        );
    }

    #[tokio::test]
    async fn a_store_that_fails_ends_the_connections_of_this_node_all_the_same() {
        let store = Scripted::default();
        let revocations = Revocations::new(store.clone());
        store.answer(Ok(vec![None]));
        let watch = watch(&revocations, &grant(None, &["user:ada"]))
            .await
            .unwrap();
        store.down.store(true, Ordering::SeqCst);
        let said = revocations
            .revoke("user:ada", DisconnectReason::Revoked)
            .await;
        assert!(said.is_err());
        assert_eq!(
            watch.connection().disconnect_reason(),
            Some(DisconnectReason::Revoked)
        );
    }

    #[tokio::test]
    async fn the_oldest_of_a_key_comes_first_and_can_be_ended_alone() {
        let revocations = in_memory(Clock::system());
        let mut open = Vec::new();
        for _ in 0..5 {
            open.push(
                watch(&revocations, &grant(None, &["user:ada"]))
                    .await
                    .unwrap(),
            );
        }
        assert_eq!(revocations.count("user:ada"), 5);
        let listed = revocations.connections("user:ada");
        assert!(listed.is_sorted_by_key(|connection| connection.id()));
        assert!(listed[0].end(&DisconnectReason::TooManyConnections));
        assert!(!listed[0].end(&DisconnectReason::Revoked));
        let ended = open
            .iter()
            .map(|watch| watch.connection().disconnect_reason());
        let ended: Vec<_> = ended.collect();
        assert_eq!(ended[0], Some(DisconnectReason::TooManyConnections));
        assert!(ended[1..].iter().all(Option::is_none));
        // Their credentials stay good.
        assert_eq!(
            revocations
                .end("user:ada", &DisconnectReason::GoingAway)
                .await,
            4
        );
        assert!(
            watch(&revocations, &grant(None, &["user:ada"]))
                .await
                .is_ok()
        );
    }

    #[tokio::test]
    async fn nothing_stays_registered_when_the_last_watch_is_gone() {
        let revocations = in_memory(Clock::system());
        let keys = ["user:ada", "session:1", "token:7"];
        for crowd in [1, 2, 500] {
            let mut open = Vec::new();
            for _ in 0..crowd {
                let watch = watch(&revocations, &grant(None, &keys)).await.unwrap();
                open.push(watch.clone());
                open.push(watch);
            }
            assert_eq!(revocations.count("token:7"), crowd);
            revocations
                .end("user:ada", &DisconnectReason::Revoked)
                .await;
            open.truncate(open.len() - 1);
            assert_eq!(revocations.count("token:7"), crowd);
            drop(open);
            assert!(revocations.is_empty());
        }
    }

    #[tokio::test]
    async fn a_store_sees_the_keys_of_this_node_and_whether_it_is_there() {
        let store = Scripted::default();
        let here = store.here();
        let revocations = Revocations::new(store);
        let here = here.lock().unwrap().take().unwrap();
        assert!(revocations.is_empty() && here.keys().is_empty() && !here.is_gone());
        let grant = grant(None, &["user:ada", "session:1"]);
        let watching = revocations.watch(grant.validity());
        assert!(!revocations.is_empty());
        let mut keys = here.keys();
        keys.sort();
        assert_eq!(keys, ["session:1".into(), "user:ada".into()]);
        drop((watching, revocations));
        assert!(here.is_gone() && here.keys().is_empty());
    }

    #[tokio::test]
    async fn a_watch_is_equal_to_its_clones_and_belongs_to_where_it_was_made() {
        let (revocations, others) = (in_memory(Clock::system()), in_memory(Clock::system()));
        let grant = grant(None, &["user:ada"]);
        let [one, two] = [
            watch(&revocations, &grant).await.unwrap(),
            watch(&revocations, &grant).await.unwrap(),
        ];
        assert!(one == one.clone() && one != two);
        assert!(one.is_of(&revocations) && !one.is_of(&others));
    }

    #[tokio::test]
    async fn the_runtime_has_its_turn_after_every_32_connections() {
        let revocations = in_memory(Clock::system());
        for revoke in [false, true] {
            let mut open = Vec::new();
            for _ in 0..100 {
                let watched = revocations.watch(Grant::new(()).revocable_by("user:bob").validity());
                open.push(watched.await.unwrap());
            }
            let mut turns = 0;
            let mut telling: std::pin::Pin<Box<dyn Future<Output = ()>>> = if revoke {
                let revoking = revocations.revoke("user:bob", DisconnectReason::Revoked);
                Box::pin(async { revoking.await.unwrap() })
            } else {
                Box::pin(async {
                    revocations
                        .end("user:bob", &DisconnectReason::Revoked)
                        .await;
                })
            };
            poll_fn(|cx| {
                turns += 1;
                telling.as_mut().poll(cx)
            })
            .await;
            assert_eq!(turns, 1 + 100 / 32);
        }
    }

    #[tokio::test]
    async fn a_connection_that_names_a_key_twice_holds_it_once() {
        let revocations = in_memory(Clock::system());
        let twice = grant(None, &["user:ada", "user:ada"]);
        let _watch = watch(&revocations, &twice).await.unwrap();
        assert_eq!(revocations.count("user:ada"), 1);
        assert_eq!(revocations.connections("user:ada").len(), 1);
    }

    #[tokio::test]
    async fn the_runtime_has_its_turn_while_many_connections_are_told() {
        let revocations = in_memory(Clock::system());
        let mut open = Vec::new();
        for _ in 0..1000 {
            open.push(
                watch(&revocations, &grant(None, &["user:ada"]))
                    .await
                    .unwrap(),
            );
        }
        let mut turns = 0;
        let mut reason = Box::pin(revocations.end("user:ada", &DisconnectReason::Revoked));
        let ended = poll_fn(|cx| {
            turns += 1;
            reason.as_mut().poll(cx)
        });
        assert_eq!(ended.await, 1000);
        assert!(turns > 20, "{turns}");
    }
}

mod its_messages_and_numbers {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn a_moment_is_kept_in_microseconds() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(1_234_567);
        assert_eq!(
            Revocation::new(at, DisconnectReason::Revoked).micros(),
            1_234_567
        );
    }

    #[test]
    fn an_error_names_the_failure_and_its_cause() {
        let error = StoreError::new("down");
        assert_eq!(error.to_string(), "the store failed: down");
        assert_eq!(error.source().unwrap().to_string(), "down");
    }

    #[test]
    fn an_applications_reason_has_its_code_and_reason() {
        let DisconnectReason::Application(own) =
            DisconnectReason::application(4321, "closing time").unwrap()
        else {
            panic!("another reason")
        };
        assert_eq!((own.code(), own.reason()), (4321, "closing time"));
    }

    #[test]
    fn a_grant_ends_with_the_reason_that_matches_its_kind() {
        let of = |kind| {
            Grant::new(())
                .refused_as(kind)
                .validity()
                .disconnect_reason()
        };
        assert_eq!(
            of(RejectionKind::SessionInvalid),
            DisconnectReason::SessionEnded
        );
        assert_eq!(
            of(RejectionKind::TokenInvalid),
            DisconnectReason::TokenExpired
        );
        assert_eq!(
            Grant::new(()).validity().disconnect_reason(),
            DisconnectReason::TokenExpired
        );
    }

    #[tokio::test]
    async fn a_validity_hands_its_watch_on_once() {
        let revocations = in_memory(Clock::system());
        let granted = |_: &mut Parts| async {
            let grant = Grant::new("ada").issued_at(SystemTime::now());
            Ok::<_, Rejection>(grant.revocable_by("user:ada"))
        };
        let layer = AuthLayer::new(granted.revocable(revocations.clone())).any_request();
        let service = layer.layer(tower::service_fn(async |request: Request<()>| {
            let mut validity: Validity = request.extensions().get().cloned().unwrap();
            #[cfg(feature = "axum")]
            {
                let (mut head, ()) = request.into_parts();
                let kept = <Validity as axum::extract::FromRequestParts<()>>::from_request_parts(
                    &mut head,
                    &(),
                )
                .await;
                let kept = kept.unwrap().take_watch();
                assert!(
                    kept.is_none(),
                    "a handler must not keep the connection registered"
                );
            }
            let watch = validity.take_watch().unwrap();
            assert!(validity.take_watch().is_none());
            Ok::<_, std::convert::Infallible>(Response::new(watch.connection().keys().to_vec()))
        }));
        let response = service.oneshot(Request::new(())).await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.extensions().get::<Rejection>().is_none());
    }
}

mod between_registration_and_answer {
    use super::*;

    #[tokio::test]
    async fn a_revocation_that_the_answer_does_not_know_yet_refuses() {
        let store = Scripted::default();
        let here = store.here();
        let revocations = Revocations::new(store.clone());
        let here = here.lock().unwrap().clone().unwrap();
        let young = grant(Some(Clock::at(5000)), &["user:ada"]);
        let mut watching = revocations.watch(young.validity());
        assert!(poll_once(&mut watching).await.is_none());
        let revocation = Revocation::new(Clock::at(6000), DisconnectReason::Revoked);
        here.revoked("user:ada", &revocation).await;
        store.answer(Ok(vec![None]));
        let refused = watching.await.unwrap_err();
        assert_eq!(refused.kind(), RejectionKind::TokenInvalid);
        assert!(revocations.is_empty());
    }

    #[tokio::test]
    async fn one_that_the_answer_knows_is_judged_by_the_time_of_issue() {
        for (issued, passes) in [(6061, true), (6060, false), (5999, false)] {
            let store = Scripted::default();
            let here = store.here();
            let revocations = Revocations::new(store.clone());
            let here = here.lock().unwrap().clone().unwrap();
            let granted = grant(Some(Clock::at(issued)), &["user:ada"]);
            let mut watching = revocations.watch(granted.validity());
            assert!(poll_once(&mut watching).await.is_none());
            let revocation = Revocation::new(Clock::at(6000), DisconnectReason::Revoked);
            here.revoked("user:ada", &revocation).await;
            store.answer(Ok(vec![Some(revocation)]));
            assert_eq!(watching.await.is_ok(), passes);
        }
    }

    /// The store may know an older one of that key, or a later one of another.
    #[tokio::test]
    async fn one_that_the_answer_knows_only_for_another_key_or_an_earlier_moment_refuses() {
        let revoked = |at| Revocation::new(Clock::at(at), DisconnectReason::Revoked);
        for (known, heard) in [
            ([Some(revoked(5000)), None], revoked(7000)),
            ([None, Some(revoked(5000))], revoked(4000)),
        ] {
            let store = Scripted::default();
            let here = store.here();
            let revocations = Revocations::new(store.clone());
            let here = here.lock().unwrap().clone().unwrap();
            let granted = grant(Some(Clock::at(6000)), &["user:ada", "session:1"]);
            let mut watching = revocations.watch(granted.validity());
            assert!(poll_once(&mut watching).await.is_none());
            here.revoked("user:ada", &heard).await;
            store.answer(Ok(known.to_vec()));
            let refused = watching.await.unwrap_err();
            assert_eq!(refused.kind(), RejectionKind::TokenInvalid);
        }
    }

    #[tokio::test]
    async fn a_handshake_that_is_dropped_meanwhile_leaves_nothing() {
        let revocations = Revocations::new(Scripted::default());
        let mut watching = revocations.watch(grant(None, &["user:ada"]).validity());
        assert!(poll_once(&mut watching).await.is_none());
        assert_eq!(revocations.count("user:ada"), 1);
        drop(watching);
        assert!(revocations.is_empty());
    }

    /// A revocation is written before the open connections are told. Otherwise a connection that
    /// opens in between would never hear of it.
    #[tokio::test]
    async fn a_connection_that_opens_while_a_revocation_is_written_is_ended() {
        let store = Scripted::default();
        let revocations = Revocations::new(store.clone());
        store.held.store(true, Ordering::SeqCst);
        let mut revoking = Box::pin(revocations.revoke("user:ada", DisconnectReason::Revoked));
        assert!(poll_once(&mut revoking).await.is_none());
        store.answer(Ok(vec![None]));
        let opened = watch(&revocations, &grant(None, &["user:ada"])).await;
        store.held.store(false, Ordering::SeqCst);
        revoking.await.unwrap();
        let reason = opened.unwrap().connection().disconnect_reason();
        assert_eq!(reason, Some(DisconnectReason::Revoked));
    }

    /// Else a revocation that comes after the answer and before the registration is lost.
    #[tokio::test]
    async fn a_connection_is_registered_before_the_store_is_asked() {
        for knows_at_once in [true, false] {
            let store = Witness {
                knows_at_once,
                ..Witness::default()
            };
            let revocations = Revocations::new(store.clone());
            let granted = grant(None, &["user:ada"]);
            watch(&revocations, &granted).await.unwrap();
            let asked = store.asked.lock().unwrap();
            assert!(!asked.is_empty());
            for registered in &*asked {
                assert_eq!(*registered, ["user:ada".into()]);
            }
        }
    }

    /// Threads that open and one that revokes. A connection opened before the revocation is ended.
    /// A later one with an old credential is refused.
    #[test]
    fn no_connection_with_an_old_credential_outlives_a_revocation_under_races() {
        for _ in 0..200 {
            let revocations = in_memory(Clock::system());
            let issued = SystemTime::now() - Duration::from_secs(1);
            let open = Mutex::new(Vec::new());
            let opened = AtomicUsize::new(0);
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        for _ in 0..20 {
                            let granted = grant(Some(issued), &["user:ada"]);
                            let watched = tokio_test::block_on(watch(&revocations, &granted));
                            open.lock().unwrap().extend(watched);
                            opened.fetch_add(1, Ordering::SeqCst);
                        }
                    });
                }
                scope.spawn(|| {
                    while opened.load(Ordering::SeqCst) < 10 {
                        std::hint::spin_loop();
                    }
                    tokio_test::block_on(revocations.revoke("user:ada", DisconnectReason::Revoked))
                        .unwrap();
                });
            });
            for watch in &*open.lock().unwrap() {
                assert_eq!(
                    watch.connection().disconnect_reason(),
                    Some(DisconnectReason::Revoked)
                );
            }
        }
    }
}

async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    poll_fn(|cx| {
        Poll::Ready(match std::pin::Pin::new(&mut *future).poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

type Answer = Result<Vec<Option<Revocation>>, StoreError>;
type Here = Arc<Mutex<Option<LocalConnections>>>;

/// A store that answers when it is told to.
#[derive(Clone, Default)]
struct Scripted {
    answer: Arc<Mutex<Option<Answer>>>,
    here: Here,
    down: Arc<AtomicBool>,
    /// Writes wait while this is set.
    held: Arc<AtomicBool>,
    recorded: Arc<Mutex<HashMap<Arc<str>, Revocation>>>,
}

impl Scripted {
    fn answering(answer: Answer) -> Self {
        let store = Self::default();
        store.answer(answer);
        store
    }

    fn answer(&self, answer: Answer) {
        *self.answer.lock().unwrap() = Some(answer);
    }

    fn here(&self) -> Here {
        Arc::clone(&self.here)
    }
}

impl RevocationStore for Scripted {
    fn find(&self, _keys: Vec<RevocationKey>) -> BoxFuture<Answer> {
        let answer = Arc::clone(&self.answer);
        Box::pin(poll_fn(move |cx| {
            let answer = answer.lock().unwrap().take();
            if answer.is_none() {
                cx.waker().wake_by_ref();
            }
            answer.map_or(Poll::Pending, Poll::Ready)
        }))
    }

    fn record(
        &self,
        key: Arc<str>,
        revocation: Revocation,
    ) -> BoxFuture<Result<Recorded, StoreError>> {
        if self.down.load(Ordering::SeqCst) {
            return Box::pin(async { Err(StoreError::new("down")) });
        }
        let (held, recorded) = (Arc::clone(&self.held), Arc::clone(&self.recorded));
        Box::pin(async move {
            poll_fn(|cx| {
                if held.load(Ordering::SeqCst) {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(())
            })
            .await;
            recorded.lock().unwrap().insert(key, revocation.clone());
            Ok(Recorded::Written(revocation))
        })
    }

    fn attach(&self, here: LocalConnections) {
        *self.here.lock().unwrap() = Some(here);
    }
}

/// A store that looks at who is registered whenever it is asked.
#[derive(Clone, Default)]
struct Witness {
    knows_at_once: bool,
    here: Here,
    asked: Arc<Mutex<Vec<Vec<Arc<str>>>>>,
}

impl Witness {
    fn look(&self) {
        let here = self.here.lock().unwrap();
        let registered = here.as_ref().map(LocalConnections::keys);
        self.asked.lock().unwrap().extend(registered);
    }
}

impl RevocationStore for Witness {
    fn find(&self, keys: Vec<RevocationKey>) -> BoxFuture<Answer> {
        self.look();
        Box::pin(async move { Ok(vec![None; keys.len()]) })
    }

    fn find_now(&self, keys: &[RevocationKey]) -> Option<Vec<Option<Revocation>>> {
        self.look();
        self.knows_at_once.then(|| vec![None; keys.len()])
    }

    fn record(
        &self,
        _: Arc<str>,
        revocation: Revocation,
    ) -> BoxFuture<Result<Recorded, StoreError>> {
        Box::pin(async { Ok(Recorded::Written(revocation)) })
    }

    fn attach(&self, here: LocalConnections) {
        *self.here.lock().unwrap() = Some(here);
    }
}

/// Nodes with clocks of their own, on one store.
mod on_several_nodes {
    use super::*;

    /// One memory for all of them.
    #[derive(Clone)]
    struct Common(Arc<MemoryRevocations>);

    impl RevocationStore for Common {
        fn find(&self, keys: Vec<RevocationKey>) -> BoxFuture<Answer> {
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

    /// Those whose clocks stand still at these seconds.
    fn nodes<const N: usize>(seconds: [u64; N]) -> (Common, [Revocations; N]) {
        let store = Common(Arc::new(MemoryRevocations::new(DAY, 1000)));
        let node = |at| Revocations::with_clock(store.clone(), Clock::fixed(at));
        (store.clone(), seconds.map(node))
    }

    async fn revoke(node: &Revocations, key: &str) {
        node.revoke(key, DisconnectReason::Revoked).await.unwrap();
    }

    /// Of a handshake with these keys, on this node.
    async fn passes(
        node: &Revocations,
        issued_at: Option<SystemTime>,
        key: impl Into<RevocationKey>,
    ) -> bool {
        let grant = Grant::new("ada").revocable_by(key);
        let grant = match issued_at {
            Some(moment) => grant.issued_at(moment),
            None => grant,
        };
        let is_revoked = node.is_revoked(grant.validity()).await.unwrap();
        let passes = node.check(grant).await.is_ok();
        assert_eq!(passes, !is_revoked);
        passes
    }

    #[tokio::test]
    async fn a_revoked_final_key_is_refused_by_any_clock() {
        let key = || RevocationKey::from("session:1").into_final();
        for (here, there) in [(1000, 1000), (1000, 5000), (5000, 1000)] {
            let (_, [here, there]) = nodes([here, there]);
            assert!(passes(&there, None, key()).await);
            revoke(&here, "session:1").await;
            for node in [&here, &there] {
                for issued_at in [None, Some(1), Some(1000), Some(9000), Some(u64::MAX)] {
                    let issued_at = issued_at.map(Clock::at);
                    assert!(!passes(node, issued_at, key()).await, "{issued_at:?}");
                }
                // With any known revocation.
                let knows = key().issued_after(Clock::at(9000));
                assert!(!passes(node, Some(Clock::at(9000)), knows).await);
            }
        }
    }

    #[tokio::test]
    async fn a_since_key_is_compared_with_the_allowed_skew() {
        let (_, [node]) = nodes([1000]);
        revoke(&node, "user:ada").await;
        let micro = Duration::from_micros(1);
        for (issued_at, is_later) in [
            (None, false),
            (Some(Clock::at(1000)), false),
            // By a clock that is a minute ahead, it may have been issued before.
            (Some(Clock::at(1060)), false),
            (Some(Clock::at(1060) + micro), true),
        ] {
            assert_eq!(passes(&node, issued_at, "user:ada").await, is_later);
        }
        assert_eq!(node.allowed_skew(), Duration::from_secs(60));
    }

    #[tokio::test]
    async fn a_credential_that_knows_a_revocation_passes_at_once_and_until_the_next() {
        for clocks in [
            [1000, 1000],
            [1000, 1060],
            [1060, 1000],
            [1000, 9000],
            [9000, 1000],
        ] {
            let (_, [issuer, revoker]) = nodes(clocks);
            for _ in 0..3 {
                let key = issuer.key("user:ada").await.unwrap();
                let unrevoked = passes(&issuer, None, key.clone()).await;
                assert!(unrevoked, "{clocks:?}");
                revoke(&revoker, "user:ada").await;
                for node in [&issuer, &revoker] {
                    assert!(!passes(node, None, key.clone()).await, "{clocks:?}");
                }
                // Also where the next one who revokes has a clock that is behind.
                let key = revoker.key("user:ada").await.unwrap();
                assert!(passes(&issuer, None, key.clone()).await, "{clocks:?}");
                revoke(&issuer, "user:ada").await;
                assert!(!passes(&revoker, None, key).await, "{clocks:?}");
            }
        }
    }

    /// A credential minted for a grant is as young as the decision about it, and no younger.
    #[tokio::test]
    async fn a_decision_notes_the_known_revocations_in_the_keys() {
        let (_, [node]) = nodes([1000]);
        revoke(&node, "user:ada").await;
        let key = node.key("user:ada").await.unwrap();
        assert_eq!(key.known_revocation(), Some(Clock::at(1000)));
        let grant = Grant::new("ada")
            .issued_at(Clock::at(2000))
            .revocable_by("user:ada")
            .revocable_by("user:bob")
            .revocable_by(RevocationKey::from("session:1").into_final());
        let decided = node.check(grant).await.unwrap();
        revoke(&node, "user:ada").await;
        let [ada, bob, session] = decided.validity().revocation_keys() else {
            panic!("other keys")
        };
        assert_eq!(ada.known_revocation(), Some(Clock::at(1000)));
        assert_eq!(bob.known_revocation(), None);
        assert!(session.is_final() && session.known_revocation().is_none());
        assert!(!passes(&node, Some(Clock::at(1001)), ada.clone()).await);
    }

    #[tokio::test]
    async fn a_grant_that_was_checked_is_not_registered_again() {
        let (_, [node, other]) = nodes([1000, 1000]);
        let strategy = |_: &mut Parts| async {
            Ok::<_, Rejection>(Grant::new("ada").revocable_by("user:ada"))
        };
        let twice = strategy.revocable(node.clone()).revocable(node.clone());
        let layer = AuthLayer::new(twice).any_request();
        let service = layer.layer(tower::service_fn(async |request: Request<()>| {
            let mut validity: Validity = request.extensions().get().cloned().unwrap();
            Ok::<_, std::convert::Infallible>(Response::new(validity.take_watch().unwrap()))
        }));
        let watch = service.oneshot(Request::new(())).await.unwrap().into_body();
        drop(watch);
        let grant = Grant::new("ada").revocable_by("user:ada");
        let checked = node.check(grant).await.unwrap();
        let checked = node.check(checked).await.unwrap();
        assert_eq!(node.count("user:ada"), 1);
        // Others register it for themselves.
        let elsewhere = other.check(checked).await.unwrap();
        assert_eq!(other.count("user:ada"), 1);
        drop(elsewhere);
        assert!(node.is_empty() && other.is_empty());
    }

    #[tokio::test]
    async fn a_store_keeps_the_later_of_two_revocations_in_any_order() {
        let (store, [late, early]) = nodes([2000, 1000]);
        let revoked = |at, reason| Revocation::new(Clock::at(at), reason);
        let kept = async || {
            let found = store.find(vec!["user:ada".into()]).await.unwrap();
            found.into_iter().next().flatten()
        };
        let record = async |revocation| store.record("user:ada".into(), revocation).await.unwrap();
        let second = revoked(2000, DisconnectReason::Revoked);
        assert_eq!(
            record(second.clone()).await,
            Recorded::Written(second.clone())
        );
        for earlier in [1000, 1999, 2000] {
            let stays = record(revoked(earlier, DisconnectReason::SessionEnded)).await;
            assert_eq!(stays, Recorded::Kept(second.clone()));
            assert_eq!(kept().await, Some(second.clone()));
        }
        // A node with a slow clock writes its revocation right after the kept one.
        early
            .revoke("user:ada", DisconnectReason::SessionEnded)
            .await
            .unwrap();
        let third = kept().await.unwrap();
        assert_eq!(third.micros(), 2_000_000_001);
        assert_eq!(*third.reason(), DisconnectReason::SessionEnded);
        late.revoke("user:ada", DisconnectReason::Revoked)
            .await
            .unwrap();
        assert_eq!(kept().await.unwrap().micros(), 2_000_000_002);
    }

    /// The store's state is unknown then.
    #[tokio::test]
    async fn a_failing_store_also_ends_connections_that_knew_a_later_revocation() {
        let store = Scripted::default();
        let revocations = Revocations::with_clock(store.clone(), Clock::fixed(1000));
        let later = Revocation::new(Clock::at(5000), DisconnectReason::Revoked);
        store.answer(Ok(vec![Some(later)]));
        let young = grant(Some(Clock::at(6000)), &["user:ada"]);
        let watch = watch(&revocations, &young).await.unwrap();
        store.down.store(true, Ordering::SeqCst);
        let said = revocations
            .revoke("user:ada", DisconnectReason::SessionEnded)
            .await;
        assert!(said.is_err());
        assert_eq!(
            watch.connection().disconnect_reason(),
            Some(DisconnectReason::SessionEnded)
        );
    }
}
