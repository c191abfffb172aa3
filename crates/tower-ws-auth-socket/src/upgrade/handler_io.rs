//! The handler's end of a connection.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::upgrade::factory::REQUEST;
use crate::upgrade::guard::Protocol;
use crate::upgrade::shared_io::{Inner, SharedIo, State, register, wake};

/// The connection as the handler has it.
///
/// Before the cut reads and writes go straight through, no byte is copied, and only frame headers
/// are looked at. After it the handler reads from memory: the closing handshake has the connection.
pub(crate) struct HandlerIo {
    link: Arc<SharedIo>,
    /// What hyper has not read of the request in memory; `None` once the handler is here.
    minting: Option<&'static [u8]>,
}

impl HandlerIo {
    pub(crate) fn new(link: Arc<SharedIo>) -> Self {
        Self {
            link,
            minting: Some(REQUEST),
        }
    }

    /// hyper polls the minting with the link as its waker, and nobody else can have that one. The
    /// handler may be here before hyper has returned from the minting.
    fn minting(&mut self, cx: &Context<'_>) -> Option<&mut &'static [u8]> {
        if self.minting.is_some() && cx.waker().data() != Arc::as_ptr(&self.link).cast() {
            self.minting = None;
        }
        self.minting.as_mut()
    }
}

impl AsyncRead for HandlerIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(request) = self.minting(cx) {
            return poll_read_request(request, buffer);
        }
        let mut inner = self.link.lock();
        if inner.cut.is_some() {
            return inner.poll_read_feed(cx, buffer);
        }
        let Inner {
            state,
            inbound,
            reader,
            protocol,
            ..
        } = &mut *inner;
        let before = buffer.filled().len();
        let read = match state {
            State::Open(io) => Pin::new(io).poll_read(cx, buffer),
            State::Over => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        };
        match read {
            Poll::Pending => register(reader, cx),
            Poll::Ready(_) if *protocol == Protocol::WebSocket => {
                inbound.pass(&buffer.filled()[before..]);
            }
            Poll::Ready(_) => {}
        }
        read
    }
}

impl AsyncWrite for HandlerIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.minting(cx).is_some() {
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        let mut inner = self.link.lock();
        if inner.cut.is_some() {
            let first = slices.iter().find(|slice| !slice.is_empty());
            let written = inner.poll_write_after_cut(cx, first.map_or(&[], |slice| slice));
            let woken = inner.wake_at_boundary();
            drop(inner);
            wake([woken]);
            return written;
        }
        let Inner {
            state,
            outbound,
            writer,
            protocol,
            ..
        } = &mut *inner;
        let written = match state {
            State::Open(io) => poll_write_slices(Pin::new(io), cx, slices),
            State::Over => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            _ => Poll::Pending,
        };
        match &written {
            Poll::Pending => register(writer, cx),
            Poll::Ready(Ok(written)) if *protocol == Protocol::WebSocket => {
                let mut left = *written;
                for slice in slices {
                    let part = left.min(slice.len());
                    outbound.pass(&slice[..part]);
                    left -= part;
                }
            }
            Poll::Ready(_) => {}
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        match &self.link.lock().state {
            State::Open(io) => io.is_write_vectored(),
            _ => false,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.minting(cx).is_some() {
            return Poll::Ready(Ok(()));
        }
        let mut inner = self.link.lock();
        // At a boundary after the cut the closing handshake has the connection.
        let ours = inner.cut.is_none() || inner.owes_the_rest_of_a_frame();
        match &mut inner.state {
            State::Open(io) if ours => {
                let flushed = Pin::new(io).poll_flush(cx);
                if flushed.is_pending() {
                    register(&mut inner.writer, cx);
                }
                flushed
            }
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.minting(cx).is_some() {
            return Poll::Ready(Ok(()));
        }
        let mut inner = self.link.lock();
        if inner.cut.is_some() {
            inner.handler_done = true;
            let closing_handshake = inner
                .cut
                .as_mut()
                .and_then(|cut| cut.closing_handshake.take());
            drop(inner);
            wake([closing_handshake]);
            return Poll::Ready(Ok(()));
        }
        let shut = match &mut inner.state {
            State::Open(io) => Pin::new(io).poll_shutdown(cx),
            State::Over => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        };
        if shut.is_pending() {
            register(&mut inner.writer, cx);
        }
        shut
    }
}

impl Drop for HandlerIo {
    fn drop(&mut self) {
        let mut inner = self.link.lock();
        inner.handler_done = true;
        if inner.cut.is_some() {
            let closing_handshake = inner.feed_nobody();
            drop(inner);
            return wake([closing_handshake]);
        }
        // In any other state the holder of the upgrade ends the link.
        let open = matches!(inner.state, State::Open(_));
        drop(inner);
        if open {
            self.link.end();
        }
    }
}

fn poll_read_request(
    request: &mut &'static [u8],
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    if request.is_empty() {
        // An end of the stream would make hyper give the upgrade up.
        return Poll::Pending;
    }
    let (now, later) = request.split_at(request.len().min(buffer.remaining()));
    buffer.put_slice(now);
    *request = later;
    Poll::Ready(Ok(()))
}

fn poll_write_slices(
    io: Pin<&mut (impl AsyncWrite + ?Sized)>,
    cx: &mut Context<'_>,
    slices: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    match slices {
        [one] => io.poll_write(cx, one),
        _ => io.poll_write_vectored(cx, slices),
    }
}
