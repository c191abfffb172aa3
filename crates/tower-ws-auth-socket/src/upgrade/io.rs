//! A client's connection, and what was read of it before its service had it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The connection.
pub(crate) struct Io {
    wire: TokioIo<Upgraded>,
    /// In a box: nearly no connection has any.
    ahead: Option<Box<Ahead>>,
}

struct Ahead {
    bytes: Vec<u8>,
    read: usize,
}

impl Io {
    pub(crate) fn new(upgraded: Upgraded) -> Self {
        Self {
            wire: TokioIo::new(upgraded),
            ahead: None,
        }
    }

    /// These bytes are read first.
    #[cfg(feature = "first-message")]
    pub(crate) fn behind(mut self, bytes: Vec<u8>) -> Self {
        if !bytes.is_empty() {
            self.ahead = Some(Box::new(Ahead { bytes, read: 0 }));
        }
        self
    }
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(ahead) = &mut self.ahead {
            let rest = &ahead.bytes[ahead.read..];
            let now = rest.len().min(buffer.remaining());
            buffer.put_slice(&rest[..now]);
            ahead.read += now;
            if ahead.read == ahead.bytes.len() {
                self.ahead = None;
            }
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.wire).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}
