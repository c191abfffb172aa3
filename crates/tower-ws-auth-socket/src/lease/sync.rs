//! The one place that knows whether leases run under loom's model checker.

#[cfg(loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
pub(crate) use std::sync::{Mutex, MutexGuard, OnceLock};

/// Std's, in front of which the model checker sees who comes first.
#[cfg(loom)]
pub(crate) struct OnceLock<T> {
    taken: loom::sync::atomic::AtomicBool,
    value: std::sync::OnceLock<T>,
}

#[cfg(loom)]
impl<T> OnceLock<T> {
    pub(crate) fn new() -> Self {
        Self {
            taken: loom::sync::atomic::AtomicBool::new(false),
            value: std::sync::OnceLock::new(),
        }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        let taken = self.taken.load(loom::sync::atomic::Ordering::Acquire);
        taken.then(|| self.value.get()).flatten()
    }

    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        if self.taken.swap(true, loom::sync::atomic::Ordering::AcqRel) {
            return Err(value);
        }
        // The model checker changes threads at its own operations alone: nobody comes in between.
        self.value.set(value)
    }
}
