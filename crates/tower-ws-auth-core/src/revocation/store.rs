use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{DisconnectReason, LocalConnections, RevocationKey};
use crate::StoreError;

/// The answer of a store. The future owns all that it needs of the store.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Remembers revocations.
///
/// [`MemoryRevocations`](crate::MemoryRevocations) does so in this process. Implement it for a
/// store that several nodes share. Answer within a bounded time, because handshakes wait for the
/// answer.
pub trait RevocationStore: Send + Sync {
    /// The latest revocation of each of the keys, in their order.
    fn find(
        &self,
        keys: Vec<RevocationKey>,
    ) -> BoxFuture<Result<Vec<Option<Revocation>>, StoreError>>;

    /// The result of [`find`](Self::find), if nothing has to be waited for; `None`, the default,
    /// otherwise. Handshakes call this first.
    fn find_now(&self, _keys: &[RevocationKey]) -> Option<Vec<Option<Revocation>>> {
        None
    }

    /// Remembers a revocation for longer than any credential lives, and tells the other nodes. If
    /// one of the same or a later moment is kept under the key, that one stays.
    ///
    /// The one that stays takes over the [effect of the other](Revocation::with_earlier). Comparing
    /// and writing are one atomic step, so that no order of commands moves a revocation backwards.
    ///
    /// A full store returns an error: it must not forget a revocation. After an error a store may
    /// still go on trying.
    fn record(
        &self,
        key: Arc<str>,
        revocation: Revocation,
    ) -> BoxFuture<Result<Recorded, StoreError>>;

    /// The time for which it remembers a revocation, if it is known. A session that lives longer is
    /// then a configuration error.
    fn retention(&self) -> Option<Duration> {
        None
    }

    /// The name of this store among those that several nodes share; `None`, the default, for a store
    /// that is not shared.
    ///
    /// A node may rely on what another node has found in the store of the same name, for a credential
    /// whose keys it has heard about all the while. So a store with a name tells every node of each
    /// revocation, and makes up for news that was missed.
    fn shared_name(&self) -> Option<Arc<str>> {
        None
    }

    /// Receives, once, the connections of this node, to end them for revocations of other nodes.
    fn attach(&self, _here: LocalConnections) {}
}

impl<S: RevocationStore + ?Sized> RevocationStore for Arc<S> {
    fn find(
        &self,
        keys: Vec<RevocationKey>,
    ) -> BoxFuture<Result<Vec<Option<Revocation>>, StoreError>> {
        (**self).find(keys)
    }

    fn find_now(&self, keys: &[RevocationKey]) -> Option<Vec<Option<Revocation>>> {
        (**self).find_now(keys)
    }

    fn record(
        &self,
        key: Arc<str>,
        revocation: Revocation,
    ) -> BoxFuture<Result<Recorded, StoreError>> {
        (**self).record(key, revocation)
    }

    fn retention(&self) -> Option<Duration> {
        (**self).retention()
    }

    fn shared_name(&self) -> Option<Arc<str>> {
        (**self).shared_name()
    }

    fn attach(&self, here: LocalConnections) {
        (**self).attach(here);
    }
}

/// The revocation that is kept under a key once another one is [recorded](RevocationStore::record).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// The one that was recorded, with the effect of the earlier ones.
    Written(Revocation),
    /// One of the same or a later moment, with the effect of the one that was recorded.
    Kept(Revocation),
}

/// The moment and the reason of a revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// In microseconds since the Unix epoch: a `SystemTime` of Windows does not hold each of them.
    micros: u64,
    reason: DisconnectReason,
    pub(super) margin: Duration,
    /// In microseconds since the Unix epoch.
    pub(super) firm: Option<u64>,
}

/// The moment of a revocation that cannot be read.
pub(super) const UNREADABLE: u64 = u64::MAX;

impl Revocation {
    /// A revocation at the moment `at`, of which whole microseconds are kept.
    pub fn new(at: SystemTime, reason: DisconnectReason) -> Self {
        Self::at_micros(micros(at), reason)
    }

    /// As [`new`](Self::new), by the microseconds since the Unix epoch, as a store keeps it.
    ///
    /// `u64::MAX` stands for a revocation that a store finds but cannot read. It refuses every
    /// credential, and none can be issued after it.
    pub fn at_micros(micros: u64, reason: DisconnectReason) -> Self {
        Self {
            micros,
            reason,
            margin: Duration::ZERO,
            firm: None,
        }
    }

    /// The moment. The end of the year 9999 if this platform cannot represent it.
    pub fn at(&self) -> SystemTime {
        from_micros(self.micros)
    }

    /// The moment in microseconds since the Unix epoch.
    pub fn micros(&self) -> u64 {
        self.micros
    }

    /// The reason for the connections that it ends.
    pub fn reason(&self) -> &DisconnectReason {
        &self.reason
    }

    pub(super) fn into_reason(self) -> DisconnectReason {
        self.reason
    }

    /// Whether a credential was issued later, even if the clocks differ by `skew`.
    pub(super) fn precedes(&self, issued: SystemTime, skew: Duration) -> bool {
        let latest = self.at().checked_add(skew);
        self.micros != UNREADABLE && latest.is_some_and(|latest| issued > latest)
    }
}

/// A moment that this platform cannot represent is after every credential.
pub(super) fn from_micros(micros: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_micros(micros))
        .unwrap_or_else(|| crate::Clock::at(u64::MAX))
}

pub(super) fn micros(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_micros()).unwrap_or(u64::MAX)
}
