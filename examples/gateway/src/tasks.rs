use std::net::SocketAddr;

use hyper::rt::Executor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// The other end of a client's connection; in the extensions of its requests.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// Held as long as the connection is of use.
    #[expect(dead_code, reason = "dropped, it is one visit less")]
    pub(crate) visit: TaskTrackerToken,
}

/// Everything that runs beside the accepting of connections, and ends with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    over: CancellationToken,
}

impl Tasks {
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let over = self.over.clone();
        self.tracker.spawn(async move {
            over.run_until_cancelled(task).await;
        });
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.tracker.len()
    }

    /// Ready when there is none, and there will be none.
    pub(crate) async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Drops those that are left.
    pub(crate) async fn end(&self) {
        self.over.cancel();
        self.ended().await;
    }
}

/// For hyper, which has a task for each request over HTTP/2.
impl<F> Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.spawn(task);
    }
}
