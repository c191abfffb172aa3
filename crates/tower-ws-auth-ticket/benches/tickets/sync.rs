//! What stands in for the library's `sync` in [`crate::memory`].

use std::cell::Cell;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
pub(crate) use std::sync::atomic;
use std::time::{Duration, Instant};

/// Each try is to do the same.
pub(crate) type RandomState = BuildHasherDefault<DefaultHasher>;

thread_local! {
    static LONGEST: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// The longest time that this thread held a lock since it asked last.
pub(crate) fn longest_hold() -> Duration {
    LONGEST.take()
}

pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

/// A lock that is held.
pub(crate) struct Held<'a, T> {
    guard: std::sync::MutexGuard<'a, T>,
    since: Instant,
}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> Held<'_, T> {
    let guard = mutex.0.lock().unwrap_or_else(PoisonError::into_inner);
    Held {
        guard,
        since: Instant::now(),
    }
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for Held<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl<T> Drop for Held<'_, T> {
    fn drop(&mut self) {
        let held = self.since.elapsed();
        LONGEST.set(LONGEST.get().max(held));
    }
}
