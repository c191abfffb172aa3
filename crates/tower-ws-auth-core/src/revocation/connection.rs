use std::fmt;
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use super::{DisconnectReason, Revocation, RevocationKey};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// One connection, from its handshake on: its revocation keys, and its disconnect reason.
pub struct Connection {
    id: u64,
    keys: Box<[RevocationKey]>,
    since: SystemTime,
    /// Its position in the registry under each of its keys. The true one may be a little later.
    order: AtomicU64,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    listener: Option<Weak<dyn Listener>>,
}

/// Who holds a connection, and is told of its end.
pub trait Listener: Send + Sync {
    /// The connection was ended.
    fn ended(&self, reason: &DisconnectReason);

    /// A key was revoked [with a margin](super::Revocations::revoke_within): the connection is to
    /// end at that moment, unless it is renewed before. `false` if nobody sees to that: it ends at
    /// once.
    fn noticed(self: Arc<Self>, _deadline: SystemTime, _reason: &DisconnectReason) -> bool {
        false
    }
}

enum Phase {
    /// The store is being asked. Revocations that arrive meanwhile wait for its answer.
    Checking {
        heard: Vec<(Arc<str>, Revocation)>,
    },
    /// Valid, with the known revocations of its keys that its credential outlives, in microseconds
    /// since the Unix epoch.
    Open {
        known: Vec<(Arc<str>, u64)>,
    },
    Ended(DisconnectReason),
}

impl Connection {
    pub(super) fn new(id: u64, keys: Box<[RevocationKey]>, since: SystemTime) -> Self {
        let phase = Phase::Checking { heard: Vec::new() };
        Self {
            id,
            keys,
            since,
            order: AtomicU64::new(id),
            state: Mutex::new(State {
                phase,
                listener: None,
            }),
        }
    }

    /// The connection's number on this node. A later one has a greater number.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The keys that can revoke it.
    pub fn keys(&self) -> &[RevocationKey] {
        &self.keys
    }

    /// The moment at which its handshake was decided.
    pub fn since(&self) -> SystemTime {
        self.since
    }

    /// Why it was ended; `None` while it is open.
    pub fn disconnect_reason(&self) -> Option<DisconnectReason> {
        match &self.lock().phase {
            Phase::Ended(reason) => Some(reason.clone()),
            Phase::Checking { .. } | Phase::Open { .. } => None,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.lock().phase, Phase::Ended(_))
    }

    pub(super) fn order(&self) -> u64 {
        self.order.load(Ordering::Acquire)
    }

    /// Notes its new position under all of its keys. The true one may be a little later.
    pub(super) fn move_to(&self, order: u64) {
        self.order.store(order, Ordering::Release);
    }

    /// Ends it. Returns `true` if it was not ended before.
    pub fn end(&self, reason: &DisconnectReason) -> bool {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Ended(_)) {
            return false;
        }
        state.phase = Phase::Ended(reason.clone());
        let listener = state.listener.take();
        // Unlocked first, because the listener may call this connection again.
        drop(state);
        if let Some(listener) = listener.and_then(|listener| listener.upgrade()) {
            listener.ended(reason);
        }
        true
    }

    /// Tells the listener when the connection is ended, or at once if it already was. A second call
    /// replaces the first listener.
    pub fn listen(&self, listener: Weak<dyn Listener>) {
        let mut state = self.lock();
        let Phase::Ended(reason) = &state.phase else {
            state.listener = Some(listener);
            return;
        };
        let reason = reason.clone();
        drop(state);
        if let Some(listener) = listener.upgrade() {
            listener.ended(&reason);
        }
    }

    /// Hears that a key was revoked. It ends, unless its handshake knew this revocation or a later
    /// one.
    ///
    /// No clocks are compared here: the store has ordered the moments of one key.
    pub(super) fn hear(&self, key: &str, revocation: &Revocation) {
        let mut state = self.lock();
        let deadline = match &mut state.phase {
            Phase::Checking { heard } => {
                return heard.push((Arc::from(key), revocation.clone()));
            }
            Phase::Open { known } => {
                let of_key = known.iter().filter(|(of, _)| **of == *key);
                let known = of_key.map(|(_, at)| *at).max();
                if known >= Some(revocation.micros()) {
                    return;
                }
                revocation.deadline(known)
            }
            Phase::Ended(_) => return,
        };
        let listener = state.listener.clone();
        // Unlocked first, because the listener may call this connection again.
        drop(state);
        let reason = revocation.reason();
        let is_noticed = |deadline| {
            let listener = listener.and_then(|listener| listener.upgrade());
            listener.is_some_and(|listener| listener.noticed(deadline, reason))
        };
        if !deadline.is_some_and(is_noticed) {
            self.end(reason);
        }
    }

    /// Decides by the store's answer, in the order of the keys.
    pub(super) fn decide(
        &self,
        found: Vec<Option<Revocation>>,
        issued_at: Option<SystemTime>,
        skew: Duration,
    ) -> Result<(), DisconnectReason> {
        let mut state = self.lock();
        let heard = match &mut state.phase {
            Phase::Checking { heard } => std::mem::take(heard),
            Phase::Open { .. } => Vec::new(),
            Phase::Ended(reason) => return Err(reason.clone()),
        };
        let mut known = Vec::new();
        for (key, revocation) in self.keys.iter().zip(found) {
            let Some(revocation) = revocation else {
                continue;
            };
            if key.is_refused_by(&revocation, issued_at, skew) {
                return Err(revocation.into_reason());
            }
            known.push((Arc::clone(key.shared_name()), revocation.micros()));
        }
        // Revocations that arrived after the store was asked.
        for (key, revocation) in heard {
            let knew = known
                .iter()
                .any(|(of, at)| *of == key && *at >= revocation.micros());
            if !knew {
                return Err(revocation.into_reason());
            }
        }
        state.phase = Phase::Open { known };
        Ok(())
    }

    /// Whether it has heard of each revocation of these keys since its own handshake, and knows none
    /// that they do not know.
    ///
    /// A credential with them that was checked since then has missed nothing, wherever that was: a
    /// later revocation ends this connection, or its holder is told of it.
    #[doc(hidden)]
    pub fn covers(&self, keys: &[RevocationKey]) -> bool {
        let Phase::Open { known } = &self.lock().phase else {
            return false;
        };
        keys.iter().all(|key| {
            let is_own = self.keys.iter().any(|own| own.name() == key.name());
            let of_key = known.iter().filter(|(of, _)| **of == *key.name());
            let known = of_key.map(|(_, at)| *at).max();
            is_own && known <= key.known_micros()
        })
    }

    /// Notes in these keys the revocations that its handshake knew.
    pub(crate) fn inform(&self, keys: &mut [RevocationKey]) {
        if let Phase::Open { known } = &self.lock().phase {
            for (of, revoked_at) in known {
                let named = keys.iter_mut().filter(|key| key.shared_name() == of);
                named.for_each(|key| key.know(*revoked_at));
            }
        }
    }

    /// Nothing under the lock panics.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.id)
            .field("keys", &self.keys)
            .field("since", &self.since)
            .field("reason", &self.disconnect_reason())
            .finish_non_exhaustive()
    }
}
