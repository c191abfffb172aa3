//! A server's connection without a socket: hyper over a client in memory.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tower::Service;

pub(super) const REQUEST: &[u8] = b"GET /ws HTTP/1.1\r\nhost: example.com\r\n\
    connection: Upgrade\r\nupgrade: websocket\r\norigin: https://example.com\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A masked close frame.
pub(super) const CLOSE: &[u8] = b"\x88\x80\x01\x02\x03\x04";

/// What a client says behind its handshake.
#[derive(Clone, Copy, Debug)]
pub(super) enum Says {
    Nothing,
    /// Nothing either, for it is refused.
    Refused,
    /// Once it has the server's answer.
    First(&'static [u8]),
    /// Once it has the server's close frame.
    AfterFrame(&'static [u8]),
}

impl Says {
    /// How the server's answer begins.
    pub(super) fn answer(self) -> &'static [u8] {
        match self {
            Self::Refused => b"HTTP/1.1 4",
            _ => b"HTTP/1.1 101",
        }
    }

    /// What is to be said to a server that has sent its head, and this many bytes behind it.
    pub(super) fn after(self, frame: usize) -> Option<&'static [u8]> {
        match self {
            Self::First(message) => Some(message),
            // A close frame has 2 bytes at least.
            Self::AfterFrame(message) if frame >= 2 => Some(message),
            _ => None,
        }
    }
}

/// Sends a handshake, and what it says behind it.
pub(super) struct Client {
    to_send: &'static [u8],
    says: Says,
    /// Whether it has said that.
    said: bool,
    answered: bool,
    /// The number of bytes of the head's end that the server has sent.
    head: usize,
    frame: usize,
    reader: Option<Waker>,
    gone: Arc<Notify>,
}

impl Client {
    pub(super) fn new(says: Says, gone: &Arc<Notify>) -> Self {
        Self::sending(REQUEST, says, gone)
    }

    pub(super) fn sending(request: &'static [u8], says: Says, gone: &Arc<Notify>) -> Self {
        Self {
            to_send: request,
            says,
            said: false,
            answered: false,
            head: 0,
            frame: 0,
            reader: None,
            gone: Arc::clone(gone),
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        const END: &[u8] = b"\r\n\r\n";
        let is_first = !std::mem::replace(&mut self.answered, true);
        assert!(!is_first || bytes.starts_with(self.says.answer()));
        for byte in bytes {
            if self.head == END.len() {
                self.frame += 1;
            } else if *byte == END[self.head] {
                self.head += 1;
            } else {
                self.head = usize::from(*byte == END[0]);
            }
        }
        let message = self.says.after(self.frame);
        if let Some(message) = message.filter(|_| !self.said && self.head == END.len()) {
            self.said = true;
            self.to_send = message;
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.gone.notify_one();
    }
}

impl AsyncRead for Client {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.to_send.is_empty() && !self.said {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = self.to_send.len().min(buffer.remaining());
        let (now, later) = self.to_send.split_at(count);
        buffer.put_slice(now);
        self.to_send = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.hear(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Serves one connection until it is answered or upgraded.
pub(super) async fn serve<I, S, B>(io: I, service: S)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    try_serve(io, service).await.unwrap();
}

/// Like [`serve`], for a client that may be invalid.
pub(super) async fn try_serve<I, S, B>(io: I, service: S) -> hyper::Result<()>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    http1::Builder::new()
        .serve_connection(TokioIo::new(io), TowerToHyperService::new(service))
        .with_upgrades()
        .await
}
