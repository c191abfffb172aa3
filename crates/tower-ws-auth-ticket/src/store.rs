use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
pub use tower_ws_auth_core::{BoxFuture, StoreError};

/// Stores outstanding tickets.
///
/// A store never sees a ticket, only a digest of it. The digest covers the purpose, so a store has
/// no rules to check: a key is present or absent.
///
/// [`MemoryTickets`](crate::MemoryTickets) keeps them in this process. Implement it for a store
/// that several nodes share.
pub trait TicketStore: Send + Sync {
    /// Keeps an entry for `ttl`.
    ///
    /// The store bounds the outstanding entries, in total and, if a subject is named, for that
    /// subject. Past a bound it refuses: it never drops an entry to make room. A taken or expired
    /// entry may go on counting, but for at most one more ttl.
    ///
    /// The future may already have acted when it is returned.
    fn issue(
        &self,
        key: TicketKey,
        entry: Vec<u8>,
        subject: Option<&str>,
        ttl: Duration,
    ) -> BoxFuture<Result<(), PutError>>;

    /// Takes an entry out, in one atomic step: of all callers with this key, one gets the entry.
    /// Returns `None` for an unknown, taken or expired key.
    ///
    /// An attempt with an unknown outcome is an error, and must not be repeated. The entry may be
    /// gone, and a repetition would then report it as used.
    fn take(&self, key: TicketKey) -> BoxFuture<Result<Option<Vec<u8>>, StoreError>>;

    /// Returns the result of [`take`](Self::take) without taking the entry. `None`, the default, if
    /// the store cannot look it up.
    ///
    /// With it a ticket stays valid if its handshake is refused for another reason, such as
    /// `authorize` or a connection limit. Without it such a handshake spends its ticket.
    fn peek(&self, _key: TicketKey) -> Option<BoxFuture<Result<Option<Vec<u8>>, StoreError>>> {
        None
    }

    /// The longest ttl that the store accepts, if it has a limit.
    fn max_ttl(&self) -> Option<Duration> {
        None
    }
}

impl<S: TicketStore + ?Sized> TicketStore for Arc<S> {
    fn issue(
        &self,
        key: TicketKey,
        entry: Vec<u8>,
        subject: Option<&str>,
        ttl: Duration,
    ) -> BoxFuture<Result<(), PutError>> {
        (**self).issue(key, entry, subject, ttl)
    }

    fn take(&self, key: TicketKey) -> BoxFuture<Result<Option<Vec<u8>>, StoreError>> {
        (**self).take(key)
    }

    fn peek(&self, key: TicketKey) -> Option<BoxFuture<Result<Option<Vec<u8>>, StoreError>>> {
        (**self).peek(key)
    }

    fn max_ttl(&self) -> Option<Duration> {
        (**self).max_ttl()
    }
}

/// A replay store: remembers used credentials, such as the `jti` of another issuer's token. A new
/// key can be claimed once.
pub trait ReplayStore: Send + Sync {
    /// Returns `true` for the first claim of a key, and `false` for all others until `ttl` has
    /// passed, in one atomic step.
    ///
    /// A store that is full refuses with an error: it must not forget a claim.
    fn claim(&self, key: TicketKey, ttl: Duration) -> BoxFuture<Result<bool, StoreError>>;

    /// Whether a key is claimed, without claiming it. `None`, the default, if the store cannot look
    /// it up.
    ///
    /// With it a single-use token stays valid if its handshake is refused for another reason.
    fn is_claimed(&self, _key: TicketKey) -> Option<BoxFuture<Result<bool, StoreError>>> {
        None
    }

    /// The longest ttl that the store accepts, if it has a limit.
    fn max_ttl(&self) -> Option<Duration> {
        None
    }
}

impl<S: ReplayStore + ?Sized> ReplayStore for Arc<S> {
    fn claim(&self, key: TicketKey, ttl: Duration) -> BoxFuture<Result<bool, StoreError>> {
        (**self).claim(key, ttl)
    }

    fn is_claimed(&self, key: TicketKey) -> Option<BoxFuture<Result<bool, StoreError>>> {
        (**self).is_claimed(key)
    }

    fn max_ttl(&self) -> Option<Duration> {
        (**self).max_ttl()
    }
}

/// The key of a ticket in a store: 128 bits of a SHA-256 digest over a purpose and its parts.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TicketKey([u8; 16]);

impl TicketKey {
    /// Digests the parts. Different purposes, or parts that are divided differently, yield
    /// unrelated keys.
    pub fn digest(purpose: &str, parts: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        for part in std::iter::once(&purpose.as_bytes()).chain(parts) {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let mut key = [0; 16];
        key.copy_from_slice(&digest.finalize()[..16]);
        Self(key)
    }

    /// The bytes, for a store's own key.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for TicketKey {
    // It is no secret, but it would link a log to a store.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketKey(redacted)")
    }
}

/// Why a store did not keep an entry.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PutError {
    /// The store holds its maximum of outstanding entries.
    #[error("the store holds its maximum of outstanding tickets")]
    Full,
    /// The subject has its maximum of outstanding entries.
    #[error("the subject has its maximum of outstanding tickets")]
    SubjectFull,
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for PutError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::Full,
            error => Self::Store(error),
        }
    }
}
