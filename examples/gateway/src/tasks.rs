use std::net::SocketAddr;
use std::sync::Arc;

use hyper::rt::Executor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::access::Access;
use crate::visits::Visits;

/// The peer of a client's connection, in the extensions of its requests.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) access: Arc<Access>,
    pub(crate) visits: Arc<Visits>,
    /// Held as long as the connection is used.
    #[expect(dead_code, reason = "dropped, it is one visit less")]
    pub(crate) visit: TaskTrackerToken,
}

/// All tasks beside the accepting of connections. They end with it.
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

    /// The number of tasks.
    pub(crate) fn count(&self) -> usize {
        self.tracker.len()
    }

    /// Ready when there is no task, and there will be none.
    pub(crate) async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Aborts the remaining tasks.
    pub(crate) async fn end(&self) {
        self.over.cancel();
        self.ended().await;
    }
}

tokio::task_local! {
    static STREAM: CancellationToken;
}

/// Ends the HTTP/2 stream of the request that this task answers. Over HTTP/1 there is none.
pub(crate) fn stream() -> Option<CancellationToken> {
    STREAM.try_with(Clone::clone).ok()
}

/// For hyper, which spawns a task for each request over HTTP/2.
impl<F> Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        let stream = CancellationToken::new();
        let ended = stream.clone();
        // hyper resets a stream whose task is dropped.
        self.spawn(STREAM.scope(stream, async move {
            ended.run_until_cancelled(task).await;
        }));
    }
}
