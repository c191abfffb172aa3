//! The uses of a client's connection.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::body::Moved;

/// The time after which an unused HTTP/2 connection ends. Longer than a closing handshake takes.
const QUIET: Duration = Duration::from_secs(15);

/// Requests that are being answered, and WebSockets.
#[derive(Debug, Default)]
pub(crate) struct Visits {
    open: TaskTracker,
    came: AtomicBool,
    bodies: Mutex<Vec<Weak<Moved>>>,
}

impl Visits {
    pub(crate) fn begin(&self) -> TaskTrackerToken {
        self.came.store(true, Ordering::Relaxed);
        self.open.token()
    }

    /// Watches the body of an answer, which nobody polls while its client takes nothing.
    pub(crate) fn watch(&self, body: &Arc<Moved>) {
        let mut bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        bodies.retain(|body| body.strong_count() > 0);
        bodies.push(Arc::downgrade(body));
    }

    /// Whether there was one since the last call.
    fn were_there(&self) -> bool {
        self.came.swap(false, Ordering::Relaxed) || !self.open.is_empty()
    }

    /// Ready when the connection has been unused for too long. hyper has no timeout before it knows
    /// the protocol, and none for an idle HTTP/2 connection.
    pub(crate) async fn unused(&self, head: Duration) {
        sleep(head).await;
        while self.were_there() {
            sleep(QUIET).await;
        }
    }

    /// Ready when a client takes nothing of an answer. The body's own timer comes first if it is the
    /// upstream that sends nothing.
    pub(crate) async fn stuck(&self, patience: Duration) {
        loop {
            sleep(patience / 2).await;
            let bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
            let mut bodies = bodies.iter().filter_map(Weak::upgrade);
            if bodies.any(|body| body.still() > patience * 3 / 2) {
                return;
            }
        }
    }
}
