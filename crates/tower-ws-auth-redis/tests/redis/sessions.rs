use std::time::{Duration, Instant};

use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use test_servers::Server;
use tower_ws_auth_core::Clock;
use tower_ws_auth_redis::RedisSessions;
use tower_ws_auth_session::{
    MemorySessions, Replaced, Secrets, SessionId, SessionStore as _, Sessions, StoreError,
};

use crate::{PATIENCE, TTL, patient, unhurried, wire};

async fn store(server: &Server) -> RedisSessions {
    RedisSessions::new(unhurried(&server.url()).await)
}

/// A fresh one. Only `Sessions` makes them.
pub(crate) async fn id() -> SessionId {
    let secrets = Secrets::express(["a secret of the tests, long enough"]).unwrap();
    let sessions: Sessions<Value> = Sessions::builder(secrets, MemorySessions::new(1))
        .build()
        .unwrap();
    sessions.create(&serde_json::json!({})).await.unwrap().0
}

async fn put(server: &Server, key: &str, value: &[u8], seconds: Option<u64>) {
    let mut wire = wire(&server.url()).await;
    let mut set = redis::cmd("SET");
    set.arg(key).arg(value);
    if let Some(seconds) = seconds {
        set.arg("EX").arg(seconds);
    }
    let () = set.query_async(&mut wire).await.unwrap();
}

#[tokio::test]
async fn of_express_and_connect_redis_are_read() {
    #[derive(Serialize, Deserialize)]
    struct Record {
        user: Option<Value>,
        uid: Option<String>,
    }
    let server = Server::start();
    let vectors = include_str!("../../../../tests/data/interop.json");
    let vectors: Value = serde_json::from_str(vectors).unwrap();
    for vector in vectors["express_session"].as_array().unwrap() {
        let text = |name: &str| vector[name].as_str().unwrap();
        let ttl = vector["redis_ttl_s"].as_u64().unwrap();
        put(
            &server,
            text("redis_key"),
            text("redis_value").as_bytes(),
            Some(ttl),
        )
        .await;
        let sessions = |now: u64| -> Sessions<Record> {
            let redis = patient().connect_lazy(&server.url()).unwrap();
            let secrets = Secrets::dangerous_short_express([text("secret")]).unwrap();
            Sessions::builder(secrets, RedisSessions::new(redis))
                .timeout(PATIENCE)
                .clock(Clock::fixed(now))
                .build()
                .unwrap()
        };
        let mut headers = HeaderMap::new();
        headers.insert("cookie", text("cookie").parse().unwrap());
        // An hour before the first one's `expires`, and a second after it.
        let found = sessions(1_795_205_400)
            .load(&headers)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.id().as_str(), text("sid"));
        let late = sessions(1_795_208_988).load(&headers).await.unwrap();
        if text("name") == "with maxAge" {
            let user = serde_json::json!({"id": 42, "name": "zoë"});
            assert_eq!(found.user, Some(user));
            assert!(late.is_none());
        } else {
            assert_eq!(found.uid.as_deref(), Some("u1"));
            assert!(late.is_some());
        }
    }
}

#[tokio::test]
async fn are_written_as_connect_redis_does() {
    #[derive(Serialize, Deserialize)]
    struct Record {
        user: String,
    }
    let server = Server::start();
    let secrets = Secrets::express(["a secret of the tests, long enough"]).unwrap();
    let sessions: Sessions<Record> = Sessions::builder(secrets, store(&server).await)
        .timeout(PATIENCE)
        .max_age(Duration::from_millis(3_599_001))
        .build()
        .unwrap();
    let record = Record { user: "ada".into() };
    let began = Instant::now();
    let (id, cookie) = sessions.create(&record).await.unwrap();
    let key = format!("sess:{}", id.as_str());
    let json: String = server.ask(&format!("GET {key}")).await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["user"], "ada");
    assert_eq!(json["cookie"]["originalMaxAge"], 3_599_001);
    assert_eq!(json["cookie"]["httpOnly"], true);
    // Whole seconds, rounded up.
    let left: u64 = server.ask(&format!("PTTL {key}")).await;
    assert!(is_left_of(3_600, left, began), "{left}");

    let mut headers = HeaderMap::new();
    let pair = cookie.to_str().unwrap().split(';').next().unwrap();
    headers.insert("cookie", pair.parse().unwrap());
    let mut loaded = sessions.load(&headers).await.unwrap().unwrap();
    loaded.user = "bob".into();
    sessions.save(&mut loaded).await.unwrap();
    sessions.touch(&mut loaded).await.unwrap();
    assert_eq!(sessions.load(&headers).await.unwrap().unwrap().user, "bob");
    sessions.destroy(&id).await.unwrap();
    assert!(sessions.load(&headers).await.unwrap().is_none());
    assert!(sessions.save(&mut loaded).await.is_err());
    assert_eq!(server.ask::<u64>("DBSIZE").await, 0);
}

/// Whether so many milliseconds are what is left of so many seconds that began then, or up to ten
/// milliseconds later.
fn is_left_of(seconds: u64, left: u64, began: Instant) -> bool {
    let passed = u64::try_from(began.elapsed().as_millis()).unwrap() + 10;
    left <= seconds * 1000 && left + passed >= seconds * 1000
}

#[tokio::test]
async fn are_created_once_and_not_brought_back() {
    let server = Server::start();
    let store = store(&server).await;
    let id = id().await;
    assert!(store.load(&id).await.unwrap().is_none());
    let replaced = async |read, record| store.replace(&id, read, record, TTL).await.unwrap();
    assert_eq!(replaced("{}", "{}").await, Replaced::Gone);
    assert!(!store.touch(&id, TTL).await.unwrap());
    assert_eq!(store.take(&id).await.unwrap(), None);
    assert!(store.create(&id, "{\"a\":1}", TTL).await.unwrap());
    assert!(!store.create(&id, "{\"a\":2}", TTL).await.unwrap());
    assert_eq!(store.load(&id).await.unwrap().unwrap().record, "{\"a\":1}");
    assert_eq!(replaced("{\"a\":2}", "{}").await, Replaced::Changed);
    assert_eq!(replaced("{\"a\":1}", "{\"a\":3}").await, Replaced::Done);
    assert_eq!(store.take(&id).await.unwrap().as_deref(), Some("{\"a\":3}"));
    assert_eq!(replaced("{\"a\":3}", "{}").await, Replaced::Gone);
    assert!(store.load(&id).await.unwrap().is_none());
}

#[tokio::test]
async fn live_for_their_ttl_in_whole_seconds() {
    const OVER_A_SECOND: Duration = Duration::from_millis(1_050);
    let server = Server::start();
    let store = store(&server).await;
    let id = id().await;
    let left = async || {
        let loaded = store.load(&id).await.unwrap();
        loaded.map(|loaded| u64::try_from(loaded.ttl.unwrap().as_millis()).unwrap())
    };
    let lives = async |seconds, began| {
        // Nothing is left of what a stall of the machine has outlived.
        let left = left().await.unwrap_or(0);
        assert!(is_left_of(seconds, left, began), "{left} of {seconds}");
    };
    let began = Instant::now();
    let short = Duration::from_millis(39_001);
    store.create(&id, "{}", short).await.unwrap();
    lives(40, began).await;
    let began = Instant::now();
    store.touch(&id, Duration::from_secs(60)).await.unwrap();
    lives(60, began).await;
    let began = Instant::now();
    let odd = Duration::from_nanos(70_000_000_001);
    store.replace(&id, "{}", "{}", odd).await.unwrap();
    lives(71, began).await;
    store.touch(&id, Duration::MAX).await.unwrap();
    assert!(left().await.unwrap() > 3_000_000_000_000);
    let began = Instant::now();
    store.touch(&id, Duration::ZERO).await.unwrap();
    lives(1, began).await;
    tokio::time::sleep(OVER_A_SECOND).await;
    assert!(store.load(&id).await.unwrap().is_none());
}

#[tokio::test]
async fn without_an_end_and_of_garbage() {
    let server = Server::start();
    let store = store(&server).await;
    let id = id().await;
    let key = format!("sess:{}", id.as_str());
    put(&server, &key, b"{}", None).await;
    assert_eq!(store.load(&id).await.unwrap().unwrap().ttl, None);
    // Whether text is a record, the one who asks knows.
    put(&server, &key, b"", None).await;
    assert_eq!(store.load(&id).await.unwrap().unwrap().record, "");
    put(&server, &key, b"{\"a\":\"\xff\"}", None).await;
    // What is no text is an unreadable record, and not a missing one.
    assert_eq!(store.load(&id).await.unwrap().unwrap().record, "");
    let () = server.ask(&format!("DEL {key}")).await;
    let () = server.ask(&format!("RPUSH {key} a")).await;
    let error = store.load(&id).await.unwrap_err();
    let StoreError::Failed(source) = error else {
        panic!("{error:?}");
    };
    assert_eq!(source.to_string(), "Redis answered WRONGTYPE");
}

#[tokio::test]
async fn while_redis_is_full() {
    let server = Server::start();
    let store = store(&server).await;
    let (old, new) = (id().await, id().await);
    store.create(&old, "{}", TTL).await.unwrap();
    let () = server.ask("CONFIG SET maxmemory 1").await;
    assert!(matches!(
        store.create(&new, "{}", TTL).await,
        Err(StoreError::Full)
    ));
    assert!(matches!(
        store.replace(&old, "{}", "{}", TTL).await,
        Err(StoreError::Full)
    ));
    assert!(store.load(&old).await.unwrap().is_some());
    assert!(store.take(&old).await.unwrap().is_some());
}

/// The number of the crate's documentation.
#[tokio::test]
async fn have_the_size_that_is_documented() {
    let server = Server::start();
    let store = store(&server).await;
    let id = id().await;
    let record = format!("{{\"user\":\"{}\"}}", "x".repeat(189));
    store.create(&id, &record, TTL).await.unwrap();
    let size: u64 = server
        .ask(&format!("MEMORY USAGE sess:{}", id.as_str()))
        .await;
    println!("a session of {} bytes: {size} bytes", record.len());
    assert!(size <= 400, "{size}");
}
