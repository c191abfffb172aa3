//! An `OnUpgrade` of our own, without unsafe code.
//!
//! hyper has no constructor for one, but its HTTP/1 server makes one for every upgrade request. So
//! that server is run over a request in memory; its service keeps the `OnUpgrade` and answers once
//! the real upgrade is there, and hyper then puts *our* connection behind it.
//!
//! This relies on what hyper does, not on what it promises: `tests/suite/upgrade/minting.rs` pins it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use crate::upgrade::handler_io::HandlerIo;
use crate::upgrade::shared_io::SharedIo;

/// What hyper is made to read: the shortest request that it upgrades, which a 200 accepts.
pub(crate) const REQUEST: &[u8] = b"CONNECT a:1 HTTP/1.1\r\n\r\n";

/// The server that will fulfil a minted `OnUpgrade`.
// Boxed where it is made: it is large, and what holds it moves.
pub(crate) struct Factory(Box<http1::UpgradeableConnection<TokioIo<HandlerIo>, Canned>>);

impl Factory {
    /// `None` if hyper no longer works as this module expects.
    pub(crate) fn new(link: &Arc<SharedIo>, cx: &mut Context<'_>) -> Option<(Self, OnUpgrade)> {
        let io = TokioIo::new(HandlerIo::new(link.clone()));
        let mut server = Box::new(
            http1::Builder::new()
                .auto_date_header(false)
                .serve_connection(io, Canned(link.clone()))
                .with_upgrades(),
        );
        // The service keeps the `OnUpgrade` and does not answer yet.
        let waits = Pin::new(&mut *server).poll(cx).is_pending();
        let minted = link.take_minted()?;
        waits.then_some((Self(server), minted))
    }

    /// Fulfils it: the service answers now. Whether hyper did as expected.
    pub(crate) fn fulfill(mut self, cx: &mut Context<'_>) -> bool {
        matches!(Pin::new(&mut *self.0).poll(cx), Poll::Ready(Ok(())))
    }
}

/// The service behind the request in memory.
struct Canned(Arc<SharedIo>);

impl Service<Request<Incoming>> for Canned {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, mut request: Request<Incoming>) -> Answer {
        if let Some(minted) = request.extensions_mut().remove() {
            self.0.put_minted(minted);
        }
        Answer(self.0.clone())
    }
}

struct Answer(Arc<SharedIo>);

impl Future for Answer {
    type Output = Result<Response<String>, Infallible>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        // No waker and no channel: the task that opens the link polls next, and a channel would count
        // against the task's budget.
        if !self.0.is_opening() {
            return Poll::Pending;
        }
        Poll::Ready(Ok(Response::new(String::new())))
    }
}
