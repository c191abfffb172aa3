use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, PoisonError, Weak};
use std::time::SystemTime;

use crate::frame::Close;
use crate::protocol::{Cause, ClientProtocol, Values};
use crate::upgrade::CloseHandle;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tower_ws_auth_core::Validity;
use tower_ws_auth_core::private::{Label, Listener, Watch};
use tower_ws_auth_core::revocation::DisconnectReason;

use crate::lease::expiry_queue::Place;
use crate::lease::layer::{Closing, Config};
use crate::lease::release::Release;
use crate::lease::renewals::Holder;
use crate::lease::sync::{Mutex, MutexGuard, OnceLock};
use crate::lease::trace::{self, Counted, Opened};
use crate::lease::watches::Watches;

/// What a lease is to all who can end it: its handler, its keys, the clock, the server.
pub(crate) struct Shared {
    pub(super) config: Arc<Config>,
    runtime: Handle,
    close_handle: Option<CloseHandle>,
    /// How its client is told.
    protocol: ClientProtocol,
    state: Mutex<State>,
    pub(super) ended: OnceLock<DisconnectReason>,
    told: Notify,
    opened: Opened,
    /// By which its client can renew it.
    pub(super) holder: Option<Box<Holder>>,
}

/// Until when a grant holds, and what the client is told then.
pub(crate) struct Until {
    pub(crate) moment: Option<SystemTime>,
    pub(crate) issued_at: Option<SystemTime>,
    pub(crate) reason: DisconnectReason,
}

impl From<&Validity> for Until {
    fn from(validity: &Validity) -> Self {
        Self {
            moment: validity.end(),
            issued_at: validity.credential_issued_at(),
            reason: validity.disconnect_reason(),
        }
    }
}

pub(super) struct State {
    pub(super) watches: Watches,
    pub(super) place: Option<Place>,
    pub(super) until: Option<SystemTime>,
    pub(super) issued_at: Option<SystemTime>,
    /// What the client is told when that has come.
    pub(super) reason: DisconnectReason,
    /// Its connection was accepted: it counts.
    pub(super) is_open: bool,
    pub(super) released: bool,
    /// A revocation has left its credential some time.
    pub(super) has_margin: bool,
    pub(super) counted: Option<Counted>,
}

/// Whose connection it is: to those who renew it, and in the log.
pub(crate) struct Subject {
    pub(crate) holder: Option<Holder>,
    pub(crate) label: Label,
}

impl Shared {
    /// Begins to enforce an end; what it returns ends that when it is dropped.
    pub(crate) fn begin(
        config: Arc<Config>,
        runtime: Handle,
        close_handle: Option<CloseHandle>,
        protocol: ClientProtocol,
        until: Until,
        watches: Watches,
        subject: Subject,
    ) -> (Arc<Self>, Release) {
        let end = until.moment;
        let shared = Arc::new(Self {
            config,
            runtime,
            close_handle,
            protocol,
            state: Mutex::new(State {
                watches,
                place: None,
                until: until.moment,
                issued_at: until.issued_at,
                reason: until.reason,
                is_open: false,
                released: false,
                has_margin: false,
                counted: None,
            }),
            ended: OnceLock::new(),
            told: Notify::new(),
            opened: Opened::now(subject.label),
            holder: subject.holder.map(Box::new),
        });
        let place = shared.config.leases.add(shared.deadline(end), &shared);
        let watches = {
            let mut state = shared.lock();
            state.place = Some(place);
            state.watches.clone()
        };
        for watch in watches.iter() {
            shared.listen(watch);
        }
        let release = Release::of(&shared);
        (shared, release)
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(crate) fn until(&self) -> Option<SystemTime> {
        self.lock().until
    }

    pub(crate) fn disconnect_reason(&self) -> Option<&DisconnectReason> {
        self.ended.get()
    }

    /// Ready when it has ended.
    pub(crate) async fn ended(&self) -> DisconnectReason {
        let mut told = pin!(self.told.notified());
        loop {
            told.as_mut().enable();
            if let Some(reason) = self.ended.get() {
                return reason.clone();
            }
            told.as_mut().await;
            told.set(self.told.notified());
        }
    }

    /// Ends it. True if it had not ended before.
    pub(crate) fn end(&self, reason: &DisconnectReason) -> bool {
        if self.ended.set(reason.clone()).is_err() {
            return false;
        }
        let cut = self
            .close_handle
            .as_ref()
            .map(|close_handle| (close_handle, self.close(reason)));
        // A request that holds no connection, and cannot get one, is no lease for an operator.
        if cut.is_some() || self.lock().is_open {
            self.opened
                .ended(reason, cut.as_ref().map(|(_, close)| close), &self.protocol);
        }
        self.told.notify_waiters();
        if let Some((close_handle, close)) = cut {
            let spawner = self.config.spawner.as_deref();
            close_handle.cut_after(
                self.messages(reason, &close),
                &close,
                self.config.limits,
                |closing_handshake| {
                    let told = trace::closing_handshake(closing_handshake);
                    let Some(spawn) = spawner else {
                        return drop(self.runtime.spawn(told));
                    };
                    // If it panics, this connection is dropped, and those that end with it go on.
                    let begun = AssertUnwindSafe(|| spawn(Box::pin(told)));
                    drop(catch_unwind(begun));
                },
            );
        }
        // A count of connections need not have this one any more.
        let watches = self.lock().watches.clone();
        for watch in watches.iter() {
            watch.connection().end(reason);
        }
        true
    }

    /// What the client is told. A function of the application that panics keeps nobody open: neither
    /// this one nor those who are ended with it.
    fn close(&self, reason: &DisconnectReason) -> Close {
        let Closing::Own(close) = &self.config.close else {
            return self.protocol.disconnect(reason);
        };
        let told = AssertUnwindSafe(|| close(reason));
        catch_unwind(told).unwrap_or_else(|_| self.protocol.disconnect(reason))
    }

    /// What the client reads before the close frame.
    fn messages(&self, reason: &DisconnectReason, close: &Close) -> Vec<u8> {
        let Some(language) = self.protocol.language() else {
            return Vec::new();
        };
        language.messages(Cause::of_reason(reason), || Values {
            reason: reason.reason().to_owned(),
            code: close.code().get(),
            ..Values::default()
        })
    }

    /// Ends it because its time has come.
    pub(crate) fn expire(&self) {
        let reason = self.lock().reason.clone();
        self.end(&reason);
    }

    /// Its connection was accepted: it counts from now on, or is ended if there is no room.
    pub(crate) fn opened(self: &Arc<Self>) {
        let opened = {
            let mut state = self.lock();
            state.is_open = true;
            if !state.released {
                state.counted = Some(Counted::begin());
            }
            state.watches.open_others();
            let (own, limits) = (&state.watches.own, &self.config.max_connections);
            own.as_ref().map(|own| own.open(limits, None)).transpose()
        };
        match opened {
            Ok(Some(evicted)) => evicted.end(),
            Ok(None) => {}
            Err(_) => drop(self.end(&DisconnectReason::TooManyConnections)),
        }
        self.name();
    }

    pub(super) fn listen(self: &Arc<Self>, watch: &Watch) {
        // The connection would keep itself alive.
        let lease: Weak<Self> = Arc::downgrade(self);
        watch.connection().listen(lease);
    }

    pub(super) fn deadline(&self, end: Option<SystemTime>) -> Option<SystemTime> {
        end?.checked_add(self.config.grace)
    }

    /// Nothing under the lock panics.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener for Shared {
    fn ended(&self, reason: &DisconnectReason) {
        self.end(reason);
    }

    fn noticed(self: Arc<Self>, deadline: SystemTime, reason: &DisconnectReason) -> bool {
        self.end_at(deadline, reason);
        true
    }
}
