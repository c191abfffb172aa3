use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tower_ws_auth_core::Clock;
use tower_ws_auth_core::revocation::Ending;

use crate::lease::Shared;

/// Every lease of a layer, in the order of their ends; and what ends them in time.
#[derive(Clone)]
pub struct Leases(Arc<Inner>);

struct Inner {
    clock: Clock,
    open: Mutex<Open>,
    /// The first end has changed.
    sooner: Notify,
}

#[derive(Default)]
struct Open {
    by_end: BTreeMap<Place, Arc<Shared>>,
    next: u64,
    /// The task that waits for the first end.
    waiting: Option<AbortHandle>,
}

/// Where a lease stands in the order: what has no end comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// In nanoseconds since the Unix epoch, which are compared faster than a `SystemTime`.
    end: u64,
    id: u64,
}

/// No end; every other one is before the year 2555.
const NEVER: u64 = u64::MAX;

/// How long the wall clock may have jumped before that is noticed.
const LOOK: Duration = Duration::from_secs(1);
/// How many leases are ended before the runtime has its turn.
const BATCH: usize = 32;

impl Leases {
    pub(crate) fn new(clock: Clock) -> Self {
        Self(Arc::new(Inner {
            clock,
            open: Mutex::default(),
            sooner: Notify::new(),
        }))
    }

    /// How many connections are open.
    pub fn len(&self) -> usize {
        self.0.lock().by_end.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends all that are open, for instance with [`Ending::GoingAway`] before the server stops,
    /// and says how many. What is opened meanwhile is not among them.
    pub async fn end_all(&self, ending: &Ending) -> usize {
        let all: Vec<_> = self.0.lock().by_end.values().cloned().collect();
        let mut ended = 0;
        for (n, lease) in all.into_iter().enumerate() {
            if n % BATCH == BATCH - 1 {
                tokio::task::yield_now().await;
            }
            ended += usize::from(lease.end(ending));
        }
        ended
    }

    /// Ready when none is open any more.
    pub async fn all_ended(&self) {
        while !self.is_empty() {
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn add(&self, end: Option<SystemTime>, lease: &Arc<Shared>) -> Place {
        let mut open = self.0.lock();
        open.next += 1;
        let id = open.next;
        self.put(open, end, id, lease)
    }

    pub(crate) fn remove(&self, place: Place) {
        let mut open = self.0.lock();
        if open.by_end.remove(&place).is_none() {
            open.by_end.remove(&place.told());
        }
    }

    /// Moves a lease to another end; `None` if it is not there any more.
    pub(crate) fn shift(
        &self,
        place: Place,
        end: Option<SystemTime>,
        lease: &Arc<Shared>,
    ) -> Option<Place> {
        let mut open = self.0.lock();
        open.by_end.remove(&place)?;
        Some(self.put(open, end, place.id, lease))
    }

    fn put(
        &self,
        mut open: MutexGuard<'_, Open>,
        end: Option<SystemTime>,
        id: u64,
        lease: &Arc<Shared>,
    ) -> Place {
        let end = end.map_or(NEVER, nanos);
        let place = Place { end, id };
        open.by_end.insert(place, Arc::clone(lease));
        if end == NEVER {
            return place;
        }
        let is_first = open.by_end.first_key_value().map(|(first, _)| *first) == Some(place);
        // It ends with the runtime that it is on, which need not be the only one.
        if open.waiting.as_ref().is_none_or(AbortHandle::is_finished) {
            let task = lease.runtime().spawn(wait(Arc::downgrade(&self.0)));
            open.waiting = Some(task.abort_handle());
        } else if is_first {
            drop(open);
            self.0.sooner.notify_one();
        }
        place
    }
}

impl Inner {
    /// Nothing under the lock panics.
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has ended by now, up to a batch, and how long it is to the next end.
    fn due(&self) -> (Vec<Arc<Shared>>, Option<Duration>) {
        let now = nanos(self.clock.now());
        let mut due = Vec::new();
        let mut open = self.lock();
        while let Some((&place, lease)) = open.by_end.first_key_value() {
            if place.end == NEVER {
                break;
            }
            let left = Duration::from_nanos(place.end.saturating_sub(now));
            if !left.is_zero() || due.len() == BATCH {
                return (due, Some(left.min(LOOK)));
            }
            due.push(Arc::clone(lease));
            // It is open until its client has gone.
            let lease = open.by_end.pop_first().map(|(_, lease)| lease);
            open.by_end.extend(lease.map(|lease| (place.told(), lease)));
        }
        // Nobody waits for what has no end; the next that has one begins anew.
        if due.is_empty() {
            open.waiting = None;
        }
        (due, None)
    }
}

impl Place {
    /// Where a lease stands whose end has come.
    fn told(self) -> Self {
        Self { end: NEVER, ..self }
    }
}

fn nanos(moment: SystemTime) -> u64 {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH);
    let nanos = since.unwrap_or_default().as_nanos();
    u64::try_from(nanos).map_or(NEVER - 1, |nanos| nanos.min(NEVER - 1))
}

/// Ends leases in time, as long as there are some that have an end.
async fn wait(leases: Weak<Inner>) {
    while let Some(leases) = leases.upgrade() {
        let (due, left) = leases.due();
        if due.is_empty() {
            let Some(left) = left else { return };
            // Whichever comes first, the order is looked at again.
            let _ = timeout(left, leases.sooner.notified()).await;
            continue;
        }
        for lease in due {
            lease.expire();
        }
        tokio::task::yield_now().await;
    }
}

impl fmt::Debug for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leases").field("open", &self.len()).finish()
    }
}
