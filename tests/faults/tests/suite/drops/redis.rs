//! The stores on a real Redis. Its answers come over a socket, in real time: how often a future waits
//! differs from run to run, and so each one is dropped in many rounds.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Request;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use test_servers::Server;
use test_support::{settle, until_ok, within};
use tokio::time::timeout;
use tower::{Layer, Service};
use tower_ws_auth::redis::{Redis, RedisRevocations, RedisSessions, RedisTickets};
use tower_ws_auth::session::{Secrets, Sessions};
use tower_ws_auth::ticket::{
    Purpose, ReplayStore, TicketKey, TicketLayer, TicketRequest, TicketStore, Tickets,
};
use tower_ws_auth::{
    AuthLayer, Authenticate, AuthenticateExt, DisconnectReason, Grant, Origins, Rejection,
    Revocations,
};

use super::inner::{Inner, handshake, refused_as};
use super::steps::{everywhere, polled};

const ROUNDS: usize = 25;
const TTL: Duration = Duration::from_secs(30);
/// So few that a lost place is noticed soon: background work takes two.
const MOST: usize = 4;

async fn connect(server: &Server) -> Redis {
    // As long as a slow machine needs: no answer here is late.
    let redis = Redis::builder().max_in_flight(MOST).timeout(TTL * 2);
    let redis = redis.connect(&server.url()).await.unwrap();
    // Until the first attempt in the background is over, and every place is free.
    let store = RedisTickets::new(redis.clone()).prefix("first:");
    let all_free = async || {
        // Of claims as many may be under way as there are places.
        let claim = |n| store.claim(key(n), Duration::from_millis(1));
        let (a, b, c, d) = tokio::join!(claim(0), claim(1), claim(2), claim(3));
        [a, b, c, d]
            .iter()
            .filter(|claimed| claimed.is_ok())
            .count()
            == MOST
    };
    until_ok("all places are free", all_free).await;
    // Until these claims are gone: Redis counts what has expired until it looks at it again.
    until_ok("an empty Redis", async || {
        server.ask::<usize>("DBSIZE").await == 0
    })
    .await;
    redis
}

/// All places but those of the background are free, and each answer is its question's.
async fn is_sound(redis: &Redis) {
    let store = RedisTickets::new(redis.clone()).prefix("sound:");
    let ask = async |n: u8| {
        let key = TicketKey::digest("sound", &[&[n]]);
        store.issue(key, vec![n], None, TTL).await.unwrap();
        assert_eq!(store.take(key).await.unwrap(), Some(vec![n]));
    };
    tokio::join!(ask(1), ask(2));
}

fn key(n: usize) -> TicketKey {
    TicketKey::digest("drops", &[&n.to_be_bytes()])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_on_redis_opens_one_connection_at_most_wherever_its_handshake_is_dropped() {
    let server = Server::start();
    let redis = connect(&server).await;
    let store = Arc::new(RedisTickets::new(redis.clone()));
    let tickets = Tickets::<String>::builder(store).build().unwrap();
    let inner = Inner::default();
    let mut service = TicketLayer::new(tickets.strategy()).layer(inner.service());
    for round in 0..ROUNDS {
        everywhere(async |polls| {
            let order = TicketRequest::new(format!("ada {round}"), Purpose::handshake());
            let issued = tickets.issue(order).await.unwrap();
            let uri = format!("/ws?ticket={}", issued.ticket());
            let before = inner.calls();
            let first = polled(service.call(handshake(&uri)), polls).await;
            let second = service.call(handshake(&uri)).await.unwrap();
            let token = refused_as(&second);
            assert!([None, Some("ticket_invalid")].contains(&token), "{token:?}");
            let called = inner.calls() - before;
            assert!(called <= 1, "used twice after {polls} polls");
            if first.is_some() {
                assert_eq!((called, token), (1, Some("ticket_invalid")));
            }
            first.is_some()
        })
        .await;
    }
    is_sound(&redis).await;
    assert_eq!(server.ask::<usize>("DBSIZE").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_on_redis_is_granted_once_at_most_wherever_it_is_dropped() {
    let server = Server::start();
    let redis = connect(&server).await;
    let store = RedisTickets::new(redis.clone());
    for round in 0..ROUNDS {
        everywhere(async |polls| {
            let key = key(round * 1000 + polls);
            let first = polled(store.claim(key, TTL), polls).await;
            let first = first.map(Result::unwrap);
            let second = store.claim(key, TTL).await.unwrap();
            let third = store.claim(key, TTL).await.unwrap();
            assert!(!third, "the third one");
            assert!(
                first.is_none() || !second,
                "granted twice after {polls} polls"
            );
            assert_ne!(first, Some(false));
            first.is_some()
        })
        .await;
    }
    is_sound(&redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_whose_issue_on_redis_is_dropped_is_there_or_not_and_counts_once() {
    const SUBJECT: Option<&str> = Some("ada");
    let server = Server::start();
    let redis = connect(&server).await;
    for round in 0..ROUNDS {
        // Room for the one that may be lost, and for the one that is issued next.
        let store = RedisTickets::new(redis.clone()).per_subject(2);
        everywhere(async |polls| {
            server.ask::<()>("FLUSHALL").await;
            let (lost, next) = (key(2 * round), key(2 * round + 1));
            let issue = store.issue(lost, b"lost".to_vec(), SUBJECT, TTL);
            let first = polled(issue, polls).await;
            store
                .issue(next, b"next".to_vec(), SUBJECT, TTL)
                .await
                .unwrap();
            assert_eq!(store.take(next).await.unwrap().unwrap(), b"next");
            let taken = store.take(lost).await.unwrap();
            assert!(taken.as_ref().is_none_or(|entry| entry == b"lost"));
            assert!(first.is_none() || taken.is_some());
            first.is_some()
        })
        .await;
    }
    is_sound(&redis).await;
}

#[derive(Serialize, Deserialize)]
struct Record {
    user: Option<String>,
}

fn origins() -> Origins {
    Origins::new(["https://app.example"]).unwrap()
}

fn with_cookie(cookie: &str) -> Request<()> {
    let mut request = handshake("/ws");
    let headers = request.headers_mut();
    headers.insert("cookie", cookie.parse().unwrap());
    request
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_on_redis_survives_every_handshake_that_is_dropped_and_no_logout_that_is_not() {
    let server = Server::start();
    let redis = connect(&server).await;
    let secrets = Secrets::express(["a random secret of some length"]).unwrap();
    let store = RedisSessions::new(redis.clone());
    let sessions = Sessions::<Record>::builder(secrets, store).build().unwrap();
    let strategy = sessions.strategy(origins(), |record| record.user.clone());
    let inner = Inner::default();
    let mut service = AuthLayer::new(strategy.rolling()).layer(inner.service());
    for _ in 0..ROUNDS {
        let user = Some("ada".to_owned());
        let (id, cookie) = sessions.create(&Record { user }).await.unwrap();
        let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
        everywhere(async |polls| {
            let first = polled(service.call(with_cookie(cookie)), polls).await;
            let second = service.call(with_cookie(cookie)).await.unwrap();
            assert_eq!(refused_as(&second), None);
            first.is_some()
        })
        .await;
        everywhere(async |polls| {
            let first = polled(sessions.destroy(&id), polls).await;
            let answer = service.call(with_cookie(cookie)).await.unwrap();
            let token = refused_as(&answer);
            assert!([None, Some("session_invalid")].contains(&token));
            assert!(first.is_none() || token.is_some());
            first.is_some()
        })
        .await;
    }
    is_sound(&redis).await;
    assert_eq!(server.ask::<usize>("DBSIZE").await, 0);
}

fn ada() -> impl Authenticate<Identity = &'static str> {
    |_: &mut Parts| {
        let issued_at = SystemTime::now();
        let grant = Grant::new("ada").issued_at(issued_at);
        std::future::ready(Ok::<_, Rejection>(grant.revocable_by("user:ada")))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_connection_on_redis_stays_registered_and_a_revocation_that_is_dropped_can_be_said_again()
 {
    let server = Server::start();
    let redis = connect(&server).await;
    let day = Duration::from_secs(24 * 3600);
    let node = || Revocations::new(RedisRevocations::new(redis.clone(), day));
    let (revocations, other) = (node(), node());
    let inner = Inner::default();
    let strategy = ada().revocable(revocations.clone());
    let mut service = AuthLayer::new(strategy).layer(inner.service());
    for _ in 0..ROUNDS {
        server.ask::<()>("FLUSHALL").await;
        everywhere(async |polls| {
            let answer = polled(service.call(handshake("/ws")), polls).await;
            let done = answer.is_some();
            drop(answer);
            assert!(revocations.is_empty(), "after {polls} polls");
            done
        })
        .await;
        everywhere(async |polls| {
            server.ask::<()>("FLUSHALL").await;
            let grant = Grant::new(()).issued_at(SystemTime::now());
            let ((), validity) = grant.revocable_by("user:ada").into_parts();
            let watch = other.watch(&validity).await.unwrap();
            let revoke = || revocations.revoke("user:ada", DisconnectReason::Revoked);
            let first = polled(revoke(), polls).await.map(Result::unwrap);
            revoke().await.unwrap();
            // On the other node too, which hears of it.
            let heard = || watch.connection().disconnect_reason().is_some();
            within(TTL * 2).until("the news", heard).await;
            assert!(other.watch(&validity).await.is_err());
            first.is_some()
        })
        .await;
        assert!(revocations.is_empty() && other.is_empty());
    }
    is_sound(&redis).await;
}

#[tokio::test]
async fn an_operation_dropped_while_redis_is_silent_gives_its_place_back_and_is_not_repeated() {
    /// Guesses may not fill all places: that many are for taking tickets.
    const TAKES: usize = MOST.div_ceil(3);
    let server = Server::start();
    let redis = connect(&server).await;
    let store = RedisTickets::new(redis.clone());
    for round in 0..ROUNDS {
        let keys: Vec<_> = (0..TAKES).map(|n| key(round * TAKES + n)).collect();
        for key in &keys {
            store.issue(*key, b"ada".to_vec(), None, TTL).await.unwrap();
        }
        server.pause();
        let mut takes: Vec<_> = keys.iter().map(|key| store.take(*key)).collect();
        for take in &mut takes {
            let polled = timeout(Duration::ZERO, take).await;
            assert!(polled.is_err(), "answered by a server that sleeps");
        }
        // It goes out on the socket.
        settle().await;
        let busy = store.take(keys[0]).await.unwrap_err();
        assert!(format!("{busy:?}").contains("Busy"), "{busy:?}");
        drop(takes);
        // The places are free at once, although no command was answered.
        let mut again: Vec<_> = keys.iter().map(|key| store.take(*key)).collect();
        for take in &mut again {
            let polled = timeout(Duration::ZERO, take).await;
            assert!(polled.is_err(), "refused after the others were dropped");
        }
        server.resume();
        for take in again {
            // The sent command was carried out, and its answer was dropped.
            assert_eq!(take.await.unwrap(), None);
        }
        is_sound(&redis).await;
    }
    assert_eq!(server.ask::<usize>("DBSIZE").await, 0);
}
