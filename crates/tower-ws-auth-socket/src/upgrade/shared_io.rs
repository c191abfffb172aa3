//! What the handler's end, the closing handshake and the close handle share: one connection.

use std::any::Any;
use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use hyper::upgrade::OnUpgrade;
use tokio::task::coop::unconstrained;

use crate::frame::scanner::Scanner;
use crate::upgrade::closing_state::Cut;
use crate::upgrade::factory::Factory;
use crate::upgrade::guard::Protocol;
use crate::upgrade::io::Io;

/// One connection, from the request's head to its end.
pub(crate) struct SharedIo {
    inner: Mutex<Inner>,
    /// Other streams share the connection.
    pub(crate) shared: bool,
}

pub(crate) struct Inner {
    pub(crate) state: State,
    pub(crate) protocol: Protocol,
    /// Client to server.
    pub(crate) inbound: Scanner,
    /// Server to client, as far as it went to the wire.
    pub(crate) outbound: Scanner,
    /// The handler's tasks: the connection's own waker slots belong to the closing handshake after a cut.
    pub(crate) reader: Option<Waker>,
    pub(crate) writer: Option<Waker>,
    /// The handler has dropped its end, or has ended its stream.
    pub(crate) handler_done: bool,
    pub(crate) cut: Option<Box<Cut>>,
    guard: Option<Box<dyn Any + Send>>,
}

pub(crate) enum State {
    /// The service has not answered. The slot is for a minted upgrade on its way out of hyper.
    Waiting(Option<OnUpgrade>),
    /// The service has upgraded, the server has not handed the connection over.
    Upgrading(Upgrading),
    /// That is being looked at, outside the lock.
    Polling {
        woken: bool,
    },
    /// The connection is here; hyper is putting the handler's end behind the minted upgrade.
    Opening,
    Open(Io),
    Over,
}

/// The server's promise, and ours that hangs on it.
pub(crate) struct Upgrading {
    pub(crate) upgrade: OnUpgrade,
    pub(crate) mint: Factory,
}

impl SharedIo {
    pub(crate) fn new(protocol: Protocol, shared: bool) -> Self {
        let inner = Mutex::new(Inner {
            state: State::Waiting(None),
            protocol,
            inbound: Scanner::default(),
            outbound: Scanner::default(),
            reader: None,
            writer: None,
            handler_done: false,
            cut: None,
            guard: None,
        });
        Self { inner, shared }
    }

    /// Uncontended while nobody cuts: then only the handler comes here.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn put_minted(&self, minted: OnUpgrade) {
        if let State::Waiting(slot) = &mut self.lock().state {
            *slot = Some(minted);
        }
    }

    pub(crate) fn take_minted(&self) -> Option<OnUpgrade> {
        match &mut self.lock().state {
            State::Waiting(slot) => slot.take(),
            _ => None,
        }
    }

    pub(crate) fn hold(&self, guard: Box<dyn Any + Send>) {
        let mut inner = self.lock();
        let dropped = match inner.state {
            State::Over => Some(guard),
            _ => inner.guard.replace(guard),
        };
        drop(inner);
        drop(dropped);
    }

    pub(crate) fn is_opening(&self) -> bool {
        matches!(self.lock().state, State::Opening)
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.lock().state, State::Over)
    }

    /// From here on the link drives itself: the server's promise wakes it.
    pub(crate) fn drive(self: &Arc<Self>, upgrading: Upgrading) {
        // A closing handshake that was dropped may have ended it before this.
        let mut inner = self.lock();
        if !matches!(inner.state, State::Over) {
            inner.state = State::Upgrading(upgrading);
            drop(inner);
            self.advance();
        }
    }

    /// No task waits for the connection: this runs in the task that wakes, which is the server's own
    /// task at the moment when it hands the connection over or gives it up.
    fn advance(self: &Arc<Self>) {
        let waker = Waker::from(self.clone());
        let mut cx = Context::from_waker(&waker);
        while let Some(mut upgrading) = self.begin_polling() {
            // Unconstrained: a spent budget of the server's task is no reason to wait.
            match Pin::new(&mut unconstrained(&mut upgrading.upgrade)).poll(&mut cx) {
                Poll::Ready(Ok(upgraded)) => {
                    self.open(Io::new(upgraded), upgrading.mint, &mut cx);
                }
                Poll::Ready(Err(_)) => self.end(),
                Poll::Pending => {
                    if !self.polled_in_vain(upgrading) {
                        return;
                    }
                }
            }
        }
    }

    fn begin_polling(&self) -> Option<Upgrading> {
        let mut inner = self.lock();
        match mem::replace(&mut inner.state, State::Polling { woken: true }) {
            State::Upgrading(upgrading) => {
                inner.state = State::Polling { woken: false };
                Some(upgrading)
            }
            State::Polling { .. } => None,
            other => {
                inner.state = other;
                None
            }
        }
    }

    /// Whether somebody has woken the link meanwhile.
    fn polled_in_vain(&self, upgrading: Upgrading) -> bool {
        let mut inner = self.lock();
        let State::Polling { woken } = inner.state else {
            drop(inner);
            drop(upgrading);
            return false;
        };
        inner.state = State::Upgrading(upgrading);
        woken
    }

    /// `cx` has the link as its waker.
    pub(crate) fn open(&self, io: Io, mint: Factory, cx: &mut Context<'_>) {
        let mut inner = self.lock();
        if let State::Polling { .. } | State::Waiting(_) = inner.state {
            inner.state = State::Opening;
        }
        drop(inner);
        let fulfilled = mint.fulfill(cx);
        let mut inner = self.lock();
        let wanted = !inner.handler_done || inner.cut.is_some();
        if !(fulfilled && wanted && matches!(inner.state, State::Opening)) {
            drop(inner);
            drop(io);
            return self.end();
        }
        inner.state = State::Open(io);
        let wakers = inner.take_wakers();
        drop(inner);
        wake(wakers);
    }

    /// Lets the connection go and drops the guard. Harmless when repeated.
    pub(crate) fn end(&self) {
        let mut inner = self.lock();
        let state = mem::replace(&mut inner.state, State::Over);
        let guard = inner.guard.take();
        let wakers = inner.take_wakers();
        drop(inner);
        // Foreign code runs here, none of it under the lock.
        drop(state);
        drop(guard);
        wake(wakers);
    }
}

impl Wake for SharedIo {
    fn wake(self: Arc<Self>) {
        self.advance();
    }
}

impl Inner {
    pub(crate) fn take_wakers(&mut self) -> [Option<Waker>; 3] {
        let closing_handshake = self
            .cut
            .as_mut()
            .and_then(|cut| cut.closing_handshake.take());
        [self.reader.take(), self.writer.take(), closing_handshake]
    }

    pub(crate) fn io(&mut self) -> io::Result<Pin<&mut Io>> {
        match &mut self.state {
            State::Open(io) => Ok(Pin::new(io)),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

/// Registers a task, without a clone if it is the same one.
pub(crate) fn register(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}

pub(crate) fn wake(wakers: impl IntoIterator<Item = Option<Waker>>) {
    wakers.into_iter().flatten().for_each(Waker::wake);
}
