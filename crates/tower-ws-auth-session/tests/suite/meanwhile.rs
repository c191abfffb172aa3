//! Two concurrent writers of one session: neither undoes the other's changes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::{Hand, NOW, PAGE, cookies, handshake, pair, send};
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower_ws_auth_core::Clock;
use tower_ws_auth_core::origin::Origins;
use tower_ws_auth_session::{
    MemorySessions, Replaced, SessionError, SessionId, SessionStore, Sessions, StoreFuture,
    StoredSession,
};

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    user: Option<String>,
    admin: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

/// A store in which another writer writes right after a record was read.
#[derive(Clone)]
struct Busy {
    memory: MemorySessions,
    meanwhile: Arc<Mutex<Vec<Meanwhile>>>,
    written: Arc<AtomicUsize>,
}

/// The other writer's change of the record; `None` if it ends the session.
type Meanwhile = Box<dyn FnOnce(Value) -> Option<Value> + Send>;

impl Busy {
    /// The next ones who read find that this is done right after it.
    fn then(&self, change: impl FnOnce(Value) -> Option<Value> + Send + 'static) {
        self.meanwhile.lock().unwrap().insert(0, Box::new(change));
    }

    async fn record(&self, id: &SessionId) -> Value {
        let stored = self.memory.load(id).await.unwrap().unwrap();
        serde_json::from_str(&stored.record).unwrap()
    }

    async fn change(&self, id: &SessionId, change: Meanwhile) {
        let stored = self.memory.load(id).await.unwrap().unwrap();
        match change(serde_json::from_str(&stored.record).unwrap()) {
            Some(record) => crate::common::overwrite(&self.memory, id, &record.to_string()).await,
            None => drop(self.memory.take(id).await.unwrap()),
        }
    }
}

impl SessionStore for Busy {
    fn create<'a>(
        &'a self,
        id: &'a SessionId,
        record: &'a str,
        ttl: Duration,
    ) -> StoreFuture<'a, bool> {
        self.memory.create(id, record, ttl)
    }

    fn load<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredSession>> {
        Box::pin(async {
            let loaded = self.memory.load(id).await;
            let meanwhile = self.meanwhile.lock().unwrap().pop();
            if let Some(meanwhile) = meanwhile {
                self.change(id, meanwhile).await;
            }
            loaded
        })
    }

    fn replace<'a>(
        &'a self,
        id: &'a SessionId,
        expected: &'a str,
        record: &'a str,
        ttl: Duration,
    ) -> StoreFuture<'a, Replaced> {
        self.written.fetch_add(1, Ordering::Relaxed);
        self.memory.replace(id, expected, record, ttl)
    }

    fn touch<'a>(&'a self, id: &'a SessionId, ttl: Duration) -> StoreFuture<'a, bool> {
        self.memory.touch(id, ttl)
    }

    fn take<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<String>> {
        self.memory.take(id)
    }
}

struct Case {
    sessions: Sessions<Record>,
    store: Busy,
    id: SessionId,
    cookie: HeaderValue,
    hand: Hand,
}

impl Case {
    /// Of an administrator who is logged in for an hour.
    async fn new() -> Self {
        let hand = Hand::new();
        let store = Busy {
            memory: MemorySessions::with_clock(9, hand.clock()),
            meanwhile: Arc::default(),
            written: Arc::default(),
        };
        let sessions: Sessions<Record> = Sessions::builder(crate::common::secrets(), store.clone())
            .clock(hand.clock())
            .max_age(HOUR)
            .build()
            .unwrap();
        let record = Record {
            user: Some("ada".into()),
            admin: true,
            name: None,
        };
        let (id, cookie) = sessions.create(&record).await.unwrap();
        Self {
            sessions,
            store,
            id,
            cookie,
            hand,
        }
    }

    fn headers(&self) -> HeaderMap {
        cookies(&[&pair(&self.cookie)])
    }

    /// The identity of a handshake that prolongs the session, or the detail of its refusal.
    async fn opens(&self) -> String {
        let origins = Origins::new([PAGE]).unwrap();
        let strategy = self.sessions.strategy(origins, |record| {
            let user = record.user.as_ref()?;
            Some(format!("{user}, admin: {}", record.admin))
        });
        let request = handshake(&[&pair(&self.cookie)], Some(PAGE));
        let outcome = send(strategy.rolling(), request).await;
        outcome.user.clone().unwrap_or(outcome.reason().to_owned())
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "another change may take the record away"
)]
fn loses_admin(mut record: Value) -> Option<Value> {
    record["admin"] = json!(false);
    record["csrf"] = json!("x");
    Some(record)
}

#[tokio::test]
async fn a_prolonging_handshake_undoes_nothing_and_decides_by_the_latest_record() {
    let case = Case::new().await;
    case.hand.advance(600);
    case.store.then(loses_admin);
    assert_eq!(case.opens().await, "ada, admin: false");
    let record = case.store.record(&case.id).await;
    assert_eq!(
        (&record["admin"], &record["csrf"]),
        (&json!(false), &json!("x"))
    );
    assert_eq!(record["cookie"]["expires"], "2026-11-20T21:10:00.000Z");
    // A session that is logged out meanwhile is refused.
    case.store.then(|mut record| {
        record["user"] = Value::Null;
        Some(record)
    });
    assert_eq!(case.opens().await, "session_invalid");
    assert_eq!(case.store.record(&case.id).await["user"], Value::Null);
    let case = Case::new().await;
    case.store.then(|_| None);
    assert_eq!(case.opens().await, "session_invalid");
    assert!(case.store.memory.is_empty());
}

#[tokio::test]
async fn a_touch_undoes_nothing() {
    let case = Case::new().await;
    let mut loaded = case.sessions.load(&case.headers()).await.unwrap().unwrap();
    case.hand.advance(600);
    case.store.then(loses_admin);
    case.sessions.touch(&mut loaded).await.unwrap();
    assert_eq!(loaded.ends_at(), Some(Clock::at(NOW + 4200)));
    let record = case.store.record(&case.id).await;
    assert_eq!(
        (&record["admin"], &record["csrf"]),
        (&json!(false), &json!("x"))
    );
    assert_eq!(record["cookie"]["expires"], "2026-11-20T21:10:00.000Z");
    case.store.then(|_| None);
    let gone = case.sessions.touch(&mut loaded).await.unwrap_err();
    assert!(matches!(gone, SessionError::Gone));
    assert!(case.store.memory.is_empty());
}

#[tokio::test]
async fn a_change_is_merged_with_concurrent_writes() {
    let case = Case::new().await;
    // Right after it is loaded, and once more right after it is read again.
    case.store.then(loses_admin);
    case.store.then(|mut record| {
        record["csrf"] = json!("y");
        Some(record)
    });
    let mut loaded = case.sessions.load(&case.headers()).await.unwrap().unwrap();
    assert!(loaded.admin);
    loaded.name = Some("Lovelace".into());
    case.sessions.save(&mut loaded).await.unwrap();
    let record = case.store.record(&case.id).await;
    assert_eq!(record["admin"], false);
    assert_eq!(record["name"], "Lovelace");
    assert_eq!(record["csrf"], "y");
    // Fields without a change since the last save are not written again.
    let others = Box::new(|mut record: Value| {
        record["name"] = json!("Byron");
        Some(record)
    });
    case.store.change(&case.id, others).await;
    loaded.user = Some("countess".into());
    case.sessions.save(&mut loaded).await.unwrap();
    let record = case.store.record(&case.id).await;
    assert_eq!(
        (&record["name"], &record["user"]),
        (&json!("Byron"), &json!("countess"))
    );
    // Both change one field: the later one stays. A field that is cleared is gone.
    (loaded.admin, loaded.name) = (false, None);
    case.sessions.save(&mut loaded).await.unwrap();
    let record = case.store.record(&case.id).await;
    assert_eq!(
        (record.get("name"), &record["admin"]),
        (None, &json!(false))
    );
}

#[tokio::test]
async fn a_regeneration_keeps_concurrent_writes() {
    let case = Case::new().await;
    case.store.then(loses_admin);
    let mut loaded = case.sessions.load(&case.headers()).await.unwrap().unwrap();
    loaded.name = Some("Lovelace".into());
    let (id, _) = case.sessions.regenerate(loaded).await.unwrap();
    let record = case.store.record(&id).await;
    assert_eq!(record["admin"], false);
    assert_eq!(record["name"], "Lovelace");
    assert_eq!(record["csrf"], "x");
    assert_eq!(case.store.memory.len(), 1);
}

/// On every read.
fn always_changes(store: &Busy) {
    for n in 0..100 {
        store.then(move |mut record| {
            record["n"] = json!(n);
            Some(record)
        });
    }
}

#[tokio::test]
async fn a_writer_under_constant_contention_gives_up_and_undoes_nothing() {
    let case = Case::new().await;
    let mut loaded = case.sessions.load(&case.headers()).await.unwrap().unwrap();
    let others = Box::new(loses_admin);
    case.store.change(&case.id, others).await;
    always_changes(&case.store);
    loaded.name = Some("Lovelace".into());
    let error = case.sessions.save(&mut loaded).await.unwrap_err();
    assert!(matches!(error, SessionError::Contended), "{error}");
    assert_eq!(error.into_rejection().reason(), "unavailable");
    assert_eq!(case.store.written.load(Ordering::Relaxed), 5);
    assert!(case.store.record(&case.id).await.get("name").is_none());

    // Prolonging leaves the record alone then, and the store keeps it.
    case.hand.advance(600);
    case.sessions.touch(&mut loaded).await.unwrap();
    assert_eq!(loaded.ends_at(), Some(Clock::at(NOW + 3600)));
    assert_eq!(case.opens().await, "ada, admin: false");
    let stored = case.store.memory.load(&case.id).await.unwrap().unwrap();
    assert_eq!(stored.ttl, Some(HOUR));
    let record = case.store.record(&case.id).await;
    assert_eq!(record["cookie"]["expires"], "2026-11-20T21:00:00.000Z");
}
