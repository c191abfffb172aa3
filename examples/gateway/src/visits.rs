//! The uses of a client's connection.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::body::Moved;

/// The time after which an unused HTTP/2 connection ends. Longer than a closing handshake takes.
const QUIET: Duration = Duration::from_secs(15);

/// Requests that are being answered, and WebSockets.
#[derive(Debug)]
pub(crate) struct Visits {
    open: TaskTracker,
    came: AtomicBool,
    bodies: Mutex<Vec<Answer>>,
    /// Whether there was such a body.
    answered: AtomicBool,
    began: Instant,
    /// Since when the client takes nothing of what is written, in milliseconds from `began` on.
    waits_since: AtomicU64,
}

/// The client takes what is written.
const NEVER: u64 = u64::MAX;

impl Default for Visits {
    fn default() -> Self {
        Self {
            open: TaskTracker::default(),
            came: AtomicBool::default(),
            bodies: Mutex::default(),
            answered: AtomicBool::default(),
            began: Instant::now(),
            waits_since: AtomicU64::new(NEVER),
        }
    }
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
        self.answered.store(true, Ordering::Relaxed);
        let body = Arc::downgrade(body);
        bodies.push(Answer { body, stream });
    }

    /// Notes whether the client takes what is written.
    pub(crate) fn takes(&self, takes: bool) {
        let waits = self.waits_for_its_client();
        if takes && waits {
            self.waits_since.store(NEVER, Ordering::Relaxed);
        } else if !takes && !waits {
            let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(NEVER - 1);
            self.waits_since.store(now, Ordering::Relaxed);
        }
    }

    pub(crate) fn waits_for_its_client(&self) -> bool {
        self.waits_since.load(Ordering::Relaxed) != NEVER
    }

    /// For how long it has waited with the end of an answer. hyper has dropped the body by then.
    fn waits(&self) -> Option<Duration> {
        let since = self.waits_since.load(Ordering::Relaxed);
        let is_end = since != NEVER && self.answered.load(Ordering::Relaxed);
        let waits = self.began.elapsed();
        is_end.then(|| waits.saturating_sub(Duration::from_millis(since)))
    }

    /// Whether there was one since the last call, or a client has not taken the end of its answer.
    fn were_there(&self) -> bool {
        let came = self.came.swap(false, Ordering::Relaxed);
        came || !self.open.is_empty() || self.waits().is_some()
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
            let is_end = self.open.is_empty();
            if is_end && self.waits().is_some_and(|waits| waits > longest) {
                tracing::info!(%client, "a client does not take the end of its answer");
                return;
            }
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
    async fn a_connection_is_in_use_until_its_client_has_taken_the_end_of_an_answer() {
        let visits = Visits::default();
        visits.watch(&Arc::default(), None);
        visits.takes(false);
        assert!(timeout(LONG, visits.unused(HEAD)).await.is_err());
        visits.takes(true);
        assert!(timeout(LONG, visits.unused(HEAD)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_of_the_end_is_not_waited_for_longer_than_for_a_body() {
        let client = "127.0.0.1:9".parse().unwrap();
        let visits = Visits::default();
        visits.watch(&Arc::default(), None);
        let patience = Duration::from_secs(120);
        assert!(timeout(LONG, visits.stuck(patience, client)).await.is_err());
        let began = Instant::now();
        visits.takes(false);
        assert!(timeout(LONG, visits.stuck(patience, client)).await.is_ok());
        assert!(began.elapsed() <= patience * 2 + Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_of_another_answer_keeps_no_connection() {
        let visits = Visits::default();
        visits.takes(false);
        assert!(timeout(LONG, visits.unused(HEAD)).await.is_ok());
    }

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
