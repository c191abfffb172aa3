use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::future::ready;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, SystemTime};

use tower_ws_auth_core::Clock;

use crate::{Replaced, SessionId, SessionStore, StoreError, StoreFuture, StoredSession};

/// Sessions in this process's memory, with a maximum number.
///
/// They are lost when the process ends, and other processes do not know them. A clone is another
/// handle on the same sessions.
#[derive(Clone)]
pub struct MemorySessions {
    /// Handshakes only read, and do not wait for one another.
    state: Arc<RwLock<State>>,
    cap: usize,
    clock: Clock,
}

/// The number of expired sessions that one call removes, so that no call takes long.
const SWEEP: usize = 16;

#[derive(Default)]
struct State {
    sessions: HashMap<SessionId, Session>,
    /// The same sessions in the order of their expiry.
    ends: BTreeSet<(SystemTime, Arc<str>)>,
}

struct Session {
    record: String,
    end: SystemTime,
}

impl MemorySessions {
    /// Holds at most `cap` sessions. Beyond it a new one is refused with [`StoreError::Full`].
    pub fn new(cap: usize) -> Self {
        Self::with_clock(cap, Clock::steady())
    }

    /// Like [`new`](Self::new), with another clock, such as a test's.
    pub fn with_clock(cap: usize, clock: Clock) -> Self {
        Self {
            state: Arc::default(),
            cap,
            clock,
        }
    }

    /// The number of sessions, including expired ones that are not yet removed.
    pub fn len(&self) -> usize {
        self.read().sessions.len()
    }

    /// Whether there are no sessions.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Nothing under the lock panics halfway, so a poisoned lock still holds a valid state.
    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, ttl: Duration) -> SystemTime {
        let now = self.clock.now();
        now.checked_add(ttl).unwrap_or_else(|| Clock::at(u64::MAX))
    }
}

impl SessionStore for MemorySessions {
    fn create<'a>(
        &'a self,
        id: &'a SessionId,
        record: &'a str,
        ttl: Duration,
    ) -> StoreFuture<'a, bool> {
        let end = self.end(ttl);
        let mut state = self.write();
        state.sweep(self.clock.now());
        Box::pin(ready(if state.sessions.contains_key(id) {
            Ok(false)
        } else if state.sessions.len() >= self.cap {
            Err(StoreError::Full)
        } else {
            state.put(id, record.to_owned(), end);
            Ok(true)
        }))
    }

    fn load<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredSession>> {
        let now = self.clock.now();
        let state = self.read();
        let found = state.live(id, now).map(|session| StoredSession {
            record: session.record.clone(),
            ttl: session.end.duration_since(now).ok(),
        });
        Box::pin(ready(Ok(found)))
    }

    fn replace<'a>(
        &'a self,
        id: &'a SessionId,
        expected: &'a str,
        record: &'a str,
        ttl: Duration,
    ) -> StoreFuture<'a, Replaced> {
        let end = self.end(ttl);
        let mut state = self.write();
        let replaced = match state.live(id, self.clock.now()) {
            None => Replaced::Gone,
            Some(session) if session.record != expected => Replaced::Changed,
            Some(_) => Replaced::Done,
        };
        if replaced == Replaced::Done {
            state.put(id, record.to_owned(), end);
        }
        Box::pin(ready(Ok(replaced)))
    }

    fn touch<'a>(&'a self, id: &'a SessionId, ttl: Duration) -> StoreFuture<'a, bool> {
        let end = self.end(ttl);
        let mut state = self.write();
        let lives = state.live(id, self.clock.now()).is_some();
        if lives && let Some(session) = state.remove(id) {
            state.put(id, session.record, end);
        }
        Box::pin(ready(Ok(lives)))
    }

    fn take<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<String>> {
        let now = self.clock.now();
        let taken = self.write().remove(id).filter(|session| session.end > now);
        Box::pin(ready(Ok(taken.map(|session| session.record))))
    }
}

impl State {
    fn live(&self, id: &SessionId, now: SystemTime) -> Option<&Session> {
        self.sessions.get(id).filter(|session| session.end > now)
    }

    fn put(&mut self, id: &SessionId, record: String, end: SystemTime) {
        self.remove(id);
        self.ends.insert((end, id.shared()));
        self.sessions.insert(id.clone(), Session { record, end });
    }

    fn remove(&mut self, id: &SessionId) -> Option<Session> {
        let session = self.sessions.remove(id)?;
        self.ends.remove(&(session.end, id.shared()));
        Some(session)
    }

    fn sweep(&mut self, now: SystemTime) {
        for _ in 0..SWEEP {
            match self.ends.first() {
                Some((end, _)) if *end <= now => {}
                _ => return,
            }
            if let Some((_, id)) = self.ends.pop_first() {
                self.sessions.remove(&*id);
            }
        }
    }
}

impl fmt::Debug for MemorySessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySessions")
            .field("cap", &self.cap)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod the_memory_store {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    const TTL: Duration = Duration::from_secs(10);

    /// A store, and the seconds of its clock.
    fn store(cap: usize) -> (MemorySessions, Arc<AtomicU64>) {
        let seconds = Arc::new(AtomicU64::new(1000));
        let hand = Arc::clone(&seconds);
        let clock = Clock::from_fn(move || Clock::at(hand.load(Ordering::Relaxed)));
        (MemorySessions::with_clock(cap, clock), seconds)
    }

    fn id(text: &str) -> SessionId {
        SessionId::signed(text).unwrap()
    }

    async fn replaced(store: &MemorySessions, of: &str, from: &str, to: &str) -> Replaced {
        store.replace(&id(of), from, to, TTL).await.unwrap()
    }

    #[tokio::test]
    async fn a_record_is_there_until_its_time_has_passed() {
        let (store, seconds) = store(9);
        assert!(store.is_empty());
        assert!(store.create(&id("a"), "{}", TTL).await.unwrap());
        assert!(!store.is_empty());
        let found = store.load(&id("a")).await.unwrap().unwrap();
        assert_eq!((found.record.as_str(), found.ttl), ("{}", Some(TTL)));
        seconds.store(1009, Ordering::Relaxed);
        assert!(store.load(&id("a")).await.unwrap().is_some());
        seconds.store(1010, Ordering::Relaxed);
        assert!(store.load(&id("a")).await.unwrap().is_none());
        assert_eq!(replaced(&store, "a", "{}", "{}").await, Replaced::Gone);
        assert!(!store.touch(&id("a"), TTL).await.unwrap());
        assert_eq!(store.take(&id("a")).await.unwrap(), None);
    }

    #[tokio::test]
    async fn touching_and_replacing_prolong_it() {
        let (store, seconds) = store(9);
        store.create(&id("a"), "{}", TTL).await.unwrap();
        seconds.store(1005, Ordering::Relaxed);
        assert!(store.touch(&id("a"), TTL).await.unwrap());
        seconds.store(1012, Ordering::Relaxed);
        let new = "{\"a\":1}";
        assert_eq!(replaced(&store, "a", "{}", new).await, Replaced::Done);
        seconds.store(1021, Ordering::Relaxed);
        let found = store.load(&id("a")).await.unwrap().unwrap();
        assert_eq!(found.record, "{\"a\":1}");
        assert_eq!(found.ttl, Some(Duration::from_secs(1)));
    }

    #[tokio::test]
    async fn a_prolonged_session_outlives_its_first_end() {
        let (store, seconds) = store(9);
        store.create(&id("a"), "{}", TTL).await.unwrap();
        store.create(&id("b"), "{}", TTL).await.unwrap();
        store.touch(&id("a"), TTL * 2).await.unwrap();
        seconds.store(1010, Ordering::Relaxed);
        store.create(&id("c"), "{}", TTL).await.unwrap();
        assert!(store.load(&id("a")).await.unwrap().is_some());
        assert_eq!((store.len(), store.read().ends.len()), (2, 2));
    }

    #[tokio::test]
    async fn a_taken_id_keeps_its_record_and_a_destroyed_one_is_not_brought_back() {
        let (store, _) = store(9);
        store.create(&id("a"), "{}", TTL).await.unwrap();
        assert!(!store.create(&id("a"), "[]", TTL).await.unwrap());
        assert_eq!(store.load(&id("a")).await.unwrap().unwrap().record, "{}");
        assert_eq!(store.take(&id("a")).await.unwrap().as_deref(), Some("{}"));
        assert_eq!(replaced(&store, "a", "{}", "{}").await, Replaced::Gone);
        assert!(!store.touch(&id("a"), TTL).await.unwrap());
        assert!(store.load(&id("a")).await.unwrap().is_none());
        assert!(store.is_empty());
    }

    #[tokio::test]
    async fn a_record_that_changed_meanwhile_is_not_replaced() {
        let (store, _) = store(9);
        store.create(&id("a"), "{}", TTL).await.unwrap();
        assert_eq!(replaced(&store, "a", "{}", "[1]").await, Replaced::Done);
        assert_eq!(replaced(&store, "a", "{}", "[2]").await, Replaced::Changed);
        assert_eq!(store.load(&id("a")).await.unwrap().unwrap().record, "[1]");
        assert_eq!(replaced(&store, "a", "[1]", "[2]").await, Replaced::Done);
        assert_eq!(store.take(&id("a")).await.unwrap().as_deref(), Some("[2]"));
        assert_eq!(store.take(&id("a")).await.unwrap(), None);
    }

    #[tokio::test]
    async fn at_the_cap_a_new_one_is_refused_and_no_live_one_is_lost() {
        let (store, seconds) = store(2);
        store.create(&id("a"), "{}", TTL).await.unwrap();
        store.create(&id("b"), "{}", TTL * 2).await.unwrap();
        let full = store.create(&id("c"), "{}", TTL).await.unwrap_err();
        assert!(matches!(full, StoreError::Full));
        assert_eq!(replaced(&store, "a", "{}", "{}").await, Replaced::Done);
        // One expires and makes room.
        seconds.store(1010, Ordering::Relaxed);
        assert!(store.create(&id("c"), "{}", TTL).await.unwrap());
        assert!(store.load(&id("b")).await.unwrap().is_some());
        assert_eq!(store.len(), 2);
    }

    #[tokio::test]
    async fn the_expired_leave_nothing_behind() {
        let (store, seconds) = store(1000);
        for n in 0..100 {
            let ttl = Duration::from_secs(1 + n % 7);
            store.create(&id(&n.to_string()), "{}", ttl).await.unwrap();
            store.touch(&id(&n.to_string()), ttl).await.unwrap();
        }
        seconds.store(2000, Ordering::Relaxed);
        for n in 100..110 {
            store.create(&id(&n.to_string()), "{}", TTL).await.unwrap();
        }
        assert_eq!(store.len(), 10);
        assert_eq!(store.read().ends.len(), 10);
    }

    #[tokio::test]
    async fn a_ttl_without_end_is_no_panic() {
        let (store, _) = store(9);
        assert!(store.create(&id("a"), "{}", Duration::MAX).await.unwrap());
        assert!(store.load(&id("a")).await.unwrap().is_some());
    }
}
