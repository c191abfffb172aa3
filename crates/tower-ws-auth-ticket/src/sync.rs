//! The one place that knows whether the memory store runs under loom's model checker.

#[cfg(loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};
#[cfg(not(loom))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};

#[cfg(not(loom))]
pub(crate) use std::hash::RandomState;
/// A model must do the same each time that it is run.
#[cfg(loom)]
pub(crate) type RandomState = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

use std::sync::PoisonError;

/// Locks, also where another thread has panicked: every critical section of this crate leaves
/// what it guards in order.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
