//! The strategy in its layer: accepted and refused requests, and their effects.

use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::request::Parts;
use http::{Request, Response};
use serde_json::Value;
use tower::{Layer, ServiceExt};
use tower_ws_auth_core::origin::{MissingOrigin, OriginLayer, Origins};
use tower_ws_auth_core::{
    AuthLayer, Authenticate, AuthenticateExt, Clock, Grant, Presented, Rejection, RejectionKind,
};
use tower_ws_auth_session::{Secrets, Session, SessionStore, Sessions};

use crate::common::{
    NOW, Odd, Outcome, PAGE, Record, Trouble, ada, builder, handshake, in_memory, pair, send,
    strategy,
};

/// The outcome of a valid cookie over this store.
async fn over(store: Odd) -> Outcome {
    let sessions = builder(store)
        .timeout(Duration::from_secs(2))
        .build()
        .unwrap();
    send(
        strategy(&sessions),
        handshake(&[&good_cookie().await], Some(PAGE)),
    )
    .await
}

/// A cookie that the usual secret signed.
async fn good_cookie() -> String {
    let sessions = builder(Odd::default()).build().unwrap();
    pair(&sessions.create(&ada()).await.unwrap().1)
}

mod a_session_that_lives {
    use super::*;

    #[tokio::test]
    async fn is_let_in_under_its_identity() {
        let (sessions, ..) = in_memory(|b| b);
        let (id, set_cookie) = sessions.create(&ada()).await.unwrap();
        let cookie = format!("a=1; {}; b=2", pair(&set_cookie));
        let outcome = send(strategy(&sessions), handshake(&[&cookie], Some(PAGE))).await;
        assert_eq!(outcome.user.as_deref(), Some("ada"));
        // It is gone from the head, the others are not.
        assert_eq!(outcome.cookies.as_deref(), Some("a=1; b=2"));
        assert_eq!(outcome.validity.revocation_keys(), [id.revocation_key()]);
        assert!(!id.revocation_key().contains(id.as_str()));
    }

    #[tokio::test]
    async fn is_found_in_several_cookie_fields() {
        let (sessions, ..) = in_memory(|b| b);
        let (_, set_cookie) = sessions.create(&ada()).await.unwrap();
        let request = handshake(&["a=1", &pair(&set_cookie), "b=2"], Some(PAGE));
        let outcome = send(strategy(&sessions), request).await;
        assert_eq!(outcome.user.as_deref(), Some("ada"));
        assert_eq!(outcome.cookies.as_deref(), Some("a=1; b=2"));
    }

    #[tokio::test]
    async fn ends_the_grant_with_it() {
        let (sessions, ..) = in_memory(|b| b.max_age(Duration::from_secs(60)));
        let (_, set_cookie) = sessions.create(&ada()).await.unwrap();
        let request = handshake(&[&pair(&set_cookie)], Some(PAGE));
        let outcome = send(strategy(&sessions), request).await;
        assert_eq!(outcome.validity.end(), Some(Clock::at(NOW + 60)));
    }

    #[tokio::test]
    async fn ends_with_the_store_where_that_is_earlier() {
        let (sessions, store, _) = in_memory(|b| b.max_age(Duration::from_secs(60)));
        let (id, set_cookie) = sessions.create(&ada()).await.unwrap();
        store.touch(&id, Duration::from_secs(9)).await.unwrap();
        let request = handshake(&[&pair(&set_cookie)], Some(PAGE));
        let outcome = send(strategy(&sessions), request).await;
        assert_eq!(outcome.validity.end(), Some(Clock::at(NOW + 9)));
    }

    #[tokio::test]
    async fn ends_with_the_store_if_the_record_has_no_end() {
        let (sessions, ..) = in_memory(|b| b.ttl(Duration::from_secs(60)));
        let (_, set_cookie) = sessions.create(&ada()).await.unwrap();
        let request = handshake(&[&pair(&set_cookie)], Some(PAGE));
        let outcome = send(strategy(&sessions), request).await;
        assert_eq!(outcome.validity.end(), Some(Clock::at(NOW + 60)));
        // And if the store does not know either, it has no end.
        let outcome = over(Odd::holding(r#"{"user":"ada"}"#)).await;
        assert_eq!(outcome.user.as_deref(), Some("ada"));
        assert_eq!(outcome.validity.end(), None);
    }

    #[tokio::test]
    async fn is_only_looked_at() {
        let store = Odd::holding(r#"{"user":"ada"}"#);
        let outcome = over(store.clone()).await;
        assert_eq!(outcome.reason(), "accepted");
        assert!(!outcome.headers.contains_key("set-cookie"));
        assert_eq!(store.asked.load(Ordering::Relaxed), 1);
        assert_eq!(store.written.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn lives_on_where_rolling_is_asked_for() {
        let (sessions, _, hand) = in_memory(|b| b.max_age(Duration::from_secs(60)));
        let (_, set_cookie) = sessions.create(&ada()).await.unwrap();
        let request = || handshake(&[&pair(&set_cookie)], Some(PAGE));
        for _ in 0..3 {
            hand.advance(59);
            let outcome = send(strategy(&sessions).rolling(), request()).await;
            assert_eq!(outcome.reason(), "accepted");
            assert_eq!(
                outcome.validity.end(),
                Some(hand.clock().now() + Duration::from_secs(60))
            );
        }
        hand.advance(60);
        let outcome = send(strategy(&sessions).rolling(), request()).await;
        assert_eq!(outcome.reason(), "session_invalid");
    }

    /// JavaScript may write no maximum age, or a fraction of a millisecond.
    #[tokio::test]
    async fn ends_with_its_record_where_rolling_is_asked_for() {
        for (max_age, life) in [("null", 60), ("false", 60), ("6048000.000000001", 6048)] {
            let (sessions, store, hand) = in_memory(|b| b);
            let (id, set_cookie) = sessions.create(&ada()).await.unwrap();
            let expires = r#""expires":"2026-11-20T20:01:00.000Z""#;
            let record = format!(r#"{{"originalMaxAge":{max_age},{expires}}},"user":"ada"}}"#);
            let record = format!(r#"{{"cookie":{record}"#);
            crate::common::overwrite(&store, &id, &record).await;
            let request = || handshake(&[&pair(&set_cookie)], Some(PAGE));
            let outcome = send(strategy(&sessions).rolling(), request()).await;
            assert_eq!(outcome.reason(), "accepted");
            let end = Some(Clock::at(NOW + life));
            assert_eq!(outcome.validity.end(), end, "{max_age}");
            let headers = crate::common::cookies(&[&pair(&set_cookie)]);
            let mut loaded = sessions.load(&headers).await.unwrap().unwrap();
            sessions.touch(&mut loaded).await.unwrap();
            assert_eq!(loaded.ends_at(), end, "{max_age}");
            hand.advance(life);
            let outcome = send(strategy(&sessions), request()).await;
            assert_eq!(outcome.reason(), "session_invalid", "{max_age}");
        }
    }

    #[tokio::test]
    async fn is_refused_if_it_cannot_be_prolonged() {
        let cookie = good_cookie().await;
        for record in [
            r#"{"user":"ada"}"#,
            r#"{"user":"ada","cookie":{"expires":"2026-11-20T21:00:00Z"}}"#,
        ] {
            let logged_out = Odd::holding(record).in_trouble(Trouble::Forgets);
            let read_only = Odd::holding(record).in_trouble(Trouble::FailsToWrite);
            for (store, token) in [(logged_out, "session_invalid"), (read_only, "unavailable")] {
                let sessions = builder(store)
                    .max_age(Duration::from_secs(60))
                    .build()
                    .unwrap();
                let request = || handshake(&[&cookie], Some(PAGE));
                let outcome = send(strategy(&sessions).rolling(), request()).await;
                assert_eq!(outcome.reason(), token);
                assert_eq!(
                    send(strategy(&sessions), request()).await.reason(),
                    "accepted"
                );
            }
        }
    }

    #[tokio::test]
    async fn can_be_revoked_by_more_than_its_own_key() {
        let (sessions, ..) = in_memory(|b| b);
        let (id, set_cookie) = sessions.create(&ada()).await.unwrap();
        let strategy = strategy(&sessions).revocable_by(|user| format!("user:{user}"));
        let outcome = send(
            strategy.clone(),
            handshake(&[&pair(&set_cookie)], Some(PAGE)),
        )
        .await;
        let keys = [id.revocation_key(), "user:ada".into()];
        assert_eq!(outcome.validity.revocation_keys(), keys);
    }
}

mod a_session_that_does_not {
    use super::*;

    fn is_refused(outcome: &Outcome, why: &str) {
        assert_eq!(
            (outcome.reason(), outcome.status),
            ("session_invalid", 401),
            "{why}"
        );
        assert_eq!(outcome.user, None, "{why}");
        assert!(!outcome.headers.contains_key("set-cookie"), "{why}");
    }

    #[tokio::test]
    async fn unknown_expired_forged_and_anonymous_look_the_same() {
        let (sessions, store, hand) = in_memory(|b| b.max_age(Duration::from_secs(60)));
        let (id, set_cookie) = sessions.create(&ada()).await.unwrap();
        let (_, anonymous) = sessions.create(&Record::default()).await.unwrap();
        let good = pair(&set_cookie);
        let send = |cookie: String| send(strategy(&sessions), handshake(&[&cookie], Some(PAGE)));

        let mut answers = Vec::new();
        for (cookie, why) in [
            (good_cookie().await, "unknown"),
            (pair(&anonymous), "anonymous"),
            (good.replace("s%3A", "s%3Ax"), "forged"),
            (good[..good.len() - 1].to_owned(), "truncated"),
            ("connect.sid=".to_owned(), "empty"),
            (format!("connect.sid={}", "x".repeat(5000)), "huge"),
            ("connect.sid=\u{e4}".to_owned(), "not ASCII"),
            (format!("connect.sid=x; {good}"), "the second of two"),
        ] {
            let outcome = send(cookie).await;
            answers.push((outcome.status, outcome.headers.clone()));
            is_refused(&outcome, why);
        }
        hand.advance(60);
        let expired = send(good.clone()).await;
        answers.push((expired.status, expired.headers.clone()));
        is_refused(&expired, "expired");
        store.take(&id).await.unwrap();
        is_refused(&send(good).await, "logged out");
        assert!(answers.iter().all(|answer| *answer == answers[0]));
    }

    #[tokio::test]
    async fn records_that_are_garbage_or_huge_are_refused() {
        let long = format!(r#"{{"user":"ada","x":"{}"}}"#, "x".repeat(64 * 1024));
        let deep = format!(r#"{{"user":"ada","x":{}}}"#, "[".repeat(60_000));
        for record in [
            "",
            "null",
            "true",
            "[]",
            "\"ada\"",
            "{",
            r#"{"user":"ada""#,
            r#"{"user":"ada"}}"#,
            r#"{"user":null}"#,
            r#"{"user":42}"#,
            r#"{"user":{}}"#,
            r#"{"user":"ada","cookie":null}"#,
            r#"{"user":"ada","cookie":"x"}"#,
            r#"{"user":"ada","cookie":{"expires":0}}"#,
            r#"{"user":"ada","cookie":{"expires":"never"}}"#,
            r#"{"user":"ada","cookie":{"expires":"1970-01-01T00:00:00.000Z"}}"#,
            &long,
            &deep,
        ] {
            is_refused(&over(Odd::holding(record)).await, record);
        }
        is_refused(&over(Odd::default()).await, "missing");
    }

    #[tokio::test]
    async fn a_record_of_exactly_the_largest_size_is_read() {
        let record = r#"{"user":"ada"}"#;
        for (most, token) in [
            (record.len(), "accepted"),
            (record.len() - 1, "session_invalid"),
        ] {
            let store = Odd::holding(record);
            let sessions = builder(store).max_record(most).build().unwrap();
            let request = handshake(&[&good_cookie().await], Some(PAGE));
            assert_eq!(send(strategy(&sessions), request).await.reason(), token);
        }
    }

    #[tokio::test]
    async fn the_end_in_the_record_is_checked_to_the_second() {
        for (end, token) in [
            ("20:00:00.000Z", "session_invalid"),
            ("20:00:00.001Z", "accepted"),
        ] {
            let record = format!(r#"{{"user":"ada","cookie":{{"expires":"2026-11-20T{end}"}}}}"#);
            assert_eq!(over(Odd::holding(record)).await.reason(), token);
        }
    }

    #[tokio::test]
    async fn expiry_by_store_does_not_look_at_the_record() {
        let record = r#"{"user":"ada","cookie":{"expires":"1970-01-01T00:00:00.000Z"}}"#;
        let store = Odd::holding(record);
        let sessions = builder(store).expiry_by_store().build().unwrap();
        let cookie = good_cookie().await;
        let outcome = send(strategy(&sessions), handshake(&[&cookie], Some(PAGE))).await;
        assert_eq!(
            (outcome.reason(), outcome.validity.end()),
            ("accepted", None)
        );
    }
}

mod records_of_express_session {
    use super::*;

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Theirs {
        user: Option<User>,
        uid: Option<String>,
    }

    #[derive(serde::Serialize, serde::Deserialize)]
    struct User {
        id: u64,
        name: String,
    }

    fn vectors() -> Vec<Value> {
        let all = include_str!("../../../../tests/data/interop.json");
        let mut all: Value = serde_json::from_str(all).unwrap();
        serde_json::from_value(all["express_session"].take()).unwrap()
    }

    async fn at(seconds: u64, vector: &Value) -> Outcome {
        let secrets = Secrets::dangerous_short_express([vector["secret"].as_str().unwrap()]);
        let store = Odd::holding(vector["redis_value"].as_str().unwrap());
        let sessions: Sessions<Theirs> = Sessions::builder(secrets.unwrap(), store)
            .clock(Clock::fixed(seconds))
            .build()
            .unwrap();
        let strategy: Session<_, String> =
            sessions.strategy(Origins::new([PAGE]).unwrap(), |record: &Theirs| {
                let name = record
                    .user
                    .as_ref()
                    .map(|user| format!("{} {}", user.id, user.name));
                name.or(record.uid.clone())
            });
        let cookie = vector["cookie"].as_str().unwrap();
        send(strategy, handshake(&[cookie], Some(PAGE))).await
    }

    #[tokio::test]
    async fn are_read_until_they_end() {
        let users: Vec<_> = ["42 zo\u{eb}", "u1"].into();
        for (vector, user) in vectors().iter().zip(users) {
            let outcome = at(NOW, vector).await;
            assert_eq!(outcome.user.as_deref(), Some(user));
            let lasts = vector["name"] != "with maxAge";
            let late = at(NOW + 24 * 3600, vector).await;
            let expected = if lasts { "accepted" } else { "session_invalid" };
            assert_eq!(late.reason(), expected);
        }
    }
}

mod the_origin_rfc6455_10_2 {
    use super::*;

    #[tokio::test]
    async fn is_demanded_before_the_store_is_asked() {
        let cookie = good_cookie().await;
        for origin in [
            None,
            Some("https://evil.net"),
            Some("null"),
            Some("https://example.com:8443"),
        ] {
            let store = Odd::holding(r#"{"user":"ada"}"#);
            let sessions = builder(store.clone()).build().unwrap();
            let strategy = strategy(&sessions);
            let outcome = send(strategy, handshake(&[&cookie], origin)).await;
            assert_eq!(
                (outcome.reason(), outcome.status),
                ("origin_denied", 403),
                "{origin:?}"
            );
            assert_eq!(store.asked.load(Ordering::Relaxed), 0, "{origin:?}");
        }
    }

    #[tokio::test]
    async fn a_foreign_page_does_not_learn_whether_the_cookie_is_valid() {
        let (sessions, ..) = in_memory(|b| b);
        for cookie in ["connect.sid=s%3Ax.bad", &good_cookie().await] {
            let request = handshake(&[cookie], Some("https://evil.net"));
            let outcome = send(strategy(&sessions), request).await;
            assert_eq!(outcome.reason(), "origin_denied");
        }
    }

    /// The first poll of Socket.IO has none.
    #[tokio::test]
    async fn may_be_missing_where_an_origin_layer_vouches_and_the_clients_word_is_not_enough() {
        for (missing, site, status) in [
            (MissingOrigin::AllowSameOrigin, "same-origin", 200),
            (MissingOrigin::AllowSameOrigin, "cross-site", 403),
            (MissingOrigin::Allow, "same-origin", 403),
        ] {
            let sessions = builder(Odd::holding(r#"{"user":"ada"}"#)).build().unwrap();
            let inner = async |_: Request<()>| Ok::<_, Infallible>(Response::new(()));
            let inner = AuthLayer::new(strategy(&sessions))
                .any_request()
                .layer(tower::service_fn(inner));
            let pages = OriginLayer::new(Origins::new([PAGE]).unwrap(), missing);
            let request = Request::get("/poll")
                .header("cookie", good_cookie().await)
                .header("sec-fetch-site", site);
            let request = request.body(()).unwrap();
            let response = pages.layer(inner).oneshot(request).await.unwrap();
            assert_eq!(response.status(), status, "{missing:?} {site}");
        }
    }

    #[tokio::test]
    async fn any_is_enough_under_the_frightening_name() {
        let sessions = builder(Odd::holding(r#"{"user":"ada"}"#)).build().unwrap();
        for origin in [None, Some("https://evil.net")] {
            let strategy = sessions.dangerous_strategy_for_any_origin(|record| record.user.clone());
            let request = handshake(&[&good_cookie().await], origin);
            assert_eq!(send(strategy, request).await.reason(), "accepted");
        }
    }
}

mod a_store_in_trouble {
    use super::*;

    #[tokio::test]
    async fn an_error_is_503_and_never_a_pass() {
        let store = Odd::holding(r#"{"user":"ada"}"#).in_trouble(Trouble::Fails);
        let outcome = over(store).await;
        assert_eq!((outcome.reason(), outcome.status), ("unavailable", 503));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_503_after_the_timeout() {
        let store = Odd::holding(r#"{"user":"ada"}"#).in_trouble(Trouble::Hangs);
        let began = tokio::time::Instant::now();
        let outcome = over(store).await;
        assert_eq!((outcome.reason(), outcome.status), ("unavailable", 503));
        assert_eq!(began.elapsed().as_secs(), 2);
    }
}

mod beside_other_credentials {
    use super::*;

    /// Takes `X-Key`, and knows one.
    struct Key;

    impl Authenticate for Key {
        type Credential = http::HeaderValue;
        type Verified = String;
        type Identity = String;
        type Future = std::future::Ready<Result<Grant<String>, Rejection>>;

        fn take(&self, head: &mut Parts) -> Result<Option<Self::Credential>, Rejection> {
            Ok(head.headers.remove("x-key"))
        }
        fn verify(&self, key: Self::Credential, _: &Parts) -> Self::Future {
            let error = Rejection::new(RejectionKind::TokenInvalid, "");
            std::future::ready(
                (key == "good")
                    .then(|| Grant::new("key".into()))
                    .ok_or(error),
            )
        }
        fn admit(&self, verified: String, _: &Parts) -> Result<String, Rejection> {
            Ok(verified)
        }
    }

    async fn with_key(cookie: &str, origin: Option<&str>, key: Option<&str>) -> Outcome {
        let sessions = builder(Odd::holding(r#"{"user":"ada"}"#)).refuse_duplicates();
        let sessions = sessions.build().unwrap();
        let mut request = handshake(&[cookie], origin);
        if let Some(key) = key {
            request.headers_mut().insert("x-key", key.parse().unwrap());
        }
        send(strategy(&sessions).or(Key), request).await
    }

    #[tokio::test]
    async fn an_explicit_one_decides_before_any_cookie() {
        let good = good_cookie().await;
        for cookie in [&good, "connect.sid=bad", "connect.sid=a; connect.sid=b"] {
            for origin in [None, Some(PAGE)] {
                let outcome = with_key(cookie, origin, Some("good")).await;
                assert_eq!(outcome.user.as_deref(), Some("key"), "{cookie}");
                assert_eq!(outcome.cookies, None);
                let outcome = with_key(cookie, origin, Some("bad")).await;
                assert_eq!(outcome.reason(), "token_invalid", "{cookie}");
            }
        }
        assert_eq!(
            with_key(&good, Some(PAGE), None).await.user.as_deref(),
            Some("ada")
        );
        assert_eq!(with_key(&good, None, None).await.reason(), "origin_denied");
    }

    #[tokio::test]
    async fn no_cookie_at_all_is_no_credential() {
        let (sessions, ..) = in_memory(|b| b);
        for lines in [&[][..], &["a=1"], &["CONNECT.SID=x"], &["xconnect.sid=x"]] {
            let outcome = send(strategy(&sessions), handshake(lines, Some(PAGE))).await;
            assert_eq!(
                (outcome.reason(), outcome.status),
                ("credentials_missing", 401)
            );
        }
        let anonymous = strategy(&sessions)
            .optional()
            .map(|user| user.unwrap_or("nobody".into()));
        let outcome = send(anonymous, handshake(&["a=1"], Some(PAGE))).await;
        assert_eq!(outcome.user.as_deref(), Some("nobody"));
        assert_eq!(outcome.cookies.as_deref(), Some("a=1"));
    }

    #[tokio::test]
    async fn a_bad_handshake_asks_no_store() {
        let store = Odd::holding(r#"{"user":"ada"}"#);
        let sessions = builder(store.clone()).build().unwrap();
        let mut request = handshake(&[&good_cookie().await], Some(PAGE));
        request.headers_mut().remove("sec-websocket-key");
        assert_eq!(
            send(strategy(&sessions), request).await.reason(),
            "handshake_invalid"
        );
        assert_eq!(store.asked.load(Ordering::Relaxed), 0);
    }
}

mod secrecy {
    use super::*;

    #[tokio::test]
    async fn no_debug_output_shows_a_secret_an_id_or_a_record() {
        let (sessions, store, _) = in_memory(|b| b);
        let canary = Record {
            user: Some("canary-in-the-record".into()),
        };
        let (id, set_cookie) = sessions.create(&canary).await.unwrap();
        let strategy = strategy(&sessions);
        let mut loaded = sessions
            .load(&crate::common::cookies(&[&pair(&set_cookie)]))
            .await
            .unwrap();
        let mut head = handshake(&[&pair(&set_cookie), "a=1"], Some(PAGE))
            .into_parts()
            .0;
        let cookie = strategy.take(&mut head).unwrap().unwrap();
        let mut shown = vec![
            format!(
                "{sessions:?} {strategy:?} {store:?} {id:?} {set_cookie:?} {loaded:?} {cookie:?}"
            ),
            format!(
                "{:?} {:?}",
                crate::common::secrets(),
                builder(store.clone())
            ),
            format!("{head:?}"),
            format!("{:?}", store.load(&id).await),
            format!("{:?}", strategy.verify(cookie, &head)),
            format!("{:?}", Secrets::express(["canary", ""])),
            format!("{:?}", Secrets::express(["canary"])),
        ];
        sessions.destroy(&id).await.unwrap();
        let gone = sessions.touch(loaded.as_mut().unwrap()).await.unwrap_err();
        shown.push(format!("{gone:?} {gone} {gone:#?}"));
        let outcome = send(
            strategy.clone(),
            handshake(&[&pair(&set_cookie)], Some(PAGE)),
        )
        .await;
        shown.push(format!("{outcome:?}"));
        let (_, signature) = pair(&set_cookie)
            .rsplit_once('.')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        for text in shown {
            for secret in [id.as_str(), &signature, crate::common::SECRET, "canary"] {
                assert!(!text.contains(secret), "{secret} in {text}");
            }
        }
    }

    #[tokio::test]
    async fn debug_output_names_the_type_and_the_settings() {
        let (sessions, store, _) = in_memory(|b| b.cookie_name("__Host-sid"));
        let (id, set_cookie) = sessions.create(&ada()).await.unwrap();
        let strategy = strategy(&sessions);
        let headers = crate::common::cookies(&[&pair(&set_cookie)]);
        let loaded = sessions.load(&headers).await.unwrap().unwrap();
        let mut head = handshake(&[&pair(&set_cookie)], Some(PAGE)).into_parts().0;
        let cookie = strategy.take(&mut head).unwrap().unwrap();
        let shared = "Shared { secrets: Secrets { format: Express, keys: 1 redacted }, \
                      attributes: Attributes { name: \"__Host-sid\", path: \"/\"";
        let builder = builder(store.clone()).cookie_name("__Host-sid");
        let stored = store.load(&id).await.unwrap().unwrap();
        for (shown, begins, contains) in [
            (format!("{sessions:?}"), "Sessions(", shared),
            (format!("{builder:?}"), "SessionsBuilder(", shared),
            (format!("{strategy:?}"), "Session { origins: Some(", shared),
            (
                format!("{strategy:?}"),
                "Session {",
                "rules: Rules { shared:",
            ),
            (format!("{strategy:?}"), "Session {", "rolling: false"),
            (format!("{store:?}"), "MemorySessions {", "cap: 1000"),
            (format!("{loaded:?}"), "Loaded {", "ends_at: Some("),
            (
                format!("{stored:?}"),
                "StoredSession {",
                "ttl: Some(86400s)",
            ),
            (format!("{cookie:?}"), "SessionCookie(", "redacted"),
            (
                format!("{:?}", strategy.verify(cookie, &head)),
                "VerifyFuture",
                "",
            ),
        ] {
            assert!(shown.starts_with(begins), "{begins}: {shown}");
            assert!(shown.contains(contains), "{contains}: {shown}");
        }
    }
}

mod the_events_of_the_strategy {
    use super::*;

    #[tokio::test]
    async fn goes_by_the_name_of_the_strategy_and_its_carrier() {
        let (sessions, ..) = in_memory(|b| b);
        let strategy = strategy(&sessions);
        assert_eq!(strategy.name(), "session");
        let mut head = handshake(&[&good_cookie().await], Some(PAGE))
            .into_parts()
            .0;
        let cookie = strategy.take(&mut head).unwrap().unwrap();
        assert_eq!(Presented::carrier(&cookie), Some("cookie"));
    }
}
