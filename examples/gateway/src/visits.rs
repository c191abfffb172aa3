//! The uses of a client's connection.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
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
    bodies: Mutex<Vec<Answer>>,
}

/// The body of an answer on its way, and what ends its stream over HTTP/2.
#[derive(Debug)]
struct Answer {
    body: Weak<Moved>,
    stream: Option<CancellationToken>,
}

impl Visits {
    pub(crate) fn begin(&self) -> TaskTrackerToken {
        self.came.store(true, Ordering::Relaxed);
        self.open.token()
    }

    /// Watches the body of an answer, which nobody polls while its client takes nothing.
    pub(crate) fn watch(&self, body: &Arc<Moved>, stream: Option<CancellationToken>) {
        let mut bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        bodies.retain(|answer| answer.body.strong_count() > 0);
        let body = Arc::downgrade(body);
        bodies.push(Answer { body, stream });
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
    /// upstream that sends nothing. Over HTTP/2 the stream of that answer ends, and no other.
    pub(crate) async fn stuck(&self, patience: Duration, client: SocketAddr) {
        loop {
            sleep(patience / 2).await;
            let longest = patience * 3 / 2;
            let bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
            for Answer { body, stream } in bodies.iter() {
                let body = body.upgrade();
                if body.is_none_or(|body| body.still() <= longest) {
                    continue;
                }
                tracing::info!(%client, "a client takes nothing of its answer");
                match stream {
                    Some(stream) => stream.cancel(),
                    None => return,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const HEAD: Duration = Duration::from_secs(10);
    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_taken_ends_its_own_stream_or_the_connection() {
        let client = "127.0.0.1:9".parse().unwrap();
        let visits = Visits::default();
        let (body, stream) = (Arc::new(Moved::default()), CancellationToken::new());
        visits.watch(&body, Some(stream.clone()));
        assert!(timeout(LONG, visits.stuck(HEAD, client)).await.is_err());
        assert!(stream.is_cancelled());
        visits.watch(&body, None);
        assert!(timeout(LONG, visits.stuck(HEAD, client)).await.is_ok());
    }
}
