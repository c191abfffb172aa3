use std::fmt;
use std::sync::{Arc, PoisonError};
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
    on_end: Option<OnEnd>,
    on_notice: Option<OnNotice>,
}

type OnEnd = Box<dyn FnOnce(&DisconnectReason) + Send>;
/// Gets the moment by which the connection ends, and the reason.
type OnNotice = Arc<dyn Fn(SystemTime, &DisconnectReason) + Send + Sync>;

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
                on_end: None,
                on_notice: None,
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
        let on_end = state.on_end.take();
        // Unlocked first, because the callback may call this connection again.
        drop(state);
        if let Some(on_end) = on_end {
            on_end(reason);
        }
        true
    }

    /// Calls `told` when the connection is ended, or at once if it already was. A second call
    /// replaces the first callback.
    pub fn on_end(&self, told: impl FnOnce(&DisconnectReason) + Send + 'static) {
        let mut state = self.lock();
        match &state.phase {
            Phase::Ended(reason) => {
                let reason = reason.clone();
                drop(state);
                told(&reason);
            }
            Phase::Checking { .. } | Phase::Open { .. } => state.on_end = Some(Box::new(told)),
        }
    }

    /// Calls `told` when a key is revoked [with a margin](super::Revocations::revoke_within): the
    /// connection is to end at that moment, unless it is renewed before. Without this it ends at
    /// once. A second call replaces the first callback.
    pub fn on_notice(&self, told: impl Fn(SystemTime, &DisconnectReason) + Send + Sync + 'static) {
        self.lock().on_notice = Some(Arc::new(told));
    }

    /// Hears that a key was revoked. It ends, unless its handshake knew this revocation or a later
    /// one.
    ///
    /// No clocks are compared here: the store has ordered the moments of one key.
    pub(super) fn hear(&self, key: &str, revocation: &Revocation) {
        let mut state = self.lock();
        match &mut state.phase {
            Phase::Checking { heard } => {
                return heard.push((Arc::from(key), revocation.clone()));
            }
            Phase::Open { known } => {
                let is_known =
                    |(of, at): &(Arc<str>, u64)| **of == *key && *at >= revocation.micros();
                if known.iter().any(is_known) {
                    return;
                }
            }
            Phase::Ended(_) => return,
        }
        let on_notice = state.on_notice.clone();
        // Unlocked first, because a callback may call this connection again.
        drop(state);
        match (on_notice, revocation.deadline()) {
            (Some(on_notice), Some(deadline)) => on_notice(deadline, revocation.reason()),
            _ => drop(self.end(revocation.reason())),
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
