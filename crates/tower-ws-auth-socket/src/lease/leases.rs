use std::fmt;
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use tokio::runtime::Id;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tower_ws_auth_core::Clock;
use tower_ws_auth_core::revocation::DisconnectReason;

use crate::lease::expiry_queue::{ExpiryQueue, Place};
use crate::lease::renewals::{Named, Users};
use crate::lease::shared::Shared;
use crate::lease::sync::{Mutex, MutexGuard};

/// Every lease of a layer, in the order of their ends; and what ends them in time.
#[derive(Clone)]
pub struct Leases(Arc<Inner>);

struct Inner {
    clock: Clock,
    users: Option<Users>,
    named: Named,
    open: Mutex<Open>,
    /// The first end has changed.
    sooner: Notify,
}

#[derive(Default)]
struct Open {
    order: ExpiryQueue<Arc<Shared>>,
    /// The tasks that wait for the first end: one on each runtime with leases, so that none ends with
    /// the runtime of another.
    waiting: Vec<(Id, AbortHandle)>,
}

/// How long the wall clock may have jumped before that is noticed.
const LOOK: Duration = Duration::from_secs(1);
/// How many leases are ended before the runtime has its turn.
const BATCH: usize = 32;

impl Leases {
    pub(crate) fn new(clock: Clock) -> Self {
        Self::of(clock, None)
    }

    fn of(clock: Clock, users: Option<Users>) -> Self {
        Self(Arc::new(Inner {
            clock,
            users,
            named: Named::default(),
            open: Mutex::default(),
            sooner: Notify::new(),
        }))
    }

    pub(crate) fn with_clock(&self, clock: Clock) -> Self {
        Self::of(clock, self.0.users.clone())
    }

    pub(crate) fn with_users(&self, users: Users) -> Self {
        Self::of(self.0.clock.clone(), Some(users))
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// How the users of connections are read, if those can be renewed.
    pub(crate) fn users(&self) -> Option<&Users> {
        self.0.users.as_ref()
    }

    /// The connections by their names.
    pub(crate) fn named(&self) -> &Named {
        &self.0.named
    }

    /// How many leases there are: of the open connections, and of handshakes and ordinary requests
    /// that are being answered.
    pub fn len(&self) -> usize {
        self.0.lock().order.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends all that there are, for instance with [`DisconnectReason::GoingAway`] before the server stops,
    /// and says how many. Requests that come meanwhile are not among them.
    pub async fn end_all(&self, reason: &DisconnectReason) -> usize {
        self.end_some(usize::MAX, reason).await
    }

    /// Ends at most this many of them, and says how many. Handshakes and requests that are being
    /// answered count as well: the connection of such a handshake ends once it is open. A shutdown that calls it every so often
    /// spreads the clients that come back elsewhere over its time.
    pub async fn end_some(&self, most: usize, reason: &DisconnectReason) -> usize {
        let open = |lease: &&Arc<Shared>| lease.disconnect_reason().is_none();
        let all: Vec<_> = {
            let leases = self.0.lock();
            leases
                .order
                .iter()
                .filter(open)
                .take(most)
                .cloned()
                .collect()
        };
        let mut ended = 0;
        for (n, lease) in all.into_iter().enumerate() {
            if n % BATCH == BATCH - 1 {
                tokio::task::yield_now().await;
            }
            ended += usize::from(lease.end(reason));
        }
        ended
    }

    /// Ready when there is none any more.
    pub async fn all_ended(&self) {
        while !self.is_empty() {
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn add(&self, end: Option<SystemTime>, lease: &Arc<Shared>) -> Place {
        let mut open = self.0.lock();
        let place = open.order.add(end, Arc::clone(lease));
        self.wait_for(place, open, lease);
        place
    }

    pub(crate) fn remove(&self, place: Place) {
        self.0.lock().order.remove(place);
    }

    /// Moves a lease to another end; `None` if it is not there any more.
    pub(crate) fn shift(
        &self,
        place: Place,
        end: Option<SystemTime>,
        lease: &Arc<Shared>,
    ) -> Option<Place> {
        let mut open = self.0.lock();
        let place = open.order.shift(place, end)?;
        self.wait_for(place, open, lease);
        Some(place)
    }

    /// Sees to it that somebody waits for this end.
    fn wait_for(&self, place: Place, mut open: MutexGuard<'_, Open>, lease: &Shared) {
        if !place.has_end() {
            return;
        }
        open.waiting.retain(|(_, task)| !task.is_finished());
        let runtime = lease.runtime();
        if open.waiting.iter().all(|(id, _)| *id != runtime.id()) {
            let task = runtime.spawn(wait(Arc::downgrade(&self.0), runtime.id()));
            open.waiting.push((runtime.id(), task.abort_handle()));
        } else if open.order.is_first(place) && self.0.is_soon(place) {
            drop(open);
            self.0.sooner.notify_one();
        }
    }
}

impl Inner {
    /// Nothing under the lock panics.
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an end may come before the task that waits looks again by itself.
    fn is_soon(&self, place: Place) -> bool {
        let next = self.clock.now().checked_add(LOOK);
        !next.is_some_and(|next| place.ends_after(next))
    }

    /// What has ended by now, up to a batch, and how long it is to the next end.
    fn due(&self, here: Id) -> (Vec<Arc<Shared>>, Option<Duration>) {
        let now = self.clock.now();
        let mut open = self.lock();
        let (due, left) = open.order.due(now, BATCH);
        // Nobody waits for what has no end; the next that has one begins anew.
        if due.is_empty() && left.is_none() {
            open.waiting.retain(|(id, _)| *id != here);
        }
        (due, left.map(|left| left.min(LOOK)))
    }
}

/// Ends leases in time, as long as there are some that have an end. It runs `here`.
async fn wait(leases: Weak<Inner>, here: Id) {
    while let Some(leases) = leases.upgrade() {
        let (due, left) = leases.due(here);
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
        f.debug_struct("Leases")
            .field("open", &self.len())
            .field("named", &self.0.named.len())
            .finish()
    }
}
