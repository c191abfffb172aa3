//! Connections over hyper without a socket.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use http::{Request, Response, StatusCode};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use crate::at_once;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request, followed by a client that sends nothing and reads everything.
#[derive(Debug)]
pub struct Silent(pub &'static [u8]);

impl AsyncRead for Silent {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0.is_empty() {
            return Poll::Pending;
        }
        buffer.put_slice(std::mem::take(&mut self.0));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Silent {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A service that hands its connection over: it answers 101.
pub fn hand_over(
    request: Request<Incoming>,
    tell: impl FnOnce(OnUpgrade),
) -> Ready<Result<Response<String>, Infallible>> {
    tell(hyper::upgrade::on(request));
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    ready(Ok(response))
}

/// One connection, from the bytes of its request until its service has answered and hyper has
/// released it.
///
/// # Panics
///
/// A step is pending.
pub fn serve<S, B>(request: &'static [u8], service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>>,
    B: Body<Error: Into<BoxError>> + 'static,
{
    let connection = http1::Builder::new()
        .serve_connection(TokioIo::new(Silent(request)), service)
        .with_upgrades();
    at_once(connection).unwrap();
}

/// Begins to read, as a handler does, and finds nothing. Until then a connection holds hyper's read
/// buffer.
///
/// # Panics
///
/// There are bytes.
#[must_use]
pub fn reading(upgraded: Upgraded) -> Upgraded {
    let mut upgraded = TokioIo::new(upgraded);
    let mut bytes = [0; 8];
    let read = pin!(upgraded.read(&mut bytes));
    let read = read.poll(&mut Context::from_waker(Waker::noop()));
    assert!(read.is_pending(), "{read:?}");
    upgraded.into_inner()
}
