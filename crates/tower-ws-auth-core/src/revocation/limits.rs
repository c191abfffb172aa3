use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::registry::Registry;
use super::{Connection, DisconnectReason, Revocations, Watch};
use crate::{Rejection, RejectionKind};

/// The connection to end when there are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OverLimit {
    /// The new one is refused: 429 `rate_limited`. If the limit is found only after the upgrade,
    /// the connection is ended at once: 4429 `too_many_connections`.
    RefuseNewest,
    /// The oldest one is ended: 4429 `too_many_connections`.
    EndOldest,
}

/// The number of connections that may be open under a key on one node, by the key's prefix.
///
/// Only accepted and upgraded connections count, until they are ended. For authors of layers:
/// `LeaseLayer` enforces its `max_connections` by this.
///
/// ```
/// use tower_ws_auth_core::private::{ConnectionLimits, Watch};
/// use tower_ws_auth_core::revocation::OverLimit;
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
    /// Starts without limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows at most `most` connections under each key that begins with `prefix`, such as `user:`.
    /// If several limits match a key, each of them applies.
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

    /// The lowest limit of this kind that matches the key.
    pub(super) fn most(&self, key: &str, over: OverLimit) -> Option<usize> {
        let concerned = self.0.iter().filter(|limit| limit.over == over);
        concerned
            .filter(|limit| key.starts_with(&*limit.prefix))
            .map(|limit| limit.most)
            .min()
    }

    /// Whether they have room for this connection under each of its keys.
    fn have_room(&self, registry: &Registry, connection: &Connection) -> bool {
        connection.keys().iter().all(|key| {
            let most = self.most(key, OverLimit::RefuseNewest);
            most.is_none_or(|most| registry.has_room(key, most, connection))
        })
    }

    /// Whether they may refuse a connection.
    fn may_refuse(&self) -> bool {
        let mut all = self.0.iter();
        all.any(|limit| limit.over == OverLimit::RefuseNewest)
    }
}

/// The limits of the layers in use. The lock is std's: nothing waits while it is held, so the model
/// checker need not see it.
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
    /// States that a layer enforces these limits, for as long as someone else holds them too.
    ///
    /// If every such layer refuses a connection, a [revocable] strategy refuses it before it spends
    /// a single-use credential. If not, the handshake holds a place under its keys from then on,
    /// until it is opened or dropped, and for at most 10 seconds.
    ///
    /// [revocable]: crate::AuthenticateExt::revocable
    pub fn enforce(&self, limits: &Arc<ConnectionLimits>) {
        self.registry().enforced.add(limits);
    }

    /// Whether every layer in use may refuse a connection.
    pub(crate) fn are_limited(&self) -> bool {
        let enforced = self.registry().enforced.all();
        !enforced.is_empty() && enforced.iter().all(|limits| limits.may_refuse())
    }

    /// Takes a place for a connection that is about to spend its credential. Refuses it if every
    /// layer in use would. A renewal needs none under the keys of `instead_of`.
    pub(crate) fn reserve(
        &self,
        watch: &Watch,
        instead_of: Option<&Watch>,
    ) -> Result<(), Rejection> {
        let enforced = self.registry().enforced.all();
        let mut all = enforced.iter();
        // Numbers of another registry mean other connections.
        let old = instead_of.filter(|old| old.is_of(self));
        let old = old.map(|old| &**old.connection());
        let finds_room = |limits| self.registry().reserve(watch.connection(), old, limits);
        if enforced.is_empty() || all.any(|limits| finds_room(limits)) {
            return Ok(());
        }
        Err(no_room())
    }
}

impl Watch {
    /// Whether its connection would find room now, beside those that are open and those that hold a
    /// place. Limits that [end the oldest](OverLimit::EndOldest) always have room.
    pub fn has_room(&self, limits: &ConnectionLimits) -> bool {
        limits.have_room(self.registry(), self.connection())
    }

    /// Counts its connection as open, from now until the last clone of this is dropped. A renewed
    /// connection takes over the count of `instead_of`.
    ///
    /// Call it when the service has accepted the handshake: with 101, or with 2xx for a `CONNECT`.
    ///
    /// # Errors
    ///
    /// [`RateLimited`](RejectionKind::RateLimited) if there is no room under one of its keys. Then
    /// it does not count, and `instead_of` still does.
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

/// The connections to end in favour of a new one.
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
