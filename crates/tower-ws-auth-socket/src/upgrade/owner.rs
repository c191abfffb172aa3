use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use crate::frame::scanner::Scanner;
use crate::upgrade::closing_handshake::{Limits, Outcome};
use crate::upgrade::last_words::{LastRead, Words};
use crate::upgrade::shared_io::{Inner, SharedIo, State, register, wake};

/// The closing handshake's end of a connection.
///
/// Dropping it lets the connection go.
pub(crate) struct Taken(pub(crate) Arc<SharedIo>);

impl Taken {
    /// Without words, for what is no WebSocket, the stream is ended first.
    pub(crate) async fn closing_handshake(
        mut self,
        words: Option<Vec<u8>>,
        limits: Limits,
    ) -> Outcome {
        // The wait for the upgrade is bounded by the server, and no part of the client's time.
        if !poll_fn(|cx| self.poll_open(cx)).await {
            return Outcome::NotUpgraded;
        }
        timeout(limits.deadline, tell(&mut self, words, &limits))
            .await
            .unwrap_or(Ok(Outcome::Deadline))
            .unwrap_or_else(Outcome::Broken)
    }

    /// The same with frames before the words, where they may stand: between two messages.
    pub(crate) async fn closing_handshake_after(
        self,
        mut frames: Vec<u8>,
        words: Vec<u8>,
        limits: Limits,
    ) -> Outcome {
        if poll_fn(|cx| self.poll_open(cx)).await {
            let boundary = poll_fn(|cx| {
                let inner = ready!(self.poll_boundary(cx))?;
                Poll::Ready(Ok::<_, io::Error>(inner.outbound.in_message()))
            });
            match timeout(limits.deadline, boundary).await {
                // A message within another's fragments would hide the close frame.
                Ok(Ok(false)) => frames.extend(words),
                Ok(Ok(true)) => frames = words,
                Ok(Err(error)) => return Outcome::Broken(error),
                Err(_) => return Outcome::Deadline,
            }
        }
        self.closing_handshake(Some(frames), limits).await
    }

    /// Waits for the end of a frame that the handler has written half.
    fn poll_boundary(&self, cx: &mut Context<'_>) -> Poll<io::Result<MutexGuard<'_, Inner>>> {
        let mut inner = self.0.lock();
        if !inner.owes_the_rest_of_a_frame() {
            return Poll::Ready(Ok(inner));
        }
        if inner.handler_done {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        // A handler that waits for the rest of a frame may never come to write.
        let reader = inner.poll_feed(cx);
        inner.register_closing_handshake(cx);
        drop(inner);
        wake([reader]);
        Poll::Pending
    }

    /// Whether there is a connection, once that is known.
    fn poll_open(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut inner = self.0.lock();
        match inner.state {
            State::Open(_) => Poll::Ready(true),
            State::Over => Poll::Ready(false),
            _ => {
                inner.register_closing_handshake(cx);
                Poll::Pending
            }
        }
    }

    /// Where the client's frames stand.
    fn scanner(&self) -> Scanner {
        self.0.lock().inbound
    }
}

impl AsyncRead for Taken {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut inner = self.0.lock();
        let before = buffer.filled().len();
        let read = ready!(inner.io()?.poll_read(cx, buffer));
        let bytes = &buffer.filled()[before..];
        inner.feed(bytes);
        if bytes.is_empty() {
            inner.feed_end();
        }
        let reader = inner.reader.take();
        drop(inner);
        wake([reader]);
        Poll::Ready(read)
    }
}

impl AsyncWrite for Taken {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut inner = ready!(self.poll_boundary(cx))?;
        if inner.outbound.closed() {
            // The handler has sent a close frame; there is one only.
            return Poll::Ready(Ok(bytes.len()));
        }
        inner.io()?.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().io()?.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().io()?.poll_shutdown(cx)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.end();
    }
}

async fn tell(taken: &mut Taken, words: Option<Vec<u8>>, limits: &Limits) -> io::Result<Outcome> {
    let scanner = if let Some(words) = words {
        let mut words = Words::new(words);
        poll_fn(|cx| words.poll_say(taken, cx)).await?;
        taken.scanner()
    } else {
        poll_fn(|cx| Pin::new(&mut *taken).poll_shutdown(cx)).await?;
        Scanner::blind()
    };
    let mut ending = LastRead::new(scanner, taken.0.shared);
    poll_fn(|cx| ending.poll_end(taken, limits, cx)).await
}

impl Inner {
    /// Reads for the handler, up to the end of the frame that it has half read and no further;
    /// returns whom that concerns.
    fn poll_feed(&mut self, cx: &mut Context<'_>) -> Option<Waker> {
        let mut fed = None;
        let mut bytes = [0; 4096];
        while self.wants_feed() {
            let most = usize::try_from(self.inbound.missing())
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            let mut buffer = ReadBuf::new(&mut bytes[..most]);
            let read = match self.io() {
                Ok(io) => io.poll_read(cx, &mut buffer),
                Err(error) => Poll::Ready(Err(error)),
            };
            match read {
                Poll::Pending => break,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => self.feed(buffer.filled()),
                Poll::Ready(_) => self.feed_end(),
            }
            fed = self.reader.take().or(fed);
        }
        fed
    }

    fn register_closing_handshake(&mut self, cx: &Context<'_>) {
        if let Some(cut) = &mut self.cut {
            register(&mut cut.closing_handshake, cx);
        }
    }
}
