use std::error::Error;
use std::pin::Pin;
use std::time::Duration;

use crate::SessionId;

/// What a store answers, some time.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Where sessions live: a record, which is a JSON object as text, under each id, for a time.
///
/// Connect's stores keep the same records, so that one login serves a Node application too.
/// [`MemorySessions`](crate::MemorySessions) is one for a single process.
///
/// A store that counts whole seconds rounds a `ttl` up.
///
/// A store does not wait for ever, nor need it: whoever asks sets a limit. It must not print an
/// id or a record, also not in its errors.
pub trait SessionStore: Send + Sync {
    /// Keeps a new record for `ttl`. `false` if the id is taken, whose record then stays.
    fn create<'a>(
        &'a self,
        id: &'a SessionId,
        record: &'a str,
        ttl: Duration,
    ) -> StoreFuture<'a, bool>;

    /// The record, unless it is unknown or its time has passed.
    fn load<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredSession>>;

    /// Replaces a record that still reads `expected`, byte for byte, and keeps it for `ttl` from
    /// now, in one atomic step: what somebody else wrote meanwhile must not be undone. Nor must a
    /// session be brought back that was destroyed meanwhile.
    fn replace<'a>(
        &'a self,
        id: &'a SessionId,
        expected: &'a str,
        record: &'a str,
        ttl: Duration,
    ) -> StoreFuture<'a, Replaced>;

    /// Keeps the record as it is for `ttl` from now. `false` if there is none.
    fn touch<'a>(&'a self, id: &'a SessionId, ttl: Duration) -> StoreFuture<'a, bool>;

    /// Forgets the record and returns it, in one atomic step. `None` if there is none.
    fn take<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<String>>;
}

/// What came of [`SessionStore::replace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Replaced {
    /// The record was replaced.
    Done,
    /// Somebody else wrote another record meanwhile, which stays as it is.
    Changed,
    /// There is no record.
    Gone,
}

/// What a [`SessionStore`] keeps under an id.
#[derive(Clone)]
pub struct StoredSession {
    /// The record: a JSON object, as text.
    pub record: String,
    /// For how long the store will still keep it, if it knows.
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

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It holds as many sessions as it may; none that lives is given up for a new one.
    #[error("the session store is full")]
    Full,
    /// It cannot be reached, or failed. The error must not print an id or a record.
    #[error("the session store failed")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

impl StoreError {
    /// It cannot be reached, or failed, for this reason.
    pub fn failed(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed(source.into())
    }
}
