//! Stores that make one wait, before they act, after it, or both.

use std::sync::Arc;
use std::time::Duration;

use tower_ws_auth::revocation::{Recorded, Revocation, RevocationKey, StoreError};
use tower_ws_auth::session::{
    MemorySessions, Replaced, SessionId, SessionStore, StoreFuture, StoredSession,
};
use tower_ws_auth::ticket::{MemoryTickets, PutError, TicketKey, TicketStore};
use tower_ws_auth::{BoxFuture, MemoryRevocations, RevocationStore};

use super::steps::waits;

/// How often each call waits.
pub(crate) const WAITS: usize = 3;

/// Acts after so many of its waits; with 0 it has acted when it returns its future.
#[derive(Clone)]
pub(crate) struct Slow<S> {
    store: Arc<S>,
    acts_after: usize,
}

impl<S> Slow<S> {
    pub(crate) fn new(store: S, acts_after: usize) -> Self {
        let store = Arc::new(store);
        Self { store, acts_after }
    }

    fn run<'a, T: Send + 'a, Fut: Future<Output = T> + Send + 'a>(
        &self,
        act: impl FnOnce(Arc<S>) -> Fut + Send + 'a,
    ) -> std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>
    where
        S: Send + Sync + 'a,
    {
        let (store, after) = (Arc::clone(&self.store), self.acts_after);
        if after == 0 {
            let acting = act(store);
            return Box::pin(async move {
                let answer = acting.await;
                waits(WAITS).await;
                answer
            });
        }
        Box::pin(async move {
            waits(after).await;
            let answer = act(store).await;
            waits(WAITS - after).await;
            answer
        })
    }
}

impl TicketStore for Slow<MemoryTickets> {
    fn issue(
        &self,
        key: TicketKey,
        entry: Vec<u8>,
        subject: Option<&str>,
        ttl: Duration,
    ) -> BoxFuture<Result<(), PutError>> {
        let subject = subject.map(str::to_owned);
        self.run(move |store| store.issue(key, entry, subject.as_deref(), ttl))
    }

    fn take(&self, key: TicketKey) -> BoxFuture<Result<Option<Vec<u8>>, StoreError>> {
        self.run(move |store| store.take(key))
    }
}

impl SessionStore for Slow<MemorySessions> {
    fn create<'a>(
        &'a self,
        id: &'a SessionId,
        record: &'a str,
        ttl: Duration,
    ) -> StoreFuture<'a, bool> {
        self.run(move |store| async move { store.create(id, record, ttl).await })
    }

    fn load<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredSession>> {
        self.run(move |store| async move { store.load(id).await })
    }

    fn replace<'a>(
        &'a self,
        id: &'a SessionId,
        expected: &'a str,
        record: &'a str,
        ttl: Duration,
    ) -> StoreFuture<'a, Replaced> {
        self.run(move |store| async move { store.replace(id, expected, record, ttl).await })
    }

    fn touch<'a>(&'a self, id: &'a SessionId, ttl: Duration) -> StoreFuture<'a, bool> {
        self.run(move |store| async move { store.touch(id, ttl).await })
    }

    fn take<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<String>> {
        self.run(move |store| async move { store.take(id).await })
    }
}

/// It never knows at once.
impl RevocationStore for Slow<MemoryRevocations> {
    fn find(
        &self,
        keys: Vec<RevocationKey>,
    ) -> BoxFuture<Result<Vec<Option<Revocation>>, StoreError>> {
        self.run(move |store| store.find(keys))
    }

    fn record(
        &self,
        key: Arc<str>,
        revocation: Revocation,
    ) -> BoxFuture<Result<Recorded, StoreError>> {
        self.run(move |store| store.record(key, revocation))
    }
}
