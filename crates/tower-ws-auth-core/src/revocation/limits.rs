use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::registry::Registry;
use super::{Connection, DisconnectReason, RevocationKey, Revocations, Watch};
use crate::{Rejection, RejectionKind};

/// What becomes of one connection too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OverLimit {
    /// The new one is refused: 429 `rate_limited`. If it is noticed only when the connection is
    /// there, the connection is ended at once: 4429 `too_many_connections`.
    RefuseNewest,
    /// The oldest one is ended: 4429 `too_many_connections`.
    EndOldest,
}

/// How many connections may be open under a key on one node, by what the key begins with.
///
/// Only connections that were accepted and upgraded count, and those that were told to go do not.
/// For authors of layers: `LeaseLayer` enforces its `max_connections` by this.
///
/// ```
/// use tower_ws_auth_core::revocation::{ConnectionLimits, OverLimit, Watch};
/// use tower_ws_auth_core::Rejection;
///
/// fn limits() -> ConnectionLimits {
///     ConnectionLimits::new().max_connections(5, "user:", OverLimit::EndOldest)
/// }
///
/// /// The service has answered the handshake with 101.
/// fn upgraded(watch: &Watch, limits: &ConnectionLimits) -> Result<(), Rejection> {
///     watch.open(limits, None).map(|evicted| evicted.end())
/// }
/// # let _ = upgraded;
/// # let _ = limits();
/// ```
#[derive(Clone, Debug, Default)]
pub struct ConnectionLimits(Vec<Limit>);

#[derive(Clone, Debug)]
struct Limit {
    most: usize,
    prefix: Arc<str>,
    over: OverLimit,
}

impl ConnectionLimits {
    /// Limits nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// No more than `most` connections under each key that begins with `prefix`, such as `user:`.
    /// Where several limits concern a key, each of them holds.
    #[must_use]
    pub fn max_connections(
        mut self,
        most: usize,
        prefix: impl Into<Arc<str>>,
        over: OverLimit,
    ) -> Self {
        let prefix = prefix.into();
        self.0.push(Limit { most, prefix, over });
        self
    }

    /// The lowest limit of this kind that concerns the key.
    pub(super) fn most(&self, key: &str, over: OverLimit) -> Option<usize> {
        let concerned = self.0.iter().filter(|limit| limit.over == over);
        concerned
            .filter(|limit| key.starts_with(&*limit.prefix))
            .map(|limit| limit.most)
            .min()
    }

    /// Whether they refuse one connection more under these keys.
    fn refuse(&self, registry: &Registry, keys: &[RevocationKey]) -> bool {
        keys.iter().any(|key| {
            let most = self.most(key, OverLimit::RefuseNewest);
            most.is_some_and(|most| !registry.has_room(key, most))
        })
    }
}

/// The limits of the layers that are in use. Its lock is std's: nothing waits while it is held, so
/// the model checker need not see it.
#[derive(Default)]
pub(super) struct Enforced(Mutex<Vec<Weak<ConnectionLimits>>>);

impl Enforced {
    fn add(&self, limits: &Arc<ConnectionLimits>) {
        let mut enforced = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        enforced.retain(|others| others.strong_count() > 0);
        if !enforced
            .iter()
            .any(|others| others.as_ptr() == Arc::as_ptr(limits))
        {
            enforced.push(Arc::downgrade(limits));
        }
    }

    fn all(&self) -> Vec<Arc<ConnectionLimits>> {
        let enforced = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        enforced.iter().filter_map(Weak::upgrade).collect()
    }
}

impl Revocations {
    /// States that a layer enforces these limits, for as long as somebody else holds them too.
    ///
    /// Where every such layer refuses a connection, a [revocable] strategy refuses it before it
    /// spends a credential of single use.
    ///
    /// [revocable]: crate::AuthenticateExt::revocable
    pub fn enforce(&self, limits: &Arc<ConnectionLimits>) {
        self.registry().enforced.add(limits);
    }

    /// Whether one connection more may be open under these keys. Limits that
    /// [end the oldest](OverLimit::EndOldest) always have room.
    pub fn have_room(&self, limits: &ConnectionLimits, keys: &[RevocationKey]) -> bool {
        !limits.refuse(self.registry(), keys)
    }

    /// Whether some layer in use limits connections.
    pub(crate) fn are_limited(&self) -> bool {
        let enforced = self.registry().enforced.all();
        !enforced.is_empty() && enforced.iter().all(|limits| !limits.0.is_empty())
    }

    /// Refuses a connection that every layer in use would refuse.
    pub(crate) fn refuse_without_room(&self, keys: &[RevocationKey]) -> Result<(), Rejection> {
        let enforced = self.registry().enforced.all();
        let mut all = enforced.iter();
        if !enforced.is_empty() && all.all(|limits| limits.refuse(self.registry(), keys)) {
            return Err(no_room());
        }
        Ok(())
    }
}

impl Watch {
    /// Counts its connection as open, from now on and until no clone of this is left. For a
    /// connection that was renewed, it takes over the count of the watch that it stands
    /// `instead_of`.
    ///
    /// Call it when the service has accepted the handshake: with 101, or with 2xx for a `CONNECT`.
    ///
    /// # Errors
    ///
    /// [`RateLimited`](RejectionKind::RateLimited) if there is no room under one of its keys. It
    /// does not count then, and `instead_of` still does.
    pub fn open(
        &self,
        limits: &ConnectionLimits,
        instead_of: Option<&Self>,
    ) -> Result<Evicted, Rejection> {
        let instead_of = instead_of.map(|old| &**old.connection());
        let evicted = (self.registry()).open(self.connection(), instead_of, limits);
        evicted.map(Evicted).ok_or_else(no_room)
    }
}

/// The connections that have to go for a new one.
#[derive(Debug)]
#[must_use = "they stay open until they are ended"]
pub struct Evicted(Vec<Arc<Connection>>);

impl Evicted {
    /// Ends them with [`TooManyConnections`](DisconnectReason::TooManyConnections).
    pub fn end(self) {
        for connection in self.0 {
            connection.end(&DisconnectReason::TooManyConnections);
        }
    }
}

fn no_room() -> Rejection {
    let many = "as many connections are open under one of its keys as may be";
    Rejection::new(RejectionKind::RateLimited, many)
}
