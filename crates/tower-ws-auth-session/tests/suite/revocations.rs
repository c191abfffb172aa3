//! Sessions that know their revocations: a logout is one call, and a ban holds for sessions too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::common::{
    Hand, NOW, PAGE, Record, ada, cookies, handshake, overwrite, pair, send, strategy,
};
use http::{HeaderMap, HeaderValue};
use test_support::until_ok;
use tower_ws_auth_core::revocation::{BoxFuture, Recorded, Revocation};
use tower_ws_auth_core::{
    AuthenticateExt as _, Clock, DisconnectReason, Grant, MemoryRevocations, RevocationKey,
    RevocationStore, Revocations, StoreError,
};
use tower_ws_auth_session::{
    ConfigError, MemorySessions, SessionError, SessionId, SessionStore as _, Sessions,
    SessionsBuilder,
};

const DAY: Duration = Duration::from_secs(24 * 3600);
const HOUR: Duration = Duration::from_secs(3600);

/// The state that several nodes share.
#[derive(Clone)]
struct World {
    hand: Hand,
    sessions: MemorySessions,
    revoked: Shared,
}

/// One memory of what was revoked, for several nodes, that can be out of order.
#[derive(Clone)]
struct Shared {
    memory: Arc<MemoryRevocations>,
    is_down: Arc<AtomicBool>,
}

impl RevocationStore for Shared {
    fn find(
        &self,
        keys: Vec<RevocationKey>,
    ) -> BoxFuture<Result<Vec<Option<Revocation>>, StoreError>> {
        if self.is_down.load(Ordering::Relaxed) {
            return Box::pin(async { Err(StoreError::new("down")) });
        }
        self.memory.find(keys)
    }

    fn record(
        &self,
        key: Arc<str>,
        revocation: Revocation,
    ) -> BoxFuture<Result<Recorded, StoreError>> {
        if self.is_down.load(Ordering::Relaxed) {
            return Box::pin(async { Err(StoreError::new("down")) });
        }
        self.memory.record(key, revocation)
    }

    fn retention(&self) -> Option<Duration> {
        self.memory.retention()
    }
}

/// One node of it.
struct Node {
    sessions: Sessions<Record>,
    revocations: Revocations,
    store: MemorySessions,
}

impl World {
    fn new() -> Self {
        let hand = Hand::new();
        Self {
            sessions: MemorySessions::with_clock(1000, hand.clock()),
            revoked: Shared {
                memory: Arc::new(MemoryRevocations::new(2 * DAY, 1000)),
                is_down: Arc::default(),
            },
            hand,
        }
    }

    /// One whose clock is wrong by so many seconds.
    fn node(&self, wrong: i64) -> Node {
        self.node_with(wrong, |builder| builder)
    }

    fn node_with(
        &self,
        wrong: i64,
        configure: impl FnOnce(SessionsBuilder<Record>) -> SessionsBuilder<Record>,
    ) -> Node {
        let right = self.hand.clock();
        let clock =
            Clock::from_fn(move || Clock::at(right.unix_seconds().saturating_add_signed(wrong)));
        let revocations = Revocations::with_clock(self.revoked.clone(), clock.clone());
        let builder = Sessions::builder(crate::common::secrets(), self.sessions.clone())
            .clock(clock)
            .revocations(revocations.clone())
            .revocable_by(|record: &Record| {
                record.user.as_ref().map(|user| format!("user:{user}"))
            });
        Node {
            sessions: configure(builder).build().unwrap(),
            revocations,
            store: self.sessions.clone(),
        }
    }
}

impl Node {
    async fn login(&self) -> (SessionId, HeaderValue) {
        self.sessions.create(&ada()).await.unwrap()
    }

    /// The outcome of a handshake with this cookie.
    async fn opens(&self, cookie: &HeaderValue) -> &'static str {
        let request = handshake(&[&pair(cookie)], Some(PAGE));
        send(strategy(&self.sessions), request).await.reason()
    }

    async fn loads(&self, cookie: &HeaderValue) -> bool {
        self.sessions.load(&back(cookie)).await.unwrap().is_some()
    }

    async fn revoke(&self, key: &str) {
        self.revocations
            .revoke(key, DisconnectReason::Revoked)
            .await
            .unwrap();
    }
}

fn back(cookie: &HeaderValue) -> HeaderMap {
    cookies(&[&pair(cookie)])
}

mod a_ban_of_a_user {
    use super::*;

    #[tokio::test]
    async fn refuses_the_session_of_yesterday_on_every_node_and_welcomes_a_new_login_at_once() {
        let world = World::new();
        let (one, other) = (world.node(0), world.node(0));
        let (_, yesterday) = one.login().await;
        world.hand.advance(3600);
        assert_eq!(other.opens(&yesterday).await, "accepted");
        one.revoke("user:ada").await;
        for node in [&one, &other] {
            assert_eq!(node.opens(&yesterday).await, "session_invalid");
            assert!(!node.loads(&yesterday).await);
        }
        // In the same second.
        let (_, today) = other.login().await;
        for node in [&one, &other] {
            assert_eq!(node.opens(&today).await, "accepted");
            assert!(node.loads(&today).await);
        }
        // And the next ban refuses that one too.
        one.revoke("user:ada").await;
        assert_eq!(other.opens(&today).await, "session_invalid");
    }

    #[tokio::test]
    async fn holds_for_any_clocks_of_the_nodes() {
        for (login_at, ban_at) in [(60, 0), (0, 60), (-60, 0), (0, -60), (30, -30), (-30, 30)] {
            let world = World::new();
            let (issuer, revoker) = (world.node(login_at), world.node(ban_at));
            for round in 0..3 {
                let (_, before) = issuer.login().await;
                revoker.revoke("user:ada").await;
                let (_, after) = issuer.login().await;
                for node in [&issuer, &revoker] {
                    let context = format!("{login_at} {ban_at} {round}");
                    assert_eq!(node.opens(&before).await, "session_invalid", "{context}");
                    assert_eq!(node.opens(&after).await, "accepted", "{context}");
                }
            }
        }
    }

    #[tokio::test]
    async fn refuses_a_session_that_does_not_say_when_its_login_was() {
        let world = World::new();
        let node = world.node(0);
        let (id, cookie) = node.login().await;
        overwrite(&node.store, &id, r#"{"user":"ada"}"#).await;
        assert_eq!(node.opens(&cookie).await, "accepted");
        node.revoke("user:ada").await;
        assert_eq!(node.opens(&cookie).await, "session_invalid");
        // Also one that Express makes much later.
        world.hand.advance(7200);
        let (id, cookie) = node.login().await;
        assert_eq!(node.opens(&cookie).await, "accepted");
        overwrite(&node.store, &id, r#"{"user":"ada"}"#).await;
        assert_eq!(node.opens(&cookie).await, "session_invalid");
    }

    #[tokio::test]
    async fn is_not_outlived_by_a_session_that_is_used_or_changed() {
        let world = World::new();
        let node = world.node_with(0, |builder| builder.max_age(HOUR));
        let (id, cookie) = node.login().await;
        let loaded = || async { node.sessions.load(&back(&cookie)).await.unwrap().unwrap() };
        let (mut one, two, mut three) = (loaded().await, loaded().await, loaded().await);
        world.hand.advance(600);
        node.revoke("user:ada").await;
        let touched = node.sessions.touch(&mut one).await.unwrap_err();
        assert!(matches!(touched, SessionError::Gone));
        node.sessions.save(&mut three).await.unwrap();
        let request = handshake(&[&pair(&cookie)], Some(PAGE));
        let outcome = send(strategy(&node.sessions).rolling(), request).await;
        assert_eq!(outcome.reason(), "session_invalid");
        // It lives no longer for all that: the ban is remembered for longer than it.
        let left = node.store.load(&id).await.unwrap().unwrap().ttl;
        assert_eq!(left, Some(Duration::from_secs(3600 - 600)));
        let moved = node.sessions.regenerate(two).await.unwrap_err();
        assert!(matches!(moved, SessionError::Gone));
        assert!(!node.loads(&cookie).await);
    }

    /// A handler loads it, and waits for its client's body during the ban.
    #[tokio::test]
    async fn is_not_outlived_by_a_session_without_a_known_login_that_is_saved_later() {
        for own in ["", r#","wsauth":{"login":"2026-11-20T19:00:00.000Z"}"#] {
            let world = World::new();
            let node = world.node(0);
            let (id, cookie) = node.login().await;
            // As Express makes it, or this crate before `revocable_by` was configured.
            overwrite(&node.store, &id, &format!(r#"{{"user":"ada"{own}}}"#)).await;
            let mut held = node.sessions.load(&back(&cookie)).await.unwrap().unwrap();
            node.sessions.end_all_of("user:ada").await.unwrap();
            world.hand.advance(600);
            node.sessions.save(&mut held).await.unwrap();
            assert_eq!(node.opens(&cookie).await, "session_invalid", "{own}");
            assert!(!node.loads(&cookie).await, "{own}");
        }
    }

    #[tokio::test]
    async fn does_not_refuse_a_login_that_another_handler_notes_meanwhile() {
        let world = World::new();
        let node = world.node(0);
        node.revoke("user:bob").await;
        let (_, cookie) = node.login().await;
        let load = async || node.sessions.load(&back(&cookie)).await.unwrap().unwrap();
        let (mut idle, mut login) = (load().await, load().await);
        login.user = Some("bob".into());
        node.sessions.save(&mut login).await.unwrap();
        node.sessions.save(&mut idle).await.unwrap();
        assert_eq!(node.opens(&cookie).await, "accepted");
        // It is Bob's, and not the one who was loaded.
        node.revoke("user:ada").await;
        assert_eq!(node.opens(&cookie).await, "accepted");
        node.revoke("user:bob").await;
        assert_eq!(node.opens(&cookie).await, "session_invalid");
    }

    #[tokio::test]
    async fn does_not_concern_another_user_who_logs_in_to_the_same_session() {
        let world = World::new();
        let node = world.node(0);
        let anonymous = Record::default();
        let (_, cookie) = node.sessions.create(&anonymous).await.unwrap();
        let mut loaded = node.sessions.load(&back(&cookie)).await.unwrap().unwrap();
        node.revoke("user:ada").await;
        // A login without a new id is still one.
        loaded.user = Some("ada".into());
        node.sessions.save(&mut loaded).await.unwrap();
        assert_eq!(node.opens(&cookie).await, "accepted");
        node.revoke("user:ada").await;
        assert_eq!(node.opens(&cookie).await, "session_invalid");
        // By a regeneration she stays who she is, since when she is that; Bob is another one.
        let (_, cookie) = node.login().await;
        let loaded = node.sessions.load(&back(&cookie)).await.unwrap().unwrap();
        let (_, cookie) = node.sessions.regenerate(loaded).await.unwrap();
        let mut loaded = node.sessions.load(&back(&cookie)).await.unwrap().unwrap();
        node.revoke("user:ada").await;
        assert_eq!(node.opens(&cookie).await, "session_invalid");
        loaded.user = Some("bob".into());
        node.sessions.save(&mut loaded).await.unwrap();
        assert_eq!(node.opens(&cookie).await, "accepted");
    }
}

mod a_login_that_express_dates {
    use super::*;

    /// The outcome of a handshake after a ban at [`NOW`], with this record.
    async fn opens(record: &str) -> &'static str {
        let world = World::new();
        let node = world.node_with(0, |builder| builder.login_field("loggedInAt"));
        let (id, cookie) = node.login().await;
        node.revoke("user:ada").await;
        overwrite(&node.store, &id, record).await;
        world.hand.advance(120);
        node.opens(&cookie).await
    }

    #[tokio::test]
    async fn is_compared_by_the_time_in_the_field_that_was_named() {
        let millis = |seconds: u64| (NOW + seconds) * 1000;
        for (at, told) in [
            (millis(0).to_string(), "session_invalid"),
            (millis(60).to_string(), "session_invalid"),
            (millis(61).to_string(), "accepted"),
            (millis(120).to_string(), "accepted"),
            // In the future, beyond what clocks may differ by.
            (millis(181).to_string(), "session_invalid"),
            (r#""2026-11-20T20:01:01.000Z""#.into(), "accepted"),
            (r#""2026-11-20T20:01:00.000Z""#.into(), "session_invalid"),
            ("null".into(), "session_invalid"),
            (r#""yesterday""#.into(), "session_invalid"),
        ] {
            let record = format!(r#"{{"user":"ada","loggedInAt":{at}}}"#);
            assert_eq!(opens(&record).await, told, "{at}");
            let elsewhere = format!(r#"{{"user":"ada","login":{at}}}"#);
            assert_eq!(opens(&elsewhere).await, "session_invalid");
        }
    }

    #[tokio::test]
    async fn counts_before_an_older_one_of_ours_and_ours_before_an_older_one_of_express() {
        let ours = |login: &str| format!(r#"{{"key":"since:user:ada","login":"{login}"}}"#);
        for (own, theirs, told) in [
            ("2026-11-20T19:00:00.000Z", 61, "accepted"),
            ("2026-11-20T20:01:01.000Z", 0, "accepted"),
            ("2026-11-20T20:00:00.000Z", 60, "session_invalid"),
        ] {
            let (own, theirs) = (ours(own), (NOW + theirs) * 1000);
            let record = format!(r#"{{"user":"ada","loggedInAt":{theirs},"wsauth":{own}}}"#);
            assert_eq!(opens(&record).await, told, "{record}");
        }
    }

    #[tokio::test]
    async fn does_not_inherit_the_known_revocations_of_another_user() {
        // Bob's login knew every revocation there ever was of his key.
        let own = r#"{"key":"since 9999999999999999:user:bob","login":"2026-11-20T20:01:59.000Z"}"#;
        let record = format!(r#"{{"user":"ada","wsauth":{own}}}"#);
        assert_eq!(opens(&record).await, "session_invalid");
    }
}

mod a_logout {
    use super::*;

    #[tokio::test]
    async fn is_one_call_and_ends_the_open_connections_of_the_session() {
        let world = World::new();
        let node = world.node(0);
        let (id, cookie) = node.login().await;
        let (_, other) = node.login().await;
        let open = async |cookie: &HeaderValue| {
            let request = handshake(&[&pair(cookie)], Some(PAGE));
            let mut outcome = send(strategy(&node.sessions), request).await;
            outcome.validity.take_watch().unwrap()
        };
        let (hers, bystander) = (open(&cookie).await, open(&other).await);
        node.sessions.destroy(&id).await.unwrap();
        let reason = hers.connection().disconnect_reason();
        assert_eq!(reason, Some(DisconnectReason::SessionEnded));
        assert_eq!(bystander.connection().disconnect_reason(), None);
        assert_eq!(node.opens(&cookie).await, "session_invalid");
        assert!(!node.loads(&cookie).await);
        assert!(node.store.load(&id).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn ends_what_the_session_opened_before_it_moved_to_another_id() {
        let world = World::new();
        let node = world.node(0);
        let (first, cookie) = node.login().await;
        let request = handshake(&[&pair(&cookie)], Some(PAGE));
        let mut before = send(strategy(&node.sessions), request).await.validity;
        let watch = before.take_watch().unwrap();
        let disconnected = || watch.connection().disconnect_reason();

        let (mut last, mut cookie) = (first.clone(), cookie);
        for user in [Some("ada"), None, Some("eve")] {
            let mut loaded = node.sessions.load(&back(&cookie)).await.unwrap().unwrap();
            loaded.user = user.map(ToOwned::to_owned);
            (last, cookie) = node.sessions.regenerate(loaded).await.unwrap();
        }
        assert_eq!(disconnected(), None);
        node.sessions.destroy(&last).await.unwrap();
        assert_eq!(disconnected(), Some(DisconnectReason::SessionEnded));
        // A ticket or token of that time has the key of the first id.
        let ticket = Grant::new(()).revocable_by(first.revocation_key());
        let is_revoked = node.revocations.is_revoked(ticket.validity()).await;
        assert!(is_revoked.unwrap());
    }

    #[tokio::test]
    async fn ends_the_connections_of_the_last_32_ids_and_older_ones_have_ended() {
        let world = World::new();
        let node = world.node(0);
        let (mut id, mut cookie) = node.login().await;
        let mut watches = Vec::new();
        for _ in 0..=33 {
            let request = handshake(&[&pair(&cookie)], Some(PAGE));
            let mut validity = send(strategy(&node.sessions), request).await.validity;
            watches.push(validity.take_watch().unwrap());
            let loaded = node.sessions.load(&back(&cookie)).await.unwrap().unwrap();
            (id, cookie) = node.sessions.regenerate(loaded).await.unwrap();
        }
        let reasons = || {
            let reason = |at: usize| watches[at].connection().disconnect_reason();
            [0, 1, 2, 33].map(reason)
        };
        let gone = || Some(DisconnectReason::GoingAway);
        assert_eq!(reasons(), [gone(), gone(), None, None]);
        node.sessions.destroy(&id).await.unwrap();
        let ended = || Some(DisconnectReason::SessionEnded);
        assert_eq!(reasons(), [gone(), gone(), ended(), ended()]);
    }

    /// The record is found before the logout, and the revocation asked about after it.
    #[tokio::test]
    async fn refuses_a_handshake_that_found_the_session_before_by_any_clock() {
        for (ahead, behind) in [(60, 0), (3600, -3600)] {
            let world = World::new();
            let (other, here) = (world.node(ahead), world.node(behind));
            let (id, cookie) = other.login().await;
            // As if the store had answered before the session was taken out of it.
            let record = here.store.load(&id).await.unwrap().unwrap().record;
            here.sessions.destroy(&id).await.unwrap();
            assert!(here.store.create(&id, &record, HOUR).await.unwrap());
            for node in [&other, &here] {
                assert_eq!(node.opens(&cookie).await, "session_invalid", "{ahead}");
                assert!(!node.loads(&cookie).await);
            }
        }
    }

    #[tokio::test]
    async fn everywhere_ends_only_the_sessions_of_that_user() {
        let world = World::new();
        let (one, other) = (world.node(0), world.node(-60));
        let (_, first) = one.login().await;
        let (_, second) = other.login().await;
        let bob = Record {
            user: Some("bob".into()),
        };
        let (_, bobs) = one.sessions.create(&bob).await.unwrap();
        other.sessions.end_all_of("user:ada").await.unwrap();
        for node in [&one, &other] {
            for cookie in [&first, &second] {
                assert_eq!(node.opens(cookie).await, "session_invalid");
            }
            assert_eq!(node.opens(&bobs).await, "accepted");
        }
    }

    #[tokio::test]
    async fn that_a_store_does_not_confirm_is_an_error_and_can_be_said_again() {
        let world = World::new();
        let node = world.node(0);
        let (id, cookie) = node.login().await;
        world.revoked.is_down.store(true, Ordering::Relaxed);
        let error = node.sessions.destroy(&id).await.unwrap_err();
        assert!(matches!(error, SessionError::Revocations(_)), "{error}");
        assert_eq!(error.into_rejection().status(), 503);
        // The session is gone all the same.
        assert!(node.store.load(&id).await.unwrap().is_none());
        let error = node.sessions.end_all_of("user:ada").await.unwrap_err();
        assert!(matches!(error, SessionError::Revocations(_)), "{error}");
        let error = node.sessions.create(&ada()).await.unwrap_err();
        assert!(matches!(error, SessionError::Revocations(_)), "{error}");
        assert_eq!(node.opens(&cookie).await, "session_invalid");
        world.revoked.is_down.store(false, Ordering::Relaxed);
        node.sessions.destroy(&id).await.unwrap();
    }

    #[tokio::test]
    async fn continues_when_its_caller_leaves() {
        let world = World::new();
        let node = world.node(0);
        let (id, cookie) = node.login().await;
        let mut logout = Box::pin(node.sessions.destroy(&id));
        assert!(
            std::future::poll_fn(|cx| {
                std::task::Poll::Ready(logout.as_mut().poll(cx).is_pending())
            })
            .await
        );
        drop(logout);
        until_ok("the logout", async || {
            node.store.load(&id).await.unwrap().is_none()
        })
        .await;
        assert_eq!(node.opens(&cookie).await, "session_invalid");
    }

    #[tokio::test]
    async fn everywhere_needs_revocations() {
        let (sessions, ..) = crate::common::in_memory(|builder| builder);
        let error = sessions.end_all_of("user:ada").await.unwrap_err();
        assert!(matches!(error, SessionError::NoRevocations), "{error}");
    }
}

mod the_store_of_revocations {
    use super::*;

    #[tokio::test]
    async fn that_fails_refuses_as_unavailable() {
        let world = World::new();
        let node = world.node(0);
        let (_, cookie) = node.login().await;
        world.revoked.is_down.store(true, Ordering::Relaxed);
        assert_eq!(node.opens(&cookie).await, "unavailable");
        let error = node.sessions.load(&back(&cookie)).await.unwrap_err();
        assert!(matches!(error, SessionError::Revocations(_)), "{error}");
    }

    #[tokio::test]
    async fn is_asked_once_where_a_strategy_is_called_revocable_besides() {
        let world = World::new();
        let node = world.node(0);
        let (id, cookie) = node.login().await;
        let request = handshake(&[&pair(&cookie)], Some(PAGE));
        let twice = strategy(&node.sessions).revocable(node.revocations.clone());
        let outcome = send(twice, request).await;
        assert_eq!(outcome.reason(), "accepted");
        assert_eq!(node.revocations.count(&id.revocation_key()), 1);
        assert_eq!(outcome.validity.revocation_keys().len(), 2);
    }

    #[test]
    fn that_forgets_while_a_session_lives_is_refused_at_once() {
        let build = |retention, ttl, max_age: Option<Duration>| {
            let revocations = Revocations::new(MemoryRevocations::new(retention, 9));
            let builder =
                Sessions::<Record>::builder(crate::common::secrets(), MemorySessions::new(9));
            let builder = builder.ttl(ttl).revocations(revocations);
            match max_age {
                Some(max_age) => builder.max_age(max_age).build(),
                None => builder.build(),
            }
        };
        assert!(build(DAY, DAY, None).is_ok());
        for (ttl, max_age) in [(2 * DAY, None), (HOUR, Some(2 * DAY))] {
            let error = build(DAY, ttl, max_age).unwrap_err();
            let expected = ConfigError::ForgetfulRevocations {
                retention: DAY,
                life: 2 * DAY,
            };
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn cannot_be_asked_about_a_field_that_has_another_meaning() {
        for name in ["", "cookie", "wsauth"] {
            let builder =
                Sessions::<Record>::builder(crate::common::secrets(), MemorySessions::new(9));
            let error = builder.login_field(name).build().unwrap_err();
            assert_eq!(error, ConfigError::LoginField(name.into()));
        }
    }
}
