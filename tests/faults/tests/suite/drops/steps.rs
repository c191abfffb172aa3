//! Futures that are driven step by step, and dropped at each place where they wait.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

pub(crate) const PAUSE_OF_A_SLOW_CLIENT: Duration = Duration::from_millis(100);

/// A future, polled as an executor would: again only when it was woken.
struct Steps<F: Future>(Pin<Box<F>>);

impl<F: Future> Steps<F> {
    fn new(future: F) -> Self {
        Self(Box::pin(future))
    }

    /// Polls it up to so many times; `None` if it waits still.
    async fn poll(&mut self, polls: usize) -> Option<F::Output> {
        for _ in 0..polls {
            let woken = Arc::new(Woken::default());
            let waker = Waker::from(Arc::clone(&woken));
            if let Poll::Ready(output) = self.0.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Some(output);
            }
            // The time is paused, so this ends at once if no other task has work.
            timeout(Duration::from_secs(3600), woken.0.notified())
                .await
                .expect("it waits, and nobody wakes it");
        }
        None
    }
}

/// Polls a future up to so many times and then drops it; `None` if it was not ready by then.
pub(crate) async fn polled<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    Steps::new(future).poll(polls).await
}

/// Polls a future up to so many times, lets something happen, and polls it to its end; whether it
/// was ready before that happened, and its output.
pub(crate) async fn interrupted<F: Future>(
    future: F,
    polls: usize,
    happening: impl Future<Output = ()>,
) -> (bool, F::Output) {
    let mut steps = Steps::new(future);
    let ready = steps.poll(polls).await;
    happening.await;
    if let Some(output) = ready {
        return (true, output);
    }
    let output = steps.poll(usize::MAX).await;
    (false, output.expect("polled to its end"))
}

/// Calls `at` with 0, 1, 2, … polls, up to the first that the future needed not even so many; in
/// how many places it waited.
pub(crate) async fn everywhere(mut at: impl AsyncFnMut(usize) -> bool) -> usize {
    for polls in 0..1000 {
        if at(polls).await {
            return polls - 1;
        }
    }
    panic!("it never ends");
}

/// Waits so many times, and is woken at once.
pub(crate) async fn waits(times: usize) {
    for _ in 0..times {
        let mut waited = false;
        std::future::poll_fn(|cx| {
            if std::mem::replace(&mut waited, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

#[derive(Default)]
struct Woken(Notify);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}
