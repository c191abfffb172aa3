//! A token that opens one connection (RFC 7519 §4.1.7).

use std::sync::{Arc, Barrier};
use std::time::Duration;

use http::Request;
use serde_json::{Value, json};
use tower_ws_auth_core::Authenticate;
use tower_ws_auth_jwt::{ConfigError, Jwt, JwtBuilder, SingleUse};
use tower_ws_auth_ticket::{BoxFuture, MemoryTickets, ReplayStore, StoreError, TicketKey};

use crate::support::{NOW, builder, claims};

const MINUTE: Duration = Duration::from_secs(60);

fn jwt() -> JwtBuilder<Value> {
    builder().max_lifetime(MINUTE)
}

/// As long as a token lives, and the allowed skew of the clocks.
fn memory() -> Arc<MemoryTickets> {
    let store = MemoryTickets::builder().max_ttl(2 * MINUTE);
    Arc::new(store.build().unwrap())
}

fn single_use() -> SingleUse<Value> {
    jwt().build().unwrap().single_use(memory()).unwrap()
}

fn token(payload: &Value) -> String {
    claims(payload.to_string())
}

/// The verdict about a handshake with this token: its claims, or why not.
async fn ask(strategy: &SingleUse<Value>, token: &str) -> Result<Value, &'static str> {
    let request = Request::get(format!("/ws?token={token}")).body(()).unwrap();
    let mut head = request.into_parts().0;
    let credential = strategy.take(&mut head).unwrap().unwrap();
    let verified = strategy.verify(credential, &head).await;
    verified
        .map(|grant| grant.into_parts().0)
        .map_err(|rejection| rejection.reason())
}

#[tokio::test]
async fn is_accepted_once() {
    let strategy = single_use();
    let first = json!({ "jti": "1", "exp": NOW + 30 });
    assert_eq!(ask(&strategy, &token(&first)).await, Ok(first.clone()));
    assert_eq!(ask(&strategy, &token(&first)).await, Err("token_invalid"));
    // The id counts, not the text: another token of that id is the same one.
    let again = json!({ "jti": "1", "exp": NOW + 40, "x": 1 });
    assert_eq!(ask(&strategy, &token(&again)).await, Err("token_invalid"));
    let next = json!({ "jti": "2", "exp": NOW + 30 });
    assert_eq!(ask(&strategy, &token(&next)).await, Ok(next));
}

#[tokio::test]
async fn ids_of_different_issuers_have_nothing_to_do_with_each_other() {
    let issuers = ["https://a.example", "https://b.example"];
    let strategy = jwt()
        .issuers(issuers)
        .build()
        .unwrap()
        .single_use(memory())
        .unwrap();
    for iss in issuers {
        let token = token(&json!({ "iss": iss, "jti": "1", "exp": NOW + 30 }));
        assert!(ask(&strategy, &token).await.is_ok());
        assert_eq!(ask(&strategy, &token).await, Err("token_invalid"));
    }
}

#[tokio::test]
async fn needs_an_id() {
    let strategy = single_use();
    for jti in [json!(null), json!(""), json!(1), json!(["1"])] {
        let token = token(&json!({ "jti": jti, "exp": NOW + 30 }));
        assert_eq!(ask(&strategy, &token).await, Err("token_invalid"), "{jti}");
    }
    assert_eq!(
        ask(&strategy, &token(&json!({ "exp": NOW + 30 }))).await,
        Err("token_invalid")
    );
}

#[tokio::test]
async fn is_not_used_up_by_a_token_that_is_refused_for_another_reason() {
    let strategy = single_use();
    let expired = token(&json!({ "jti": "1", "exp": NOW }));
    assert_eq!(ask(&strategy, &expired).await, Err("token_expired"));
    let early = token(&json!({ "jti": "1", "exp": NOW + 30, "nbf": NOW + 10 }));
    assert_eq!(ask(&strategy, &early).await, Err("token_not_yet_valid"));
    let good = token(&json!({ "jti": "1", "exp": NOW + 30 }));
    assert_eq!(
        ask(&strategy, &good[..good.len() - 1]).await,
        Err("token_invalid")
    );
    assert!(ask(&strategy, &good).await.is_ok());
}

#[test]
fn of_16_who_race_with_one_token_one_wins() {
    let strategy = Arc::new(single_use());
    for round in 0..200 {
        let token = token(&json!({ "jti": round.to_string(), "exp": NOW + 30 }));
        let start = Arc::new(Barrier::new(16));
        let racers: Vec<_> = (0..16)
            .map(|_| {
                let (strategy, token) = (Arc::clone(&strategy), token.clone());
                let start = Arc::clone(&start);
                std::thread::spawn(move || {
                    start.wait();
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .build()
                        .unwrap();
                    runtime.block_on(ask(&strategy, &token)).is_ok()
                })
            })
            .collect();
        let won = racers.into_iter().map(|racer| racer.join().unwrap());
        assert_eq!(won.filter(|won| *won).count(), 1);
    }
}

#[tokio::test]
async fn a_store_that_fails_lets_nobody_in() {
    struct Broken;

    impl ReplayStore for Broken {
        fn claim(&self, _: TicketKey, _: Duration) -> BoxFuture<Result<bool, StoreError>> {
            Box::pin(std::future::ready(Err(StoreError::new("out of order"))))
        }
    }

    let strategy = jwt().build().unwrap().single_use(Arc::new(Broken)).unwrap();
    let token = token(&json!({ "jti": "1", "exp": NOW + 30 }));
    assert_eq!(ask(&strategy, &token).await, Err("unavailable"));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_lets_nobody_in() {
    struct Silent;

    impl ReplayStore for Silent {
        fn claim(&self, _: TicketKey, _: Duration) -> BoxFuture<Result<bool, StoreError>> {
            Box::pin(std::future::pending())
        }
    }

    let strategy = jwt().build().unwrap().single_use(Arc::new(Silent)).unwrap();
    let token = token(&json!({ "jti": "1", "exp": NOW + 30 }));
    assert_eq!(
        ask(&strategy.timeout(MINUTE), &token).await,
        Err("unavailable")
    );
}

#[test]
fn a_store_that_would_forget_too_early_is_an_error_of_the_constructor() {
    let forgetful = |jwt: Jwt<Value>| jwt.single_use(memory()).unwrap_err();
    let without_limit = builder().build().unwrap();
    assert!(matches!(
        forgetful(without_limit),
        ConfigError::ForgetfulStore
    ));
    let longer = builder().max_lifetime(MINUTE + Duration::from_secs(1));
    assert!(matches!(
        forgetful(longer.build().unwrap()),
        ConfigError::ForgetfulStore
    ));
    let with_leeway = jwt().leeway(Duration::from_secs(1)).build().unwrap();
    assert!(matches!(
        forgetful(with_leeway),
        ConfigError::ForgetfulStore
    ));
    assert!(single_use().allowed_skew(MINUTE).is_ok());
    let more = single_use().allowed_skew(MINUTE + Duration::from_secs(1));
    assert!(matches!(more, Err(ConfigError::ForgetfulStore)));
    let endless = single_use().allowed_skew(Duration::MAX);
    assert!(matches!(endless, Err(ConfigError::ForgetfulStore)));
}

/// Two nodes and a store, whose clocks differ by up to the allowed skew.
mod where_clocks_differ {
    use std::sync::atomic::{AtomicI64, Ordering};

    use tower_ws_auth_core::Clock;

    use super::*;

    /// The true time, which no node needs to know.
    #[derive(Clone, Default)]
    struct Time(Arc<AtomicI64>);

    impl Time {
        fn set(&self, seconds: i64) {
            self.0.store(seconds, Ordering::Relaxed);
        }

        fn clock(&self, wrong: i64) -> Clock {
            let time = self.clone();
            Clock::from_fn(move || {
                let seconds = time.0.load(Ordering::Relaxed) + wrong;
                Clock::at(NOW.saturating_add_signed(seconds))
            })
        }
    }

    async fn is_never_accepted_twice(first: i64, second: i64, store: i64, skew: i64) {
        let time = Time::default();
        let skew = Duration::from_secs(skew.unsigned_abs());
        let store = MemoryTickets::builder().clock(time.clock(store));
        let store = Arc::new(store.max_ttl(10 * MINUTE).build().unwrap());
        let node = |wrong| {
            let jwt = jwt().max_lifetime(5 * MINUTE).clock(time.clock(wrong));
            let single_use = jwt.build().unwrap().single_use(store.clone()).unwrap();
            single_use.allowed_skew(skew).unwrap()
        };
        let (one, other) = (node(first), node(second));
        let token = token(&json!({ "jti": "1", "exp": NOW + 100 }));
        assert!(ask(&one, &token).await.is_ok());
        let mut refused_as_used = 0;
        for seconds in 0..200 {
            time.set(seconds);
            let context = format!("{first} {second} after {seconds} s");
            match ask(&other, &token).await {
                Err("token_invalid") => refused_as_used += 1,
                Err("token_expired") => {}
                other => panic!("{other:?}: {context}"),
            }
        }
        assert_eq!(refused_as_used, 100 - second);
    }

    #[tokio::test]
    async fn a_token_is_never_accepted_twice() {
        for (first, second) in [(0, 0), (0, -5), (0, -60), (60, 0), (30, -30), (-60, 0)] {
            for store in [0, 3600, -3600] {
                is_never_accepted_twice(first, second, store, 60).await;
            }
        }
        is_never_accepted_twice(40, -40, 0, 80).await;
    }

    /// A store that carries a claim out so much later, as behind a process that was stopped.
    struct Late {
        store: Arc<MemoryTickets>,
        time: Time,
        by: AtomicI64,
    }

    impl ReplayStore for Late {
        fn claim(&self, key: TicketKey, ttl: Duration) -> BoxFuture<Result<bool, StoreError>> {
            let now = self.time.0.load(Ordering::Relaxed);
            self.time.set(now + self.by.load(Ordering::Relaxed));
            self.store.claim(key, ttl)
        }
    }

    /// What a node whose clock is a minute behind says of a used token so many seconds after its
    /// first use, if its claim comes so much later.
    async fn second_use(seconds: i64, by: i64) -> Result<Value, &'static str> {
        let time = Time::default();
        let store = MemoryTickets::builder().clock(time.clock(0));
        let late = Arc::new(Late {
            store: Arc::new(store.max_ttl(10 * MINUTE).build().unwrap()),
            time: time.clone(),
            by: AtomicI64::new(0),
        });
        let node = |wrong| {
            let jwt = jwt().max_lifetime(5 * MINUTE).clock(time.clock(wrong));
            jwt.build().unwrap().single_use(late.clone()).unwrap()
        };
        let token = token(&json!({ "jti": "1", "exp": NOW + 100 }));
        assert!(ask(&node(0), &token).await.is_ok());
        time.set(seconds);
        late.by.store(by, Ordering::Relaxed);
        ask(&node(-60), &token).await
    }

    #[tokio::test]
    async fn a_claim_that_comes_late_does_not_accept_a_token_twice() {
        // The first claim is forgotten after 160 s.
        for (seconds, by) in [(0, 100), (100, 59), (159, 0)] {
            let told = second_use(seconds, by).await;
            assert_eq!(told, Err("token_invalid"), "{by} s after {seconds} s");
        }
        for (seconds, by) in [(0, 161), (100, 61), (159, 2), (159, 3600)] {
            let told = second_use(seconds, by).await;
            assert_eq!(told, Err("token_expired"), "{by} s after {seconds} s");
        }
    }

    #[tokio::test]
    async fn a_store_remembers_a_token_for_its_life_and_the_allowed_skew() {
        #[derive(Default)]
        struct Recording(std::sync::Mutex<Vec<Duration>>);

        impl ReplayStore for Recording {
            fn claim(&self, _: TicketKey, ttl: Duration) -> BoxFuture<Result<bool, StoreError>> {
                self.0.lock().unwrap().push(ttl);
                Box::pin(std::future::ready(Ok(true)))
            }
        }

        let store = Arc::new(Recording::default());
        let by_default = jwt().build().unwrap().single_use(store.clone()).unwrap();
        let exact = jwt().build().unwrap().single_use(store.clone()).unwrap();
        let exact = exact.allowed_skew(Duration::ZERO).unwrap();
        let token = token(&json!({ "jti": "1", "exp": NOW + 30 }));
        for strategy in [by_default, exact] {
            ask(&strategy, &token).await.unwrap();
        }
        let seconds = store
            .0
            .lock()
            .unwrap()
            .iter()
            .map(Duration::as_secs)
            .collect::<Vec<_>>();
        assert_eq!(seconds, [90, 30]);
    }
}

// Only taken in a checked handshake: `any_request` does not compile.
const _: () = assert!(<SingleUse<Value> as Authenticate>::SINGLE_USE);

#[tokio::test]
async fn can_be_looked_at_without_being_used_up() {
    let strategy = single_use();
    let token = token(&json!({ "jti": "1", "exp": NOW + 30 }));
    let look = async || {
        let request = Request::get(format!("/ws?token={token}")).body(()).unwrap();
        let mut head = request.into_parts().0;
        let credential = strategy.take(&mut head).unwrap().unwrap();
        let looked = strategy.peek(&credential, &head).unwrap().await;
        looked.map_err(|rejection| rejection.reason())
    };
    for _ in 0..2 {
        assert!(!look().await.unwrap().validity().is_spent());
    }
    assert!(ask(&strategy, &token).await.is_ok());
    assert_eq!(look().await.err(), Some("token_invalid"));
}
