//! A connection that is at hand before its service has answered.

use std::any::Any;
use std::sync::Arc;
#[cfg(feature = "first-message")]
use std::task::{Context, Waker};

use http::request::Parts;

use crate::upgrade::guard::{CloseHandle, EndOnDrop, Protocol, UpgradeGuard};
use crate::upgrade::shared_io::SharedIo;

#[cfg(feature = "first-message")]
use crate::upgrade::closing_handshake::is_shared;
#[cfg(feature = "first-message")]
use crate::upgrade::factory::Factory;
#[cfg(feature = "first-message")]
use crate::upgrade::io::Io;

/// In the extensions of a head whose `OnUpgrade` is minted: the link behind it, for one layer more.
#[derive(Clone)]
pub(super) struct Joinable(Arc<SharedIo>);

/// What the service is promised in place of a connection that this layer has already.
///
/// Dropping it is like a service that answered without an upgrade.
#[cfg(feature = "first-message")]
pub(crate) struct AtHand {
    mint: Factory,
    end: EndOnDrop,
}

#[cfg(feature = "first-message")]
impl AtHand {
    /// Puts an `OnUpgrade` into the head. `None` if hyper no longer works as this crate expects.
    pub(crate) fn promise(head: &mut Parts) -> Option<Self> {
        let link = Arc::new(SharedIo::new(Protocol::WebSocket, is_shared(head.version)));
        let waker = Waker::from(link.clone());
        let (mint, minted) = Factory::new(&link, &mut Context::from_waker(&waker))?;
        head.extensions.insert(minted);
        head.extensions.insert(Joinable(link.clone()));
        let end = EndOnDrop::new(link);
        Some(Self { mint, end })
    }

    /// The service has upgraded: it gets the connection.
    pub(crate) fn open(mut self, io: Io) {
        if let Some(link) = self.end.take() {
            let waker = Waker::from(link.clone());
            link.open(io, self.mint, &mut Context::from_waker(&waker));
        }
    }
}

/// A guard of its own, or a part in the one that stands further out: one minted upgrade, not two.
pub(crate) enum Guarded {
    Own(UpgradeGuard),
    Joined(EndOnDrop),
}

impl Guarded {
    /// See [`UpgradeGuard::interpose`].
    pub(crate) fn interpose(head: &mut Parts, protocol: Protocol) -> Option<(Self, CloseHandle)> {
        if protocol == Protocol::WebSocket
            && let Some(Joinable(link)) = head.extensions.remove()
        {
            return Some((
                Self::Joined(EndOnDrop::new(link.clone())),
                CloseHandle(link),
            ));
        }
        let (guard, close_handle) = UpgradeGuard::interpose(head, protocol)?;
        Some((Self::Own(guard), close_handle))
    }

    /// See [`UpgradeGuard::hold`].
    pub(crate) fn hold(&self, guard: impl Any + Send) {
        match self {
            Self::Own(own) => own.hold(guard),
            Self::Joined(end) => end.hold(guard),
        }
    }

    /// See [`UpgradeGuard::accept`].
    pub(crate) fn accept(self) {
        match self {
            Self::Own(own) => own.accept(),
            // The owner of the connection opens it.
            Self::Joined(mut end) => drop(end.take()),
        }
    }
}
