//! What is said to a client at the end, and how its answer is waited for.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::frame::scanner::Scanner;
use crate::upgrade::closing_handshake::{Limits, Outcome};

/// The words, on their way to the client.
pub(crate) struct Words {
    bytes: Vec<u8>,
    said: usize,
}

impl Words {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, said: 0 }
    }

    pub(crate) fn poll_say(
        &mut self,
        io: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.said < self.bytes.len() {
            match ready!(Pin::new(&mut *io).poll_write(cx, &self.bytes[self.said..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                said => self.said += said,
            }
        }
        Pin::new(io).poll_flush(cx)
    }
}

/// Everything after the words.
pub(crate) struct LastRead {
    /// Stands where the client's frames stand.
    scanner: Scanner,
    /// Other streams share the connection.
    shared: bool,
    read: u64,
    step: Step,
}

enum Step {
    Listening,
    ShuttingDown,
    // In a box, because only a flood comes here and every closing handshake has room for it.
    Holding(Pin<Box<Sleep>>),
    Flooded,
}

impl LastRead {
    pub(crate) fn new(scanner: Scanner, shared: bool) -> Self {
        Self::after(scanner, shared, 0)
    }

    /// After so many bytes of the client were read before the words.
    pub(crate) fn after(scanner: Scanner, shared: bool, read: u64) -> Self {
        Self {
            scanner,
            shared,
            read,
            step: Step::Listening,
        }
    }

    pub(crate) fn poll_end(
        &mut self,
        io: &mut (impl AsyncRead + AsyncWrite + Unpin),
        limits: &Limits,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Outcome>> {
        loop {
            self.step = match &mut self.step {
                Step::Listening => ready!(self.poll_listen(io, limits, cx))?,
                Step::ShuttingDown => {
                    ready!(Pin::new(io).poll_shutdown(cx))?;
                    return Poll::Ready(Ok(if self.scanner.closed() {
                        Outcome::PeerClosed
                    } else {
                        Outcome::PeerGone
                    }));
                }
                Step::Holding(hold) => {
                    ready!(hold.as_mut().poll(cx));
                    Step::Flooded
                }
                Step::Flooded => return Poll::Ready(Ok(Outcome::ByteCap)),
            };
        }
    }

    /// Reads until the client's close frame, or as much as it may send; returns what comes then.
    fn poll_listen(
        &mut self,
        io: &mut (impl AsyncRead + Unpin),
        limits: &Limits,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Step>> {
        while !self.scanner.closed() {
            // It lives on the stack of one poll, not in the task.
            let mut bytes = [const { MaybeUninit::uninit() }; 4096];
            let mut buffer = ReadBuf::uninit(&mut bytes);
            ready!(Pin::new(&mut *io).poll_read(cx, &mut buffer))?;
            let bytes = buffer.filled();
            if bytes.is_empty() {
                break;
            }
            self.scanner.pass(bytes);
            self.read = self.read.saturating_add(bytes.len() as u64);
            if self.read >= limits.bytes && !self.scanner.closed() {
                return Poll::Ready(Ok(if self.shared {
                    // A stream's reset overtakes nothing, and gives its window back.
                    Step::Flooded
                } else {
                    // Unread bytes turn a close into a reset; give the client time to read.
                    Step::Holding(Box::pin(sleep(limits.hold)))
                }));
            }
        }
        Poll::Ready(Ok(Step::ShuttingDown))
    }
}
