use std::any::Any;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use http::request::Parts;
use hyper::upgrade::OnUpgrade;

use crate::frame::Close;
use crate::upgrade::at_hand::Joinable;
use crate::upgrade::closing_handshake::{Limits, Outcome, Socket, is_shared};
use crate::upgrade::factory::Factory;
use crate::upgrade::owner::Taken;
use crate::upgrade::shared_io::{SharedIo, Upgrading, wake};

/// What is spoken on a connection after its upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 6455: a cut is a close frame between two frames.
    WebSocket,
    /// Anything else: a cut is the end of the stream, wherever that stands.
    Opaque,
}

/// Stands between the server and a handler, until the service has answered.
///
/// Dropping it is like a service that answered without an upgrade.
///
/// ```
/// # use http::{Request, Response, StatusCode};
/// # use tower_ws_auth_socket::close::{Close, CloseCode};
/// # use tower_ws_auth_socket::private::{CloseHandle, Limits, Protocol, UpgradeGuard};
/// fn call<B, C>(
///     request: Request<B>,
///     service: impl FnOnce(Request<B>) -> Response<C>,
///     mut register: impl FnMut(CloseHandle),
/// ) -> Option<Response<C>> {
///     let (mut head, body) = request.into_parts();
///     let (guard, close_handle) = UpgradeGuard::interpose(&mut head, Protocol::WebSocket)?;
///     register(close_handle);
///     let response = service(Request::from_parts(head, body));
///     match response.status() {
///         StatusCode::SWITCHING_PROTOCOLS => guard.accept(),
///         _ => drop(guard.reclaim()),
///     }
///     Some(response)
/// }
///
/// // Later, from anywhere:
/// fn revoke(close_handle: &CloseHandle) {
///     let close = Close::new(CloseCode::POLICY, "revoked");
///     close_handle.cut(&close, Limits::default(), |closing_handshake| {
///         tokio::spawn(closing_handshake);
///     });
/// }
///
/// // A request whose server offers no upgrade gets no guard.
/// let request = Request::new(());
/// assert!(call(request, |_| Response::new(()), |_| {}).is_none());
/// ```
#[must_use = "dropping it gives the client's connection up"]
pub struct UpgradeGuard {
    upgrading: Upgrading,
    // Last: the guard goes when nobody has the connection any more.
    end: EndOnDrop,
}

/// Ends a guarded connection, from anywhere. Clones end the same one.
#[derive(Clone)]
pub struct CloseHandle(pub(super) Arc<SharedIo>);

/// The closing handshake of a connection that was cut, to be spawned.
pub type ClosingHandshake = Pin<Box<dyn Future<Output = Outcome> + Send>>;

impl UpgradeGuard {
    /// Takes the server's `OnUpgrade` out of a request's head and puts one of ours in its place.
    ///
    /// The handler's connection behaves as before. Only `Upgraded::downcast` fails on it, for the
    /// type behind it is a private one.
    ///
    /// `None` if the server offers no upgrade; the head then holds none, and no handler gets a
    /// connection that nobody can end.
    pub fn interpose(head: &mut Parts, protocol: Protocol) -> Option<(Self, CloseHandle)> {
        head.extensions.get::<OnUpgrade>()?;
        // What is behind this guard has no part in one further out.
        head.extensions.remove::<Joinable>();
        let link = Arc::new(SharedIo::new(protocol, is_shared(head.version)));
        // The link as its own waker: the minting is told from the handler by it.
        let waker = Waker::from(link.clone());
        let Some((mint, minted)) = Factory::new(&link, &mut Context::from_waker(&waker)) else {
            head.extensions.remove::<OnUpgrade>();
            return None;
        };
        let upgrade = mem::replace(head.extensions.get_mut()?, minted);
        let guard = Self {
            upgrading: Upgrading { upgrade, mint },
            end: EndOnDrop(Some(link.clone())),
        };
        Some((guard, CloseHandle(link)))
    }

    /// Keeps a value until the connection is over: the server gave it up, the handler dropped it,
    /// the closing handshake ended, or there was no upgrade. A second value drops the first.
    ///
    /// It is dropped on the task that ends the connection, under no lock of this crate.
    pub fn hold(&self, guard: impl Any + Send) {
        self.end.hold(guard);
    }

    /// The service upgraded: it answered 101, or 2xx to an extended CONNECT. The handler gets the
    /// connection when the server hands it over; if it does not, the handler's wait fails as
    /// hyper's does.
    pub fn accept(mut self) {
        if let Some(link) = self.end.0.take() {
            link.drive(self.upgrading);
        }
    }

    /// The service did not upgrade. A handler that waits all the same is told so as hyper would,
    /// and the client's connection is nobody's but the caller's.
    pub fn reclaim(self) -> Socket {
        let shared = self.end.0.as_ref().is_some_and(|link| link.shared);
        Socket::new(self.upgrading.upgrade, shared)
    }
}

impl CloseHandle {
    /// Ends the connection; `false` if it was cut before, or is over.
    ///
    /// May be called from any thread; it does no more than the handler's own read or write does.
    /// The client reads `close` at the next frame boundary, at once if it stands at one, and what
    /// follows is [`Socket::closing handshake`]'s rule. The handler reads the same close frame, as if the
    /// client had sent it, and then the end of the stream; data that it still writes is refused
    /// with `BrokenPipe`. A frame that it has half read comes first, unless more than
    /// 64 KiB of it are missing; then, or if the client never sends them, the stream
    /// just ends. If the connection is not there yet, the close frame is the first thing
    /// that the client reads on it. A close frame that the handler has sent already stands.
    ///
    /// The closing handshake does this, wherever `spawn` puts it; dropped, it drops the connection. It takes
    /// over although the handler sleeps. A handler that sleeps over half a frame keeps it waiting
    /// until the deadline.
    pub fn cut(&self, close: &Close, limits: Limits, spawn: impl FnOnce(ClosingHandshake)) -> bool {
        self.cut_after(Vec::new(), close, limits, spawn)
    }

    /// The same with these frames before the close frame, unless the handler has sent a part of a
    /// message.
    pub fn cut_after(
        &self,
        frames: Vec<u8>,
        close: &Close,
        limits: Limits,
        spawn: impl FnOnce(ClosingHandshake),
    ) -> bool {
        let mut inner = self.0.lock();
        if !inner.cut(close, limits.bytes) {
            return false;
        }
        let words = match inner.protocol {
            Protocol::WebSocket => Some(close.to_bytes()),
            Protocol::Opaque => None,
        };
        let wakers = inner.take_wakers();
        drop(inner);
        let taken = Taken(self.0.clone());
        spawn(match words {
            Some(words) if !frames.is_empty() => {
                Box::pin(taken.closing_handshake_after(frames, words, limits))
            }
            words => Box::pin(taken.closing_handshake(words, limits)),
        });
        wake(wakers);
        true
    }

    /// Whether the client's connection was let go: [`UpgradeGuard::hold`] lists the ways.
    pub fn is_over(&self) -> bool {
        self.0.is_over()
    }
}

impl fmt::Debug for UpgradeGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpgradeGuard")
    }
}

impl fmt::Debug for CloseHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CloseHandle")
    }
}

pub(crate) struct EndOnDrop(Option<Arc<SharedIo>>);

impl EndOnDrop {
    pub(super) fn new(link: Arc<SharedIo>) -> Self {
        Self(Some(link))
    }

    pub(super) fn hold(&self, guard: impl Any + Send) {
        if let Some(link) = &self.0 {
            link.hold(Box::new(guard));
        }
    }

    /// From here on dropping it does nothing.
    pub(super) fn take(&mut self) -> Option<Arc<SharedIo>> {
        self.0.take()
    }
}

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        if let Some(link) = &self.0 {
            link.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_travels_in_futures_and_a_close_handle_in_registries() {
        fn travels<T: Send + 'static>() {}
        fn is_shared<T: Clone + Send + Sync + 'static>() {}
        travels::<UpgradeGuard>();
        travels::<ClosingHandshake>();
        is_shared::<CloseHandle>();
        assert!(size_of::<UpgradeGuard>() <= 24);
    }
}
