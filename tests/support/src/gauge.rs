use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::until;

/// Counts the present values, and all values ever.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    now: AtomicUsize,
    ever: AtomicUsize,
}

impl Gauge {
    /// Counts one until the returned value is dropped.
    pub fn hold(&self) -> Held {
        self.0.now.fetch_add(1, Ordering::SeqCst);
        self.0.ever.fetch_add(1, Ordering::SeqCst);
        Held(Arc::clone(&self.0))
    }

    /// The number of present values.
    pub fn now(&self) -> usize {
        self.0.now.load(Ordering::SeqCst)
    }

    /// The number of all values ever.
    pub fn ever(&self) -> usize {
        self.0.ever.load(Ordering::SeqCst)
    }

    /// Waits until there are none. If they stay, the panic names `what` they are.
    pub async fn none_left(&self, what: &str) {
        until(what, || self.now() == 0).await;
    }
}

/// Counts for as long as it lives.
#[derive(Debug)]
pub struct Held(Arc<Counts>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}
