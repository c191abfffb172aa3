use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{DisconnectReason, LocalConnections, RevocationKey};

/// What a store answers with. It owns what it needs of the store.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Where it is remembered what was revoked.
///
/// [`MemoryRevocations`](crate::MemoryRevocations) does so in this process. Implement it for a
/// store that several nodes share. Every answer must come within a bounded time: handshakes wait
/// for it.
pub trait RevocationStore: Send + Sync {
    /// The latest revocation of each of the keys, in their order.
    fn find(
        &self,
        keys: Vec<RevocationKey>,
    ) -> BoxFuture<Result<Vec<Option<Revocation>>, RevocationError>>;

    /// What [`find`](Self::find) would say, where nothing has to be waited for; `None`, the
    /// default, where something has to. Handshakes ask this first.
    fn find_now(&self, _keys: &[RevocationKey]) -> Option<Vec<Option<Revocation>>> {
        None
    }

    /// Remembers a revocation, for longer than any credential lives, and tells the other nodes:
    /// unless one of the same moment or a later one is kept under the key. That one then stays as
    /// it is, and is the answer; `None` says that the revocation was written.
    ///
    /// Both happen in one atomic step, so that no order of commands moves a revocation backwards.
    ///
    /// A store that is full refuses with an error: it must not forget a revocation. One that
    /// fails may go on trying after it has said so.
    fn record(
        &self,
        key: Arc<str>,
        revocation: Revocation,
    ) -> BoxFuture<Result<Option<Revocation>, RevocationError>>;

    /// For how long it remembers a revocation, if it knows. Sessions that live longer are then an
    /// error of the configuration.
    fn retention(&self) -> Option<Duration> {
        None
    }

    /// Gets, once, what ends the connections that are open here, for what other nodes revoke.
    fn attach(&self, _here: LocalConnections) {}
}

/// When something was revoked, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    at: SystemTime,
    reason: DisconnectReason,
}

impl Revocation {
    /// Of the moment `at`, of which whole microseconds are kept.
    pub fn new(at: SystemTime, reason: DisconnectReason) -> Self {
        Self::at_micros(micros(at), reason)
    }

    /// As [`new`](Self::new), by the microseconds since the Unix epoch; as a store keeps it.
    ///
    /// `u64::MAX` stands for a revocation that a store finds and cannot read: it refuses every
    /// credential, and none can be issued after it.
    pub fn at_micros(micros: u64, reason: DisconnectReason) -> Self {
        let at = from_micros(micros);
        Self { at, reason }
    }

    /// The moment.
    pub fn at(&self) -> SystemTime {
        self.at
    }

    /// The moment in microseconds since the Unix epoch.
    pub fn micros(&self) -> u64 {
        micros(self.at)
    }

    /// What the connections that it ends are told.
    pub fn reason(&self) -> &DisconnectReason {
        &self.reason
    }

    pub(super) fn into_reason(self) -> DisconnectReason {
        self.reason
    }

    /// Whether a credential was issued later, even if the clocks differ by `skew`.
    pub(super) fn precedes(&self, issued: SystemTime, skew: Duration) -> bool {
        (self.at.checked_add(skew)).is_some_and(|latest| issued > latest)
    }
}

/// A moment that this platform cannot hold is after every credential.
pub(super) fn from_micros(micros: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_micros(micros))
        .unwrap_or_else(|| crate::Clock::at(u64::MAX))
}

pub(super) fn micros(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_micros()).unwrap_or(u64::MAX)
}

/// A store of revocations failed, or its answer was lost.
#[derive(Clone, Debug)]
pub struct RevocationError(Arc<dyn Error + Send + Sync>);

impl RevocationError {
    /// Wraps the error behind it, or a text.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(Arc::from(source.into()))
    }
}

impl fmt::Display for RevocationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store of revocations failed: {}", self.0)
    }
}

impl Error for RevocationError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}
