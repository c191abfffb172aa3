use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tower_ws_auth_core::StoreError;

use crate::SessionId;

/// The pending answer of a store.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Stores sessions: under each id a record, which is a JSON object as text, for a time.
///
/// Connect's stores keep the same records, so one login can serve a Node application too.
/// [`MemorySessions`](crate::MemorySessions) is a store for a single process.
///
/// A store that counts whole seconds rounds a `ttl` up.
///
/// A store needs no time limit of its own: its caller sets one. It must not print an id or a
/// record, also not in its errors.
pub trait SessionStore: Send + Sync {
    /// Keeps a new record for `ttl`. Returns `false` if the id is taken; its record then stays.
    fn create<'a>(
        &'a self,
        id: &'a SessionId,
        record: &'a str,
        ttl: Duration,
    ) -> StoreFuture<'a, bool>;

    /// Returns the record, unless it is unknown or has expired.
    fn load<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredSession>>;

    /// Replaces a record that still equals `expected`, byte for byte, and keeps it for `ttl` from
    /// now. This is one atomic step: it must neither undo another write nor bring back a session
    /// that was destroyed meanwhile.
    fn replace<'a>(
        &'a self,
        id: &'a SessionId,
        expected: &'a str,
        record: &'a str,
        ttl: Duration,
    ) -> StoreFuture<'a, Replaced>;

    /// Keeps the record as it is for `ttl` from now. Returns `false` if there is none.
    fn touch<'a>(&'a self, id: &'a SessionId, ttl: Duration) -> StoreFuture<'a, bool>;

    /// Removes the record and returns it, in one atomic step. `None` if there is none.
    fn take<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<String>>;
}

impl<S: SessionStore + ?Sized> SessionStore for Arc<S> {
    fn create<'a>(
        &'a self,
        id: &'a SessionId,
        record: &'a str,
        ttl: Duration,
    ) -> StoreFuture<'a, bool> {
        (**self).create(id, record, ttl)
    }

    fn load<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredSession>> {
        (**self).load(id)
    }

    fn replace<'a>(
        &'a self,
        id: &'a SessionId,
        expected: &'a str,
        record: &'a str,
        ttl: Duration,
    ) -> StoreFuture<'a, Replaced> {
        (**self).replace(id, expected, record, ttl)
    }

    fn touch<'a>(&'a self, id: &'a SessionId, ttl: Duration) -> StoreFuture<'a, bool> {
        (**self).touch(id, ttl)
    }

    fn take<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<String>> {
        (**self).take(id)
    }
}

/// The outcome of [`SessionStore::replace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Replaced {
    /// The record was replaced.
    Done,
    /// Another writer changed the record meanwhile; it stays as it is.
    Changed,
    /// There is no record.
    Gone,
}

/// The record that a [`SessionStore`] keeps under an id.
#[derive(Clone)]
pub struct StoredSession {
    /// The record: a JSON object, as text.
    pub record: String,
    /// The time for which the store will still keep it, if it is known.
    pub ttl: Option<Duration>,
}

impl std::fmt::Debug for StoredSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredSession")
            .field("record", &"redacted")
            .field("ttl", &self.ttl)
            .finish()
    }
}
