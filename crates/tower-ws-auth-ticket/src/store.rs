use std::error::Error;
use std::fmt;
use std::time::Duration;

use sha2::{Digest, Sha256};
pub use tower_ws_auth_core::BoxFuture;

/// Where tickets wait to be used.
///
/// A store never learns a ticket, only a digest of it, and what it was minted for is part of that
/// digest. So a store has no rules to check: either the key is there or it is not.
///
/// [`MemoryTickets`](crate::MemoryTickets) keeps them in this process. Implement it for a store
/// that several nodes share.
pub trait TicketStore: Send + Sync {
    /// Keeps an entry for `ttl`.
    ///
    /// The store bounds what is outstanding, in total and, where a subject is named, for that
    /// subject, and it refuses past a bound: it never makes room by dropping an entry. What was
    /// taken or has expired may go on counting, but not for longer than a ttl more.
    ///
    /// The future may already have acted when it is returned.
    fn issue(
        &self,
        key: TicketKey,
        entry: Vec<u8>,
        subject: Option<&str>,
        ttl: Duration,
    ) -> BoxFuture<Result<(), PutError>>;

    /// Takes an entry out, in one atomic step: of all who ask for a key, one gets its entry.
    /// `None` for an unknown, a taken and an expired key alike.
    ///
    /// An attempt whose outcome is unknown is an error, and must not be repeated: the entry may
    /// be gone, and then the repetition would call it used.
    fn take(&self, key: TicketKey) -> BoxFuture<Result<Option<Vec<u8>>, StoreError>>;

    /// What [`take`](Self::take) would give, without taking it. `None`, the default, if the store
    /// cannot say.
    ///
    /// With it a ticket stays good if its handshake is refused for another reason, such as
    /// `authorize` or a limit on connections. Without it such a handshake spends its ticket.
    fn peek(&self, _key: TicketKey) -> Option<BoxFuture<Result<Option<Vec<u8>>, StoreError>>> {
        None
    }

    /// The longest ttl that the store accepts, if it has a limit.
    fn max_ttl(&self) -> Option<Duration> {
        None
    }
}

/// Where it is remembered that something was used, such as the `jti` of a token that others
/// issue: what was not put there before can be claimed once.
pub trait ReplayStore: Send + Sync {
    /// True for the first who claims a key, false for everybody else until `ttl` has passed, in
    /// one atomic step.
    ///
    /// A store that is full refuses with an error: it must not forget a claim.
    fn claim(&self, key: TicketKey, ttl: Duration) -> BoxFuture<Result<bool, StoreError>>;

    /// Whether a key is claimed, without claiming it. `None`, the default, if the store cannot say.
    ///
    /// With it a token of single use stays good if its handshake is refused for another reason.
    fn is_claimed(&self, _key: TicketKey) -> Option<BoxFuture<Result<bool, StoreError>>> {
        None
    }

    /// The longest ttl that the store accepts, if it has a limit.
    fn max_ttl(&self) -> Option<Duration> {
        None
    }
}

/// What a store knows a ticket by: 128 bits of a SHA-256 digest over a purpose and its parts.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TicketKey([u8; 16]);

impl TicketKey {
    /// Digests the parts. Keys of different purposes, or with the parts cut differently, have
    /// nothing to do with each other.
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
    // Nobody can use it, and yet it would tie a log to a store.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketKey(redacted)")
    }
}

/// Why a store did not keep an entry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PutError {
    /// As many entries are outstanding as the store holds.
    #[error("as many tickets are outstanding as the store holds")]
    Full,
    /// As many entries are outstanding as one subject may have.
    #[error("as many tickets are outstanding as one subject may have")]
    SubjectFull,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A store failed, or its answer was lost.
#[derive(Debug)]
pub struct StoreError(Box<dyn Error + Send + Sync>);

impl StoreError {
    /// Wraps the error behind it, or a text. It must print neither key nor entry.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store failed: {}", self.0)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}
