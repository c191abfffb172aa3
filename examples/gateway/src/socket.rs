//! The socket of a client, which notes whether the client takes what is written.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::visits::Visits;

#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    visits: Arc<Visits>,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, visits: Arc<Visits>) -> Self {
        Self { stream, visits }
    }

    fn noted<T>(&self, written: Poll<T>) -> Poll<T> {
        self.visits.takes(written.is_ready());
        written
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.noted(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.noted(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use test_support::until;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_client_that_reads_nothing_is_noticed_until_it_reads() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let visits = Arc::new(Visits::default());
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = Socket::new(stream, Arc::clone(&visits));
        let writing = tokio::spawn(async move {
            // More than all buffers on the way.
            socket.write_all(&vec![0; 64 << 20]).await.unwrap();
            socket
        });
        until("a write that waits", || visits.waits_for_its_client()).await;
        let mut all = vec![0; 64 << 20];
        client.read_exact(&mut all).await.unwrap();
        drop(writing.await.unwrap());
        assert!(!visits.waits_for_its_client());
    }
}
