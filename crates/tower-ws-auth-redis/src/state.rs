use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::{RedisError, trace};

/// Counts the commands in flight. No caller waits for a place, so it need not be a semaphore.
pub(crate) struct InFlight {
    now: AtomicUsize,
    most: usize,
}

pub(crate) struct Place<'a>(&'a AtomicUsize);

impl InFlight {
    pub(crate) fn new(most: usize) -> Self {
        let now = AtomicUsize::new(0);
        Self { now, most }
    }

    pub(crate) fn most(&self) -> usize {
        self.most
    }

    pub(crate) fn enter(&self) -> Option<Place<'_>> {
        let before = self.now.fetch_add(1, Ordering::Relaxed);
        // Dropping it returns a place beyond the maximum.
        let place = Place(&self.now);
        (before < self.most).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether Redis answers, by the results of commands: odd if it does. It only counts up, so that a
/// command which began before the last change cannot undo that change.
#[derive(Default)]
pub(crate) struct State(AtomicU64);

impl State {
    pub(crate) fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn answered(&self) {
        let now = self.now();
        if now.is_multiple_of(2) && self.change(now, now + 1) {
            trace::connected();
        }
    }

    pub(crate) fn failed(&self, began: u64, error: &RedisError) {
        let next = match began {
            0 => 2,
            began if began.is_multiple_of(2) => return,
            began => began + 1,
        };
        if self.change(began, next) {
            trace::lost(error);
        }
    }

    fn change(&self, from: u64, to: u64) -> bool {
        (self.0)
            .compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }
}
