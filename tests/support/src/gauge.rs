use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::sleep;

use crate::bounded;

/// Counts what is there at present, and what ever was.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    now: AtomicUsize,
    ever: AtomicUsize,
}

impl Gauge {
    /// Counts one until what it returns is dropped.
    pub fn hold(&self) -> Held {
        self.0.now.fetch_add(1, Ordering::SeqCst);
        self.0.ever.fetch_add(1, Ordering::SeqCst);
        Held(Arc::clone(&self.0))
    }

    /// How many there are.
    pub fn now(&self) -> usize {
        self.0.now.load(Ordering::SeqCst)
    }

    /// How many there ever were.
    pub fn ever(&self) -> usize {
        self.0.ever.load(Ordering::SeqCst)
    }

    /// Waits until there are none; `what` they are says the panic if they stay.
    pub async fn none_left(&self, what: &str) {
        let none = async {
            while self.now() > 0 {
                sleep(Duration::from_millis(2)).await;
            }
        };
        bounded(what, none).await;
    }
}

/// Is counted for as long as it lives.
#[derive(Debug)]
pub struct Held(Arc<Counts>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}
