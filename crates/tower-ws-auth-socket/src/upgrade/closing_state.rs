//! What is different after a cut.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncWrite, ReadBuf};

use crate::frame::Close;
use crate::frame::scanner::Scanner;
use crate::upgrade::guard::Protocol;
use crate::upgrade::shared_io::{Inner, State, register};

/// So much of a half read frame is kept in memory for a handler that does not read it.
const MOST_FED: usize = 64 * 1024;

/// The state of a connection that was cut.
pub(crate) struct Cut {
    /// What the handler still reads: the rest of a frame that it has half read, then the close
    /// frame as if the client had sent it.
    feed: Vec<u8>,
    fed: usize,
    /// So many bytes of such a frame may wait for the handler.
    room: usize,
    /// The feed is complete; after it comes the end of the stream.
    told: bool,
    /// The close frame for the handler, until it is in the feed.
    close: Vec<u8>,
    /// What the handler still says, which goes nowhere.
    void: Scanner,
    pub(crate) closing_handshake: Option<Waker>,
}

impl Inner {
    /// Cuts; `false` if that has happened before, or if there is nothing left to cut.
    pub(crate) fn cut(&mut self, close: &Close, room: u64) -> bool {
        if self.cut.is_some() || matches!(self.state, State::Over) {
            return false;
        }
        let (close, told) = match self.protocol {
            Protocol::WebSocket => (close.to_masked_bytes(), false),
            Protocol::Opaque => (Vec::new(), true),
        };
        self.cut = Some(Box::new(Cut {
            feed: Vec::new(),
            fed: 0,
            room: usize::try_from(room).unwrap_or(usize::MAX).min(MOST_FED),
            told,
            close,
            void: Scanner::default(),
            closing_handshake: None,
        }));
        self.feed(&[]);
        true
    }

    /// Bytes that the closing handshake has read: those of a half read frame are for the handler.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let Some(cut) = &mut self.cut else { return };
        if cut.told {
            return;
        }
        let rest = self.inbound.within(bytes);
        self.inbound.pass(&bytes[..rest]);
        cut.feed.extend_from_slice(&bytes[..rest]);
        let waiting = (cut.feed.len() - cut.fed) as u64;
        if self.inbound.at_boundary() {
            // No frame follows the client's own close frame, if that was it.
            if !self.inbound.closed() {
                cut.feed.append(&mut cut.close);
            }
            cut.told = true;
        } else if self.inbound.missing().saturating_add(waiting) > cut.room as u64 {
            cut.told = true;
        }
    }

    /// The handler is gone.
    pub(crate) fn feed_nobody(&mut self) -> Option<Waker> {
        let cut = self.cut.as_mut()?;
        cut.feed = Vec::new();
        cut.fed = 0;
        cut.told = true;
        cut.closing_handshake.take()
    }

    /// Nothing more comes from the client.
    pub(crate) fn feed_end(&mut self) {
        if let Some(cut) = &mut self.cut {
            cut.told = true;
        }
    }

    /// Whether the handler waits for bytes that only the client can send.
    pub(crate) fn wants_feed(&self) -> bool {
        self.cut.as_ref().is_some_and(|cut| !cut.told)
    }

    pub(crate) fn poll_read_feed(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let over = matches!(self.state, State::Over);
        let Some(cut) = &mut self.cut else {
            return Poll::Ready(Ok(()));
        };
        let waiting = &cut.feed[cut.fed..];
        let now = &waiting[..waiting.len().min(buffer.remaining())];
        buffer.put_slice(now);
        cut.fed += now.len();
        if now.is_empty() && !cut.told && !over && buffer.remaining() > 0 {
            register(&mut self.reader, cx);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    /// The rest of a frame goes to the wire. After it the answer to a close and other control
    /// frames are swallowed, so that a handler's closing handshake ends well; data is refused, or
    /// a handler that only writes would never end.
    pub(crate) fn poll_write_after_cut(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.owes_the_rest_of_a_frame() {
            let rest = self.outbound.within(bytes);
            let State::Open(io) = &mut self.state else {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            };
            let written = Pin::new(io).poll_write(cx, &bytes[..rest]);
            match &written {
                Poll::Pending => register(&mut self.writer, cx),
                Poll::Ready(Ok(written)) => self.outbound.pass(&bytes[..*written]),
                Poll::Ready(Err(_)) => self.handler_done = true,
            }
            return written;
        }
        let passed = match (&mut self.cut, self.protocol) {
            (Some(cut), Protocol::WebSocket) => cut.void.pass_control(bytes),
            _ => 0,
        };
        Poll::Ready(match passed {
            0 if !bytes.is_empty() => Err(io::ErrorKind::BrokenPipe.into()),
            passed => Ok(passed),
        })
    }

    pub(crate) fn owes_the_rest_of_a_frame(&self) -> bool {
        !self.outbound.at_boundary()
    }

    /// Whose turn it is when the handler has finished its frame, or cannot.
    pub(crate) fn wake_at_boundary(&mut self) -> Option<Waker> {
        if self.owes_the_rest_of_a_frame() && !self.handler_done {
            return None;
        }
        self.cut.as_mut()?.closing_handshake.take()
    }
}
