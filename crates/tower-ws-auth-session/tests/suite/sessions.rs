//! The application's handle: login, handlers, logout.

use std::time::Duration;

use http::HeaderValue;
use serde_json::json;
use tower_ws_auth_core::Clock;
use tower_ws_auth_session::{
    ConfigError, MemorySessions, SessionError, SessionStore, Sessions, StoreError,
};

use crate::common::{Odd, Record, Trouble, ada, builder, cookies, in_memory, overwrite, pair};

const HOUR: Duration = Duration::from_secs(3600);

fn back(set_cookie: &HeaderValue) -> http::HeaderMap {
    cookies(&[&pair(set_cookie)])
}

mod login {
    use super::*;

    #[tokio::test]
    async fn a_created_session_can_be_loaded() {
        let (sessions, ..) = in_memory(|b| b);
        let (id, set_cookie) = sessions.create(&ada()).await.unwrap();
        let loaded = sessions.load(&back(&set_cookie)).await.unwrap().unwrap();
        assert_eq!((loaded.id(), &*loaded), (&id, &ada()));
    }

    #[tokio::test]
    async fn the_id_is_new_even_if_the_request_has_one() {
        let (sessions, store, _) = in_memory(|b| b);
        let (first, _) = sessions.create(&Record::default()).await.unwrap();
        let (second, _) = sessions.create(&ada()).await.unwrap();
        assert_ne!(first, second);
        // Of the same user a moment later, too: it is made of nothing that is known.
        let (third, _) = sessions.create(&ada()).await.unwrap();
        assert_ne!(second, third);
        assert_eq!(store.len(), 3);
        assert!(
            !store
                .load(&first)
                .await
                .unwrap()
                .unwrap()
                .record
                .contains("ada")
        );
    }

    #[tokio::test]
    async fn regenerate_moves_everything_to_a_new_id() {
        let (sessions, store, _) = in_memory(|b| b);
        let (old, set_cookie) = sessions.create(&Record::default()).await.unwrap();
        let theirs = r#"{"cookie":{"x":1},"cart":[1,2]}"#;
        overwrite(&store, &old, theirs).await;

        let mut loaded = sessions.load(&back(&set_cookie)).await.unwrap().unwrap();
        let mut late = loaded.clone();
        loaded.user = Some("ada".into());
        let (new, new_cookie) = sessions.regenerate(loaded).await.unwrap();
        assert_ne!(old, new);
        assert!(sessions.load(&back(&set_cookie)).await.unwrap().is_none());
        assert_eq!(
            *sessions.load(&back(&new_cookie)).await.unwrap().unwrap(),
            ada()
        );
        let record = store.load(&new).await.unwrap().unwrap().record;
        let record: serde_json::Value = serde_json::from_str(&record).unwrap();
        assert_eq!(
            record,
            json!({
                "cookie": {"x": 1}, "cart": [1, 2], "user": "ada",
                "wsauth": {"login": "2026-11-20T20:00:00.000Z"},
            })
        );
        // A handler that had loaded the old one brings it back neither by saving nor by touching.
        let gone = sessions.save(&mut late).await.unwrap_err();
        assert!(matches!(gone, SessionError::Gone));
        let gone = sessions.touch(&mut late).await.unwrap_err();
        assert!(matches!(gone, SessionError::Gone));
        assert!(sessions.load(&back(&set_cookie)).await.unwrap().is_none());
        assert_eq!(store.len(), 1);
    }

    #[tokio::test]
    async fn regenerate_brings_nothing_back() {
        let (sessions, store, _) = in_memory(|b| b);
        let (id, set_cookie) = sessions.create(&ada()).await.unwrap();
        let loaded = sessions.load(&back(&set_cookie)).await.unwrap().unwrap();
        sessions.destroy(&id).await.unwrap();
        let gone = sessions.regenerate(loaded).await.unwrap_err();
        assert!(matches!(gone, SessionError::Gone));
        assert!(store.is_empty());
    }

    #[tokio::test]
    async fn the_record_is_the_one_that_express_session_would_write() {
        let hand = crate::common::Hand::new();
        let store = MemorySessions::with_clock(9, hand.clock());
        let lasting: Sessions<Record> = Sessions::builder(crate::common::secrets(), store.clone())
            .clock(hand.clock())
            .max_age(HOUR)
            .build()
            .unwrap();
        let (id, set_cookie) = lasting.create(&ada()).await.unwrap();
        assert!(set_cookie.to_str().unwrap().contains("; Max-Age=3600;"));
        let stored = store.load(&id).await.unwrap().unwrap();
        assert_eq!(stored.ttl, Some(HOUR));
        let record: serde_json::Value = serde_json::from_str(&stored.record).unwrap();
        assert_eq!(
            record,
            json!({
                "cookie": {
                    "originalMaxAge": 3_600_000, "expires": "2026-11-20T21:00:00.000Z",
                    "httpOnly": true, "secure": true, "path": "/", "sameSite": "lax",
                },
                "user": "ada",
                "wsauth": {"login": "2026-11-20T20:00:00.000Z"},
            })
        );
    }

    #[tokio::test]
    async fn a_full_store_is_an_error_and_drops_no_session() {
        let store = MemorySessions::new(1);
        let sessions = builder(store.clone()).build().unwrap();
        let (id, _) = sessions.create(&ada()).await.unwrap();
        let full = sessions.create(&ada()).await.unwrap_err();
        assert!(matches!(full, SessionError::Store(StoreError::Full)));
        assert_eq!(full.into_rejection().status(), 503);
        assert!(store.load(&id).await.unwrap().is_some());
    }
}

mod handlers {
    use super::*;

    #[tokio::test]
    async fn a_change_is_saved_and_lives_no_longer_for_it() {
        let (sessions, store, hand) = in_memory(|b| b.max_age(HOUR));
        let (id, set_cookie) = sessions.create(&ada()).await.unwrap();
        hand.advance(60);
        let mut loaded = sessions.load(&back(&set_cookie)).await.unwrap().unwrap();
        loaded.user = Some("grace".into());
        sessions.save(&mut loaded).await.unwrap();
        let again = sessions.load(&back(&set_cookie)).await.unwrap().unwrap();
        assert_eq!(again.user.as_deref(), Some("grace"));
        assert_eq!(again.ends_at(), Some(Clock::at(crate::common::NOW + 3600)));
        let ttl = store.load(&id).await.unwrap().unwrap().ttl;
        assert_eq!(ttl, Some(Duration::from_secs(3540)));
    }

    #[tokio::test]
    async fn a_change_of_a_session_that_the_store_alone_ends_lives_no_longer_for_it() {
        let (sessions, store, hand) = in_memory(|b| b.ttl(HOUR));
        let (id, set_cookie) = sessions.create(&ada()).await.unwrap();
        let load = async || sessions.load(&back(&set_cookie)).await.unwrap().unwrap();
        let left = async || store.load(&id).await.unwrap().unwrap().ttl;
        let (mut late, mut touched) = (load().await, load().await);
        hand.advance(60);
        late.user = Some("grace".into());
        sessions.save(&mut late).await.unwrap();
        assert_eq!(left().await, Some(Duration::from_secs(3600 - 60)));
        // It undoes no touch either.
        sessions.touch(&mut touched).await.unwrap();
        late.user = Some("eve".into());
        sessions.save(&mut late).await.unwrap();
        assert_eq!(left().await, Some(HOUR));
        assert_eq!(late.ends_at(), touched.ends_at());
    }

    /// As Node writes a text that was cut inside of an emoji.
    #[tokio::test]
    async fn half_a_surrogate_pair_in_a_field_of_others_survives() {
        use crate::common::{PAGE, handshake, send, strategy};

        let (sessions, store, _) = in_memory(|b| b.login_field("at"));
        let (id, set_cookie) = sessions.create(&ada()).await.unwrap();
        let theirs = r#""bio":"hello \ud83d","more":{"\udc00":["\ud83d\ud83d"]}"#;
        overwrite(&store, &id, &format!(r#"{{{theirs},"user":"ada"}}"#)).await;
        let request = || handshake(&[&pair(&set_cookie)], Some(PAGE));
        for strategy in [strategy(&sessions), strategy(&sessions).rolling()] {
            assert_eq!(send(strategy, request()).await.reason(), "accepted");
        }
        // A type that has the field cannot read it.
        let secrets = crate::common::secrets();
        let whole: Sessions<serde_json::Value> =
            Sessions::builder(secrets, store.clone()).build().unwrap();
        assert!(whole.load(&back(&set_cookie)).await.unwrap().is_none());
        let mut loaded = sessions.load(&back(&set_cookie)).await.unwrap().unwrap();
        loaded.user = None;
        sessions.save(&mut loaded).await.unwrap();
        let record = store.load(&id).await.unwrap().unwrap().record;
        assert_eq!(record, format!("{{{theirs}}}"));
    }

    #[tokio::test]
    async fn a_user_that_is_cleared_is_logged_out_and_the_rest_stays() {
        let (sessions, store, _) = in_memory(|b| b);
        let (id, set_cookie) = sessions.create(&ada()).await.unwrap();
        let theirs = r#"{"cart":1,"user":"ada"}"#;
        overwrite(&store, &id, theirs).await;
        let mut loaded = sessions.load(&back(&set_cookie)).await.unwrap().unwrap();
        loaded.user = None;
        sessions.save(&mut loaded).await.unwrap();
        assert_eq!(
            store.load(&id).await.unwrap().unwrap().record,
            r#"{"cart":1}"#
        );
    }

    /// A parser that is quick and nearly right reads the first one as its neighbour.
    #[tokio::test]
    async fn numbers_of_others_keep_their_last_digit() {
        let (sessions, store, _) = in_memory(|b| b);
        let (id, set_cookie) = sessions.create(&ada()).await.unwrap();
        let numbers =
            r#""cart":[1.7182000000000101e+25,1.71820000000001e+25,5.708990770823839e+45]"#;
        overwrite(&store, &id, &format!(r#"{{{numbers},"user":"ada"}}"#)).await;
        let mut loaded = sessions.load(&back(&set_cookie)).await.unwrap().unwrap();
        loaded.user = None;
        sessions.save(&mut loaded).await.unwrap();
        let kept = store.load(&id).await.unwrap().unwrap().record;
        assert_eq!(kept, format!("{{{numbers}}}"));
    }

    #[tokio::test]
    async fn touching_a_session_of_express_goes_by_its_own_max_age() {
        let (sessions, store, _) = in_memory(|b| b);
        let (id, set_cookie) = sessions.create(&ada()).await.unwrap();
        let theirs = r#"{"cookie":{"originalMaxAge":60000,"expires":"2026-11-20T20:00:30.000Z"}}"#;
        overwrite(&store, &id, theirs).await;
        let mut loaded = sessions.load(&back(&set_cookie)).await.unwrap().unwrap();
        sessions.touch(&mut loaded).await.unwrap();
        let end = Some(Clock::at(crate::common::NOW + 60));
        assert_eq!(loaded.ends_at(), end);
        let loaded = sessions.load(&back(&set_cookie)).await.unwrap().unwrap();
        assert_eq!(loaded.ends_at(), end);
    }

    #[tokio::test]
    async fn saving_after_logout_brings_nothing_back() {
        // With an end in the record, and by the store alone.
        for max_age in [Some(HOUR), None] {
            let (sessions, store, _) = in_memory(|b| match max_age {
                Some(max_age) => b.max_age(max_age),
                None => b,
            });
            let (id, set_cookie) = sessions.create(&ada()).await.unwrap();
            let mut loaded = sessions.load(&back(&set_cookie)).await.unwrap().unwrap();
            sessions.destroy(&id).await.unwrap();
            let gone = sessions.save(&mut loaded).await.unwrap_err();
            assert_eq!(gone.into_rejection().reason(), "session_invalid");
            let gone = sessions.touch(&mut loaded).await.unwrap_err();
            assert!(matches!(gone, SessionError::Gone));
            assert!(store.is_empty());
        }
    }

    #[tokio::test]
    async fn touching_prolongs_record_and_store_and_keeps_the_changes_of_others() {
        let (sessions, store, hand) = in_memory(|b| b.max_age(HOUR));
        let (id, set_cookie) = sessions.create(&ada()).await.unwrap();
        let mut loaded = sessions.load(&back(&set_cookie)).await.unwrap().unwrap();
        let record = store.load(&id).await.unwrap().unwrap().record;
        let theirs = record.replacen('{', "{\"csrf\":1,", 1);
        overwrite(&store, &id, &theirs).await;

        hand.advance(3000);
        let again = sessions.touch(&mut loaded).await.unwrap();
        assert_eq!(pair(&again), pair(&set_cookie));
        let end = Some(Clock::at(crate::common::NOW + 3000 + 3600));
        assert_eq!(loaded.ends_at(), end);
        hand.advance(3000);
        let alive = sessions.load(&back(&set_cookie)).await.unwrap().unwrap();
        assert_eq!(alive.ends_at(), end);
        assert!(
            store
                .load(&id)
                .await
                .unwrap()
                .unwrap()
                .record
                .contains("csrf")
        );
        // Saving what was loaded before the touch does not undo it.
        sessions.save(&mut loaded).await.unwrap();
        let alive = sessions.load(&back(&set_cookie)).await.unwrap().unwrap();
        assert_eq!(alive.ends_at(), end);
    }

    #[tokio::test]
    async fn touching_a_session_without_an_end_of_its_own_asks_the_store_only() {
        let (sessions, _, hand) = in_memory(|b| b.ttl(HOUR));
        let (_, set_cookie) = sessions.create(&ada()).await.unwrap();
        assert!(!set_cookie.to_str().unwrap().contains("Max-Age"));
        hand.advance(3599);
        let mut loaded = sessions.load(&back(&set_cookie)).await.unwrap().unwrap();
        sessions.touch(&mut loaded).await.unwrap();
        hand.advance(3599);
        assert!(sessions.load(&back(&set_cookie)).await.unwrap().is_some());
        hand.advance(1);
        assert!(sessions.load(&back(&set_cookie)).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn where_expiry_is_the_stores_it_alone_is_prolonged() {
        let (sessions, store, hand) = in_memory(|b| b.max_age(HOUR).expiry_by_store());
        let (id, set_cookie) = sessions.create(&ada()).await.unwrap();
        let record = store.load(&id).await.unwrap().unwrap().record;
        hand.advance(3000);
        let mut loaded = sessions.load(&back(&set_cookie)).await.unwrap().unwrap();
        sessions.touch(&mut loaded).await.unwrap();
        let stored = store.load(&id).await.unwrap().unwrap();
        assert_eq!((stored.record, stored.ttl), (record, Some(HOUR)));
        sessions.save(&mut loaded).await.unwrap();
        assert_eq!(store.load(&id).await.unwrap().unwrap().ttl, Some(HOUR));
        hand.advance(3000);
        sessions.save(&mut loaded).await.unwrap();
        let left = store.load(&id).await.unwrap().unwrap().ttl;
        assert_eq!(left, Some(Duration::from_secs(600)));
        assert!(sessions.load(&back(&set_cookie)).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn loading_writes_nothing_and_asks_only_about_signed_ids() {
        let store = Odd::holding("{}");
        let sessions = builder(store.clone()).build().unwrap();
        let count = |counter: &std::sync::atomic::AtomicUsize| {
            counter.swap(0, std::sync::atomic::Ordering::Relaxed)
        };
        for nothing in ["", "a=b", "connect.sid=", "connect.sid=s%3Ax.bad"] {
            assert!(sessions.load(&cookies(&[nothing])).await.unwrap().is_none());
        }
        assert_eq!((count(&store.asked), count(&store.written)), (0, 0));
        let (_, set_cookie) = sessions.create(&ada()).await.unwrap();
        assert_eq!((count(&store.asked), count(&store.written)), (1, 1));
        assert!(sessions.load(&back(&set_cookie)).await.unwrap().is_some());
        assert_eq!((count(&store.asked), count(&store.written)), (1, 0));
    }

    #[tokio::test]
    async fn a_record_that_does_not_fit_is_no_session() {
        for record in ["", "[]", r#"{"user":1}"#, r#"{"cookie":{"expires":"x"}}"#] {
            let sessions = builder(Odd::holding(record)).build().unwrap();
            let (_, set_cookie) = sessions.create(&ada()).await.unwrap();
            assert!(
                sessions.load(&back(&set_cookie)).await.unwrap().is_none(),
                "{record}"
            );
        }
    }

    #[tokio::test]
    async fn a_record_beyond_the_limit_is_not_written() {
        let (sessions, store, _) = in_memory(|b| b.max_record(250));
        let user = Some("a".repeat(250));
        let error = sessions
            .create(&Record { user: user.clone() })
            .await
            .unwrap_err();
        assert!(matches!(error, SessionError::TooLarge { most: 250, .. }));
        assert!(store.is_empty());
        let (_, set_cookie) = sessions.create(&ada()).await.unwrap();
        let mut loaded = sessions.load(&back(&set_cookie)).await.unwrap().unwrap();
        loaded.user = user;
        let error = sessions.save(&mut loaded).await.unwrap_err();
        assert!(matches!(error, SessionError::TooLarge { most: 250, .. }));
    }
}

mod new_secrets {
    use super::*;
    use crate::common::{PAGE, handshake, send, strategy};
    use tower_ws_auth_session::Secrets;

    #[tokio::test]
    async fn decide_from_then_on_in_every_clone_and_strategy() {
        let (sessions, ..) = in_memory(|b| b);
        let (_, set_cookie) = sessions.create(&ada()).await.unwrap();
        let old = pair(&set_cookie);
        let (clone, strategy) = (sessions.clone(), strategy(&sessions));
        let new = "a secret that nobody had before";

        sessions.replace_secrets(Secrets::express([new, crate::common::SECRET]).unwrap());
        assert!(clone.signed_id(&back(&set_cookie)).is_some());
        let (_, set_cookie) = clone.create(&ada()).await.unwrap();

        sessions.replace_secrets(Secrets::express([new]).unwrap());
        assert!(clone.signed_id(&cookies(&[&old])).is_none());
        assert!(clone.signed_id(&back(&set_cookie)).is_some());
        for (cookie, token) in [(old, "session_invalid"), (pair(&set_cookie), "accepted")] {
            let request = handshake(&[&cookie], Some(PAGE));
            assert_eq!(send(strategy.clone(), request).await.reason(), token);
        }
    }
}

mod logout {
    use super::*;

    #[tokio::test]
    async fn the_session_and_its_cookie_are_gone() {
        let (sessions, store, _) = in_memory(|b| b);
        let (id, set_cookie) = sessions.create(&ada()).await.unwrap();
        let removal = sessions.destroy(&id).await.unwrap();
        assert_eq!(
            removal.to_str().unwrap(),
            "connect.sid=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax"
        );
        assert!(sessions.load(&back(&set_cookie)).await.unwrap().is_none());
        assert!(store.is_empty());
        // Twice is as good as once.
        assert_eq!(sessions.destroy(&id).await.unwrap(), removal);
    }
}

mod a_store_in_trouble {
    use super::*;

    async fn errors_of(store: Odd) -> Vec<SessionError> {
        let good = builder(Odd::default()).build().unwrap();
        let (id, set_cookie) = good.create(&ada()).await.unwrap();
        let loaded = builder(Odd::holding("{}")).build().unwrap();
        let loaded = loaded.load(&back(&set_cookie)).await.unwrap().unwrap();
        let sessions = builder(store)
            .timeout(Duration::from_millis(50))
            .build()
            .unwrap();
        vec![
            sessions.create(&ada()).await.unwrap_err(),
            sessions.load(&back(&set_cookie)).await.unwrap_err(),
            sessions.save(&mut loaded.clone()).await.unwrap_err(),
            sessions.touch(&mut loaded.clone()).await.unwrap_err(),
            sessions.regenerate(loaded).await.unwrap_err(),
            sessions.destroy(&id).await.unwrap_err(),
        ]
    }

    #[tokio::test]
    async fn its_error_is_an_error_of_every_call() {
        let failing = Odd::default().in_trouble(Trouble::Fails);
        for error in errors_of(failing).await {
            assert!(
                matches!(error, SessionError::Store(StoreError::Failed(_))),
                "{error}"
            );
            assert_eq!(error.into_rejection().status(), 503);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn its_silence_is_an_error_of_every_call() {
        let hanging = Odd::default().in_trouble(Trouble::Hangs);
        for error in errors_of(hanging).await {
            assert!(matches!(error, SessionError::TimedOut(_)), "{error}");
            assert_eq!(error.into_rejection().status(), 503);
        }
    }
}

mod configuration {
    use super::*;

    #[test]
    fn an_invalid_configuration_fails_at_once() {
        for (builder, error) in [
            (
                builder(Odd::default()).ttl(Duration::ZERO),
                ConfigError::Zero("ttl"),
            ),
            (
                builder(Odd::default()).timeout(Duration::ZERO),
                ConfigError::Zero("timeout"),
            ),
            (
                builder(Odd::default()).max_record(0),
                ConfigError::Zero("max_record"),
            ),
            (
                builder(Odd::default()).max_age(Duration::ZERO),
                ConfigError::Zero("max_age"),
            ),
            (
                builder(Odd::default()).cookie_name("a b"),
                ConfigError::Name("a b".into()),
            ),
            (
                builder(Odd::default())
                    .cookie_name("__Host-sid")
                    .domain("example.com"),
                ConfigError::HostPrefix,
            ),
            (
                builder(Odd::default())
                    .cookie_name("__Host-sid")
                    .dangerous_without_secure(),
                ConfigError::HostPrefix,
            ),
        ] {
            assert_eq!(builder.build().unwrap_err(), error);
        }
        let host = builder(Odd::default()).cookie_name("__Host-sid").build();
        assert!(host.is_ok());
    }

    #[tokio::test]
    async fn every_attribute_reaches_the_cookie() {
        let sessions = builder(Odd::default())
            .cookie_name("sid")
            .path("/app")
            .domain("example.com")
            .same_site(tower_ws_auth_session::SameSite::Strict)
            .max_age(HOUR)
            .dangerous_without_secure()
            .dangerous_readable_by_scripts()
            .build()
            .unwrap();
        let line = sessions.removal_cookie();
        assert_eq!(
            line,
            "sid=; Max-Age=0; Domain=example.com; Path=/app; SameSite=Strict"
        );
        let (_, line) = sessions.create(&ada()).await.unwrap();
        let line = line.to_str().unwrap();
        assert!(line.ends_with("; Max-Age=3600; Domain=example.com; Path=/app; SameSite=Strict"));
    }

    #[tokio::test]
    async fn an_endless_max_age_ends_in_the_year_9999() {
        let (sessions, ..) = in_memory(|b| b.max_age(Duration::MAX));
        let (_, set_cookie) = sessions.create(&ada()).await.unwrap();
        let loaded = sessions.load(&back(&set_cookie)).await.unwrap().unwrap();
        assert_eq!(loaded.ends_at(), Some(Clock::at(u64::MAX)));
    }
}
