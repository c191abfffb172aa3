use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::builder::RevocationsBuilder;
use super::connection::Connection;
use super::registry::Registry;
use super::revocable::Checking;
use super::store::{UNREADABLE, micros};
use super::watch::{Asked, Watch, WatchFuture};
use super::{
    DisconnectReason, LocalConnections, Recorded, Revocation, RevocationKey, RevocationStore,
    StoreError,
};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::{Clock, Grant, Validity};

/// Revokes: ends open connections, and refuses the credentials that opened them.
///
/// Clones share everything. See the [module's documentation](crate::revocation).
#[derive(Clone)]
pub struct Revocations {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    registry: Arc<Registry>,
    pub(super) store: Box<dyn RevocationStore>,
    pub(super) clock: Clock,
    pub(super) allowed_skew: Duration,
    /// The latest moment given to a revocation, so that each has its own.
    last: AtomicU64,
}

impl Revocations {
    /// Remembers revocations in `store`, with the defaults of the [builder](Self::builder).
    pub fn new(store: impl RevocationStore + 'static) -> Self {
        Self::builder(store).build()
    }

    /// As [`new`](Self::new), with another clock. It must agree with the clocks that issue
    /// credentials, up to the [allowed skew](RevocationsBuilder::allowed_skew).
    pub fn with_clock(store: impl RevocationStore + 'static, clock: Clock) -> Self {
        Self::builder(store).clock(clock).build()
    }

    /// Starts with the system's clock and an allowed skew of 60 seconds.
    pub fn builder(store: impl RevocationStore + 'static) -> RevocationsBuilder {
        RevocationsBuilder::new(Box::new(store))
    }

    pub(super) fn of(
        store: Box<dyn RevocationStore>,
        clock: Clock,
        allowed_skew: Duration,
    ) -> Self {
        let registry = Registry::new(clock.clone()).with_shared_name(store.shared_name());
        let registry = Arc::new(registry);
        store.attach(LocalConnections::of(&registry));
        Self {
            shared: Arc::new(Shared {
                registry,
                store,
                clock,
                allowed_skew,
                last: AtomicU64::new(0),
            }),
        }
    }

    pub(super) fn registry(&self) -> &Arc<Registry> {
        &self.shared.registry
    }

    /// Revokes a key on every node. Connections that are open under it end, and a credential issued
    /// before now is refused.
    ///
    /// - A credential under a [final](RevocationKey::into_final) key is refused from now on,
    ///   whatever its time of issue.
    /// - A credential that was issued with [knowledge](Self::key) of this revocation passes.
    /// - Any other passes if it was issued later by more than the
    ///   [allowed skew](RevocationsBuilder::allowed_skew).
    ///
    /// It never undoes a later revocation of the same key, whatever the clocks of the nodes say.
    ///
    /// Drive the future to its end: if it is dropped half way, some of this node's connections may
    /// stay open. A handler whose client can leave should spawn it.
    ///
    /// # Errors
    ///
    /// The store failed. The connections of this node have still ended. Repeat the call until it
    /// succeeds.
    pub async fn revoke(&self, key: &str, reason: DisconnectReason) -> Result<(), StoreError> {
        crate::trace::revoked(&reason);
        let shared = &self.shared;
        // First remembered, then ended, so that a client that comes back at once is refused.
        match shared.record(key, &reason, Duration::ZERO).await {
            Ok(revocation) => {
                shared.registry.tell(key, &revocation).await;
                Ok(())
            }
            Err(error) => {
                // The store's state is unknown, so no connection may go on.
                shared.registry.end(key, &reason).await;
                Err(error)
            }
        }
    }

    /// The key for a credential that is issued now, with the latest revocation that the store
    /// knows. The credential is then accepted at once, however recent that revocation is and
    /// whatever the clocks say.
    ///
    /// Call it before you decide whether to issue the credential. A revocation in between then
    /// refuses the credential.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use tower_ws_auth_core::{DisconnectReason, MemoryRevocations, RevocationKey, Revocations};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let day = Duration::from_secs(24 * 3600);
    /// let revocations = Revocations::new(MemoryRevocations::new(day, 100_000));
    /// revocations.revoke("user:ada", DisconnectReason::Revoked).await?;
    ///
    /// // POST /login: this goes into the session, as one text…
    /// let key = revocations.key("user:ada").await?.encode();
    ///
    /// // …and from there into the grant of each handshake.
    /// let key = RevocationKey::decode(&key).ok_or("not a key")?;
    /// assert!(key.known_revocation().is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The store failed, or it keeps a revocation of `u64::MAX` microseconds, which no credential
    /// can follow.
    pub async fn key(&self, key: impl Into<RevocationKey>) -> Result<RevocationKey, StoreError> {
        let mut key = key.into();
        let keys = std::slice::from_ref(&key);
        let found = match self.shared.store.find_now(keys) {
            Some(found) => found,
            None => self.shared.store.find(keys.to_vec()).await?,
        };
        match found.first() {
            // A credential that knew it would know every later one.
            Some(Some(revocation)) if revocation.micros() == UNREADABLE => {
                return Err(StoreError::new("the key is revoked for all time"));
            }
            Some(Some(revocation)) => key.know(revocation.micros()),
            Some(None) => {}
            None => return Err(StoreError::new("it did not answer for the key")),
        }
        Ok(key)
    }

    /// Ends the open connections under a key on this node, and returns their number. Their
    /// credentials stay valid.
    pub async fn end(&self, key: &str, reason: &DisconnectReason) -> usize {
        self.shared.registry.end(key, reason).await
    }

    /// The connections under a key on this node, the oldest first. Undecided handshakes are among
    /// them.
    pub fn connections(&self, key: &str) -> Vec<Arc<Connection>> {
        self.shared.registry.holders(key)
    }

    /// The number of [`connections`](Self::connections) under a key on this node.
    pub fn count(&self, key: &str) -> usize {
        self.shared.registry.count(key)
    }

    /// Whether nothing is registered on this node.
    pub fn is_empty(&self) -> bool {
        self.shared.registry.is_empty()
    }

    /// Whether a credential with this validity is revoked. For requests without a connection that
    /// could be ended later.
    ///
    /// # Errors
    ///
    /// The store failed, and the answer is unknown.
    pub async fn is_revoked(&self, validity: &Validity) -> Result<bool, StoreError> {
        let keys = validity.revocation_keys();
        let found = match self.shared.store.find_now(keys) {
            Some(found) => found,
            None => self.shared.store.find(keys.to_vec()).await?,
        };
        if found.len() != keys.len() {
            return Err(StoreError::new("it did not answer for every key"));
        }
        let (issued_at, skew) = (validity.credential_issued_at(), self.shared.allowed_skew);
        let refuses = |(key, found): (&RevocationKey, Option<Revocation>)| {
            found.is_some_and(|revocation| key.is_refused_by(&revocation, issued_at, skew))
        };
        Ok(keys.iter().zip(found).any(refuses))
    }

    /// The greatest difference between clocks: see [`RevocationsBuilder::allowed_skew`].
    pub fn allowed_skew(&self) -> Duration {
        self.shared.allowed_skew
    }

    /// The time for which the store remembers a revocation, if it is known.
    pub fn retention(&self) -> Option<Duration> {
        self.shared.store.retention()
    }

    /// Checks whether a grant was revoked, and leaves the registration of its connection in it.
    /// [`revocable`](crate::AuthenticateExt::revocable) does so for a strategy. A grant that these
    /// revocations have checked before passes unchanged.
    ///
    /// For authors of strategies that check by themselves.
    pub fn check<V>(&self, grant: Grant<V>) -> Checking<V> {
        Checking::new(self, grant)
    }

    /// Registers a connection under its grant's keys, and only then asks the store about them. So
    /// no revocation is missed in between.
    ///
    /// For authors of layers: [`revocable`](crate::AuthenticateExt::revocable) does so for a
    /// strategy.
    pub fn watch(&self, validity: &Validity) -> WatchFuture {
        let shared = &self.shared;
        let keys = validity.revocation_keys().iter();
        let keys: Box<[RevocationKey]> = keys.map(RevocationKey::written).collect();
        let connection = shared.registry.register(keys, shared.clock.now());
        let watch = Watch::new(connection, self.clone());
        let keys = validity.revocation_keys();
        let asked = if keys.is_empty() {
            Asked::Known(Vec::new())
        } else if let Some(found) = shared.store.find_now(keys) {
            Asked::Known(found)
        } else {
            Asked::Waiting(shared.store.find(keys.to_vec()))
        };
        WatchFuture {
            asked,
            watch: Some(watch),
            issued_at: validity.credential_issued_at(),
            allowed_skew: shared.allowed_skew,
            refused_as: validity.refused_as(),
        }
    }
}

impl Shared {
    /// Writes a revocation of now, and returns the one that is kept.
    pub(super) async fn record(
        &self,
        key: &str,
        reason: &DisconnectReason,
        margin: Duration,
    ) -> Result<Revocation, StoreError> {
        let key: Arc<str> = key.into();
        let of = |moment| Revocation::at_micros(moment, reason.clone()).with_margin(margin);
        let first = of(self.next_moment());
        let kept = match self.store.record(Arc::clone(&key), first).await? {
            Recorded::Written(written) => return Ok(written),
            Recorded::Kept(kept) => kept,
        };
        // The kept one may be of a node whose clock is ahead of this one's.
        let moment = self.next_moment().max(kept.micros().saturating_add(1));
        match self.store.record(key, of(moment)).await? {
            Recorded::Written(written) => Ok(written),
            // Written since this call began: it has the effect that this call must have.
            Recorded::Kept(other) if other.micros() > kept.micros() => Ok(other),
            Recorded::Kept(_) => Err(StoreError::new(
                "it keeps a moment for the key that no later one can follow",
            )),
        }
    }

    fn next_moment(&self) -> u64 {
        let now = micros(self.clock.now());
        let later = |last: u64| Some(now.max(last.saturating_add(1)));
        let last = (self.last)
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, later)
            .unwrap_or_else(|last| last);
        now.max(last.saturating_add(1))
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocations")
            .field("registry", &self.shared.registry)
            .finish_non_exhaustive()
    }
}
