use std::io;

use redis::RedisResult;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// Work in a task of its own, once at a time. It goes on when its caller gives up, and the next
/// caller gets its value. Dropping this ends it.
pub(crate) struct Background<T> {
    task: JoinSet<RedisResult<T>>,
    runtime: Handle,
}

impl<T: Send + 'static> Background<T> {
    pub(crate) fn new(runtime: Handle) -> Self {
        let task = JoinSet::new();
        Self { task, runtime }
    }

    /// Waits for the work that is under way, or does this.
    pub(crate) async fn run(
        &mut self,
        work: impl Future<Output = RedisResult<T>> + Send + 'static,
    ) -> RedisResult<T> {
        // An earlier error is out of date.
        if let Some(Ok(Ok(value))) = self.task.try_join_next() {
            return Ok(value);
        }
        self.begin(work);
        match self.task.join_next().await {
            Some(Ok(result)) => result,
            // The runtime shuts down.
            _ => Err(io::Error::from(io::ErrorKind::BrokenPipe).into()),
        }
    }

    /// Begins this, unless work is under way.
    pub(crate) fn begin(&mut self, work: impl Future<Output = RedisResult<T>> + Send + 'static) {
        while self.task.try_join_next().is_some() {}
        if self.task.is_empty() {
            self.task.spawn_on(work, &self.runtime);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use futures_util::FutureExt as _;
    use test_support::{bounded, settle};
    use tokio::sync::oneshot;

    use super::*;

    /// Work that ends when the sender says so.
    fn work() -> (
        oneshot::Sender<RedisResult<u8>>,
        impl Future<Output = RedisResult<u8>> + use<>,
    ) {
        let (end, ends) = oneshot::channel();
        (end, async { ends.await.unwrap() })
    }

    #[tokio::test]
    async fn its_value_is_for_the_next_caller_when_the_first_one_gives_up() {
        let mut background = Background::new(Handle::current());
        let (end, work) = work();
        assert!(background.run(work).now_or_never().is_none());
        end.send(Ok(1)).unwrap();
        let value = bounded("the value", background.run(pending())).await;
        assert_eq!(value, Ok(1));
        assert_eq!(background.run(async { Ok(2) }).await, Ok(2));
    }

    #[tokio::test]
    async fn an_error_is_not_for_the_next_caller() {
        let mut background = Background::new(Handle::current());
        let (end, work) = work();
        assert!(background.run(work).now_or_never().is_none());
        let error = io::Error::from(io::ErrorKind::ConnectionRefused);
        end.send(Err(error.into())).unwrap();
        settle().await;
        assert_eq!(background.run(async { Ok(2) }).await, Ok(2));
    }

    #[tokio::test]
    async fn ends_when_it_is_dropped() {
        let mut background = Background::new(Handle::current());
        let (mut end, work) = work();
        background.begin(work);
        settle().await;
        assert!(!end.is_closed());
        drop(background);
        bounded("the end of the work", end.closed()).await;
    }
}
