//! Bodies on their way, bounded in time.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;
pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;

/// What ends a body before its time, such as the end of a lease.
pub(crate) type Ended = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(crate) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// How much of a body has moved, and when that was.
#[derive(Debug)]
pub(crate) struct Moved {
    began: Instant,
    last: AtomicU64,
    bytes: AtomicU64,
    over: AtomicBool,
}

impl Default for Moved {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            last: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            over: AtomicBool::new(false),
        }
    }
}

impl Moved {
    fn note(&self, bytes: usize) {
        let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(since, Ordering::Relaxed);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// For how long it has stood still.
    pub(crate) fn still(&self) -> Duration {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.began.elapsed().saturating_sub(last)
    }

    /// Whether nothing of it is still to come.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// A body that fails when it stands still for too long, or when it is ended. What it holds is
/// dropped with it.
pub(crate) struct Bounded<H> {
    inner: Incoming,
    moved: Arc<Moved>,
    patience: Duration,
    timer: Pin<Box<Sleep>>,
    ended: Option<Ended>,
    _held: H,
}

impl<H: Send + Unpin + 'static> Bounded<H> {
    pub(crate) fn new(inner: Incoming, moved: Arc<Moved>, patience: Duration, held: H) -> Self {
        moved.over.store(inner.is_end_stream(), Ordering::Relaxed);
        Self {
            inner,
            moved,
            patience,
            timer: Box::pin(sleep(patience)),
            ended: None,
            _held: held,
        }
    }

    pub(crate) fn until(mut self, ended: Ended) -> Self {
        self.ended = Some(ended);
        self
    }

    pub(crate) fn boxed(self) -> Body {
        self.boxed_unsync()
    }
}

impl<H: Unpin> HttpBody for Bounded<H> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Some(ended) = &mut this.ended
            && ended.as_mut().poll(cx).is_ready()
        {
            this.ended = None;
            return Poll::Ready(Some(Err("the credential has ended".into())));
        }
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.moved.note(frame.data_ref().map_or(0, Bytes::len));
                this.timer.as_mut().reset(Instant::now() + this.patience);
                let over = this.inner.is_end_stream();
                this.moved.over.store(over, Ordering::Relaxed);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => {
                this.moved.over.store(true, Ordering::Relaxed);
                Poll::Ready(None)
            }
            Poll::Pending => match this.timer.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(Some(Err("the body stands still".into()))),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
