//! Stores that keep everybody waiting, before they act and after it.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tower_ws_auth::session::{MemorySessions, SessionId, SessionStore, StoreFuture, StoredSession};
use tower_ws_auth::ticket::{MemoryTickets, PutError, StoreError, TicketKey, TicketStore};
use tower_ws_auth::{BoxFuture, MemoryRevocations, Revocation, RevocationError, RevocationStore};

/// Pending once.
pub(super) async fn pause() {
    let mut again = true;
    poll_fn(|cx| {
        if std::mem::take(&mut again) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

async fn slowly<T>(answer: impl Future<Output = T>) -> T {
    pause().await;
    let answer = answer.await;
    pause().await;
    answer
}

#[derive(Clone)]
pub(super) struct Slow<S>(pub(super) S);

impl SessionStore for Slow<MemorySessions> {
    fn create<'a>(
        &'a self,
        id: &'a SessionId,
        record: &'a str,
        ttl: Duration,
    ) -> StoreFuture<'a, bool> {
        self.0.create(id, record, ttl)
    }

    fn load<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredSession>> {
        Box::pin(slowly(async { self.0.load(id).await }))
    }

    fn save<'a>(
        &'a self,
        id: &'a SessionId,
        record: &'a str,
        ttl: Duration,
    ) -> StoreFuture<'a, bool> {
        Box::pin(slowly(async move { self.0.save(id, record, ttl).await }))
    }

    fn touch<'a>(&'a self, id: &'a SessionId, ttl: Duration) -> StoreFuture<'a, bool> {
        Box::pin(slowly(async move { self.0.touch(id, ttl).await }))
    }

    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        self.0.destroy(id)
    }
}

impl TicketStore for Slow<Arc<MemoryTickets>> {
    fn issue(
        &self,
        key: TicketKey,
        entry: Vec<u8>,
        subject: Option<&str>,
        ttl: Duration,
    ) -> BoxFuture<Result<(), PutError>> {
        self.0.issue(key, entry, subject, ttl)
    }

    fn take(&self, key: TicketKey) -> BoxFuture<Result<Option<Vec<u8>>, StoreError>> {
        let store = Arc::clone(&self.0);
        Box::pin(slowly(async move { store.take(key).await }))
    }
}

impl RevocationStore for Slow<Arc<MemoryRevocations>> {
    fn find(
        &self,
        keys: Vec<Arc<str>>,
    ) -> BoxFuture<Result<Vec<Option<Revocation>>, RevocationError>> {
        let store = Arc::clone(&self.0);
        Box::pin(slowly(async move { store.find(keys).await }))
    }

    fn record(
        &self,
        key: Arc<str>,
        revocation: Revocation,
    ) -> BoxFuture<Result<(), RevocationError>> {
        self.0.record(key, revocation)
    }
}
