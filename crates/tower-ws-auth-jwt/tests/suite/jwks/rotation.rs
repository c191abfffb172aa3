//! A key that nobody knew comes in by one fetch.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use test_support::{stands_still, until};

use super::keys::{Pair, b64, set};
use super::server::{Hands, Reply, Server, jwt, patient, verdict};

#[tokio::test]
async fn the_first_token_waits_for_the_first_fetch() {
    let late = Reply::Late(Duration::from_millis(100), set([Pair::P256.jwk("a")]));
    let server = Server::start().await;
    server.publish("/jwks", late);
    let jwks = server.jwks().start().unwrap();
    let jwt = jwt(jwks.clone());
    assert!(!jwks.is_available() && jwks.age().is_none());
    let rejection = jwt.verify_token(&Pair::P256.token("a")).unwrap_err();
    assert_eq!(rejection.reason(), "unavailable");
    assert_eq!(verdict(&jwt, &Pair::P256.token("a")).await, "accepted");
    assert!(jwks.is_available() && jwks.age().is_some());
    assert!(jwt.verify_token(&Pair::P256.token("a")).is_ok());
    assert_eq!(server.asked("/jwks"), 1);
}

#[tokio::test]
async fn a_new_key_comes_in_by_one_fetch_after_the_cooldown() {
    let server = Server::publishing(set([Pair::P256.jwk("old")])).await;
    let hands = Hands::default();
    let jwks = server.jwks().clock(hands.clock()).start().unwrap();
    let jwt = jwt(jwks.clone());
    jwks.available().await;
    let (old, new) = (Pair::P256.token("old"), Pair::Ed.token("new"));
    assert_eq!(verdict(&jwt, &old).await, "accepted");

    server.publish("/jwks", Reply::Text(set([Pair::Ed.jwk("new")])));
    assert_eq!(verdict(&jwt, &new).await, "unavailable");
    assert_eq!(
        server.asked("/jwks"),
        1,
        "it is too early for another fetch"
    );

    hands.forward(30);
    // A token whose key is there, or whose `alg` nobody publishes, asks for nothing.
    assert_eq!(verdict(&jwt, &old).await, "accepted");
    let forged = old.replace(&old[old.len() - 20..], "AAAAAAAAAAAAAAAAAAAA");
    assert_eq!(verdict(&jwt, &forged).await, "token_invalid");
    assert_eq!(server.asked("/jwks"), 1);

    assert_eq!(verdict(&jwt, &new).await, "accepted");
    assert_eq!(server.asked("/jwks"), 2);
    // The old one was withdrawn. That is certain when it is not there after another fetch.
    assert_eq!(verdict(&jwt, &old).await, "unavailable");
    assert_eq!(server.asked("/jwks"), 2);
    hands.forward(30);
    assert_eq!(verdict(&jwt, &old).await, "token_invalid");
    assert_eq!(verdict(&jwt, &old).await, "token_invalid");
    assert_eq!(server.asked("/jwks"), 3);
}

#[tokio::test]
async fn an_unknown_kid_is_believed_until_the_next_fetch_and_only_so_many_are() {
    let server = Server::publishing(set([Pair::P256.jwk("a")])).await;
    let hands = Hands::default();
    let jwks = server.jwks().clock(hands.clock()).start().unwrap();
    let jwt = jwt(jwks.clone());
    jwks.available().await;
    for number in 0..1024 {
        let token = Pair::P256.token("a");
        let (_, rest) = token.split_once('.').unwrap();
        let header = b64(format!(r#"{{"alg":"ES256","kid":"{number}"}}"#));
        let token = format!("{header}.{rest}");
        assert_eq!(verdict(&jwt, &token).await, "unavailable", "{number}");
    }
    let one_more = Pair::Ed.token("one more");
    assert_eq!(verdict(&jwt, &one_more).await, "token_invalid");
    // A token without a `kid` was tried with each key.
    let nameless = Pair::Ed.signed(None, &json!({ "exp": 2_000_000_000_u64 }));
    assert_eq!(verdict(&jwt, &nameless).await, "token_invalid");
    assert_eq!(server.asked("/jwks"), 1);
}

#[tokio::test]
async fn keys_of_one_name_are_told_apart_by_their_algorithm_or_tried_in_turn() {
    let other = Pair::P256.jwk("a").replace("EsCzPEoC", "AAAAAAAA");
    let keys = [Pair::Rsa, Pair::P384, Pair::P256, Pair::Ed].map(|pair| pair.jwk("a"));
    // The last three are beyond the four, and spoil nothing.
    let crowd = std::iter::repeat_n(Pair::P256.jwk("a"), 6);
    let server = Server::publishing(set(keys.into_iter().chain([other]).chain(crowd))).await;
    let jwks = server.jwks().start().unwrap();
    let jwt = jwt(jwks.clone());
    jwks.available().await;
    for pair in [Pair::Rsa, Pair::P384, Pair::P256, Pair::Ed] {
        assert_eq!(verdict(&jwt, &pair.token("a")).await, "accepted");
        // Without a name each of these algorithms has at most four keys.
        let nameless = pair.signed(None, &json!({ "exp": 2_000_000_000_u64 }));
        assert_eq!(verdict(&jwt, &nameless).await, "accepted");
    }
    // A key under this name signs for no other algorithm.
    let header = b64(r#"{"alg":"ES256","kid":"a"}"#);
    let signed = Pair::Ed.token("a");
    let (_, rest) = signed.split_once('.').unwrap();
    let confused = format!("{header}.{rest}");
    assert_eq!(verdict(&jwt, &confused).await, "token_invalid");
}

#[tokio::test]
async fn keys_without_a_name_rotate_as_well() {
    let server = Server::publishing(format!(r#"{{"keys":[{{{}}}]}}"#, Pair::P256.members())).await;
    let hands = Hands::default();
    let jwks = server.jwks().clock(hands.clock()).start().unwrap();
    let jwt = jwt(jwks.clone());
    jwks.available().await;
    let claims = json!({ "exp": 2_000_000_000_u64 });
    assert_eq!(
        verdict(&jwt, &Pair::P256.signed(None, &claims)).await,
        "accepted"
    );
    let unnamed = format!(r#"{{"keys":[{{{}}}]}}"#, Pair::P384.members());
    server.publish("/jwks", Reply::Text(unnamed));
    hands.forward(30);
    assert_eq!(
        verdict(&jwt, &Pair::P384.signed(None, &claims)).await,
        "accepted"
    );
    assert_eq!(server.asked("/jwks"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_random_kids_make_one_fetch_in_an_interval() {
    let server = Server::publishing(set([Pair::P256.jwk("a")])).await;
    let hands = Hands::default();
    let jwks = server.jwks().clock(hands.clock()).start().unwrap();
    let jwt = Arc::new(jwt(jwks.clone()));
    jwks.available().await;
    let good = Pair::P256.token("a");
    let (_, rest) = good.split_once('.').unwrap();
    let rest: Arc<str> = rest.into();
    for interval in 1..=3 {
        hands.forward(30);
        let slow = Reply::Late(Duration::from_millis(100), set([Pair::P256.jwk("a")]));
        server.publish("/jwks", slow);
        let tasks: Vec<_> = (0..10_000)
            .map(|number| {
                let (jwt, rest) = (Arc::clone(&jwt), Arc::clone(&rest));
                tokio::spawn(async move {
                    let header = format!(r#"{{"alg":"ES256","kid":"{interval}-{number}"}}"#);
                    let token = format!("{}.{rest}", b64(header));
                    verdict(&jwt, &token).await
                })
            })
            .collect();
        // Who has a good key waits for nobody.
        assert!(jwt.verify_token(&good).is_ok());
        let mut invalid = 0;
        for task in tasks {
            match task.await.unwrap() {
                "token_invalid" => invalid += 1,
                // Beyond those that may wait.
                "unavailable" => {}
                other => panic!("{other}"),
            }
        }
        assert!(invalid >= 1024, "{invalid}");
        assert_eq!(server.asked("/jwks"), 1 + interval);
        // Nor do those that come when the fetch has ended.
        for number in 0..100 {
            let header = format!(r#"{{"alg":"ES256","kid":"late-{number}"}}"#);
            let token = format!("{}.{rest}", b64(header));
            // Its key may be one that was published after the fetch, as long as there is room.
            let verdict = verdict(&jwt, &token).await;
            assert!(
                matches!(verdict, "unavailable" | "token_invalid"),
                "{verdict}"
            );
        }
        assert_eq!(server.asked("/jwks"), 1 + interval);
    }
}

#[tokio::test]
async fn an_algorithm_that_is_not_allowed_asks_for_nothing() {
    // A key for another algorithm takes no name from one that may be used.
    let keys = [Pair::Rsa.jwk("a"), Pair::P256.jwk("a"), Pair::Ed.jwk("b")];
    let server = Server::publishing(set(keys)).await;
    let hands = Hands::default();
    let jwks = server.jwks().clock(hands.clock());
    let jwks = jwks.algorithms([tower_ws_auth_jwt::Algorithm::ES256]);
    let jwks = jwks.start().unwrap();
    let jwt = jwt(jwks.clone());
    jwks.available().await;
    hands.forward(30);
    assert_eq!(verdict(&jwt, &Pair::Ed.token("b")).await, "token_invalid");
    assert_eq!(verdict(&jwt, &Pair::Rsa.token("c")).await, "token_invalid");
    assert_eq!(verdict(&jwt, &Pair::P256.token("a")).await, "accepted");
    assert_eq!(server.asked("/jwks"), 1);
}

#[tokio::test]
async fn the_set_is_fetched_again_by_itself_and_sooner_if_the_answer_says_so() {
    let times = |jwks: tower_ws_auth_jwt::JwksBuilder| {
        jwks.cooldown(Duration::from_millis(20))
            .max_stale(Duration::from_secs(3600))
    };
    let server = Server::publishing(set([Pair::P256.jwk("a")])).await;
    let every = Duration::from_millis(50);
    let jwks = times(server.jwks()).refresh(every).start().unwrap();
    until("three fetches", || server.asked("/jwks") >= 3).await;
    drop(jwks);

    let set = set([Pair::P256.jwk("a")]);
    server.publish("/cached", Reply::Cached(set, "public, max-age=0"));
    let url = server.url("/cached");
    let jwks = times(patient(tower_ws_auth_jwt::Jwks::builder(url)));
    let jwks = jwks.start().unwrap();
    until("three fetches", || server.asked("/cached") >= 3).await;
    drop(jwks);
}

#[tokio::test]
async fn the_last_handle_that_is_dropped_ends_the_fetching() {
    let server = Server::publishing(set([Pair::P256.jwk("a")])).await;
    let every = Duration::from_millis(20);
    let jwks = server.jwks().cooldown(every).refresh(every);
    let jwks = jwks.start().unwrap();
    let jwt = jwt(jwks.clone());
    jwks.available().await;
    drop(jwks);
    let before = server.asked("/jwks");
    until("another fetch", || server.asked("/jwks") > before).await;
    drop(jwt);
    // One that was under way may yet be counted.
    stands_still("the fetching", every * 7, || server.asked("/jwks")).await;
}
