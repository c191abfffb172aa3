use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;

use crate::BoxFuture;

/// A store's answer, or `None` if it does not come in time.
pub(crate) struct Within<T> {
    limit: Duration,
    answer: BoxFuture<T>,
    /// Only set when the store makes us wait: the memory store needs no timer, and no runtime with
    /// one.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<T> Within<T> {
    pub(crate) fn new(limit: Duration, answer: BoxFuture<T>) -> Self {
        Self {
            limit,
            answer,
            sleep: None,
        }
    }
}

impl<T> Future for Within<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = self.get_mut();
        if let Poll::Ready(answer) = this.answer.as_mut().poll(cx) {
            return Poll::Ready(Some(answer));
        }
        let limit = this.limit;
        let sleep = this
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        sleep.as_mut().poll(cx).map(|()| None)
    }
}
