use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore};

/// The refused clients that a script listens to, in the order in which they came.
///
/// Each holds a permit of the closing handshakes, and gives way when those run short.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    taken: BTreeMap<u64, Arc<Notify>>,
}

impl Places {
    /// Takes a place for as long as the result lives. If few of the permits are left, the client that
    /// has been here the longest gives way.
    pub(crate) fn take(self: &Arc<Self>, permits: &Semaphore, most: usize) -> Place {
        const FEW: usize = 8;
        if permits.available_permits() < most / FEW {
            self.free_one();
        }
        let gives_way = Arc::new(Notify::new());
        let mut taken = self.lock();
        let number = taken.next;
        taken.next += 1;
        taken.taken.insert(number, Arc::clone(&gives_way));
        drop(taken);
        Place {
            number,
            gives_way,
            places: Arc::clone(self),
        }
    }

    /// Asks the client that has been here the longest to give way.
    pub(crate) fn free_one(&self) {
        let first = self.lock().taken.pop_first();
        if let Some((_, gives_way)) = first {
            gives_way.notify_one();
        }
    }

    /// Asks all.
    pub(crate) fn free_all(&self) {
        let all = std::mem::take(&mut self.lock().taken);
        for gives_way in all.values() {
            gives_way.notify_one();
        }
    }

    /// Nothing under the lock panics.
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Place {
    number: u64,
    pub(crate) gives_way: Arc<Notify>,
    places: Arc<Places>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let left = self.places.lock().taken.remove(&self.number);
        drop(left);
    }
}
