use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tower_ws_auth_core::revocation::{Ending, Watch};
use tower_ws_auth_core::{Grant, Rejection, RejectionKind, Term};
use tower_ws_auth_upgrade::Cutter;

use crate::layer::Config;
use crate::leases::Place;
use crate::trace::{self, Counted, Opened};

/// A grant enforced on an open connection, as its handler sees it.
///
/// [`LeaseLayer`](crate::LeaseLayer) leaves it in the request's extensions; with the feature
/// `axum` it is an argument of the handler. A handler need not know of it: the connection ends all
/// the same, unless the layer is [`cooperative`](crate::LeaseLayer::cooperative).
#[derive(Clone)]
pub struct Lease {
    shared: Arc<Shared>,
    /// Where nobody else holds the connection, the handler's lease keeps it registered.
    #[expect(dead_code, reason = "dropped, it ends the registration")]
    held: Option<Arc<Release>>,
}

pub(crate) struct Shared {
    config: Arc<Config>,
    runtime: Handle,
    cutter: Option<Cutter>,
    state: Mutex<State>,
    ended: OnceLock<Ending>,
    told: Notify,
    opened: Opened,
}

/// The registrations of a lease: as a rule one, and a second where the strategy left one with
/// revocations of its own.
pub(crate) type Watches = [Option<Watch>; 2];

/// Until when a grant holds, and what the client is told then.
pub(crate) struct Until {
    pub(crate) moment: Option<SystemTime>,
    pub(crate) ending: Ending,
}

impl From<&Term> for Until {
    fn from(term: &Term) -> Self {
        Self {
            moment: term.until(),
            ending: term.ending(),
        }
    }
}

struct State {
    watches: Watches,
    place: Option<Place>,
    until: Option<SystemTime>,
    /// What the client is told when that has come.
    ending: Ending,
    released: bool,
}

impl Lease {
    pub(crate) fn new(shared: Arc<Shared>, held: Option<Release>) -> Self {
        let held = held.map(Arc::new);
        Self { shared, held }
    }

    /// The moment from which the grant no longer holds, the grace not counted; `None` if it has no
    /// end of its own.
    pub fn until(&self) -> Option<SystemTime> {
        self.shared.lock().until
    }

    /// Why it has ended; `None` while it has not.
    pub fn ending(&self) -> Option<&Ending> {
        self.shared.ended.get()
    }

    /// Ready when it ends, with the reason. Dropping the future loses nothing.
    pub async fn ended(&self) -> Ending {
        let mut told = pin!(self.shared.told.notified());
        loop {
            told.as_mut().enable();
            if let Some(ending) = self.shared.ended.get() {
                return ending.clone();
            }
            told.as_mut().await;
            told.set(self.shared.told.notified());
        }
    }

    /// Ends it, and the connection with it. False if it had ended before.
    pub fn end(&self, ending: &Ending) -> bool {
        self.shared.end(ending)
    }

    /// Moves it to a new grant, of a credential that the client sent on the open connection: its
    /// end and its revocation keys take the place of the old ones. `same_user` decides whether the
    /// new identity may take over this connection.
    ///
    /// ```
    /// # use tower_ws_auth_core::{Grant, Rejection};
    /// # #[derive(Clone)] struct Claims { sub: String }
    /// # trait Jwt { fn verify_token(&self, token: &str) -> Result<Grant<Claims>, Rejection>; }
    /// # async fn handle(lease: tower_ws_auth_lease::Lease, jwt: impl Jwt, me: String, token: &str) -> Result<(), Rejection> {
    /// let grant = jwt.verify_token(token)?;
    /// let claims = lease.renew(grant, |claims| claims.sub == me).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Forbidden`](RejectionKind::Forbidden) for another user, what a handshake with a revoked
    /// credential is refused as, [`Unavailable`](RejectionKind::Unavailable) if that cannot be
    /// asked, and [`TokenExpired`](RejectionKind::TokenExpired) if the lease has ended meanwhile.
    /// It stays what it was then.
    pub async fn renew<I>(
        &self,
        grant: Grant<I>,
        same_user: impl FnOnce(&I) -> bool,
    ) -> Result<I, Rejection> {
        let (identity, term) = grant.into_parts();
        if !same_user(&identity) {
            let other = "the new credential is another user's";
            return Err(Rejection::new(RejectionKind::Forbidden, other));
        }
        let watch = self.shared.config.revocations.watch(&term).await?;
        self.shared.renew(&term, &watch)?;
        Ok(identity)
    }
}

impl Shared {
    /// Begins to enforce a term; what it returns ends that when it is dropped.
    pub(crate) fn begin(
        config: Arc<Config>,
        runtime: Handle,
        cutter: Option<Cutter>,
        until: Until,
        watches: Watches,
    ) -> (Arc<Self>, Release) {
        let end = until.moment;
        let shared = Arc::new(Self {
            config,
            runtime,
            cutter,
            state: Mutex::new(State {
                watches,
                place: None,
                until: until.moment,
                ending: until.ending,
                released: false,
            }),
            ended: OnceLock::new(),
            told: Notify::new(),
            opened: Opened::now(),
        });
        let place = shared.config.leases.add(shared.deadline(end), &shared);
        let watches = {
            let mut state = shared.lock();
            state.place = Some(place);
            state.watches.clone()
        };
        for watch in watches.iter().flatten() {
            shared.listen(watch);
        }
        let release = Release {
            shared: Arc::clone(&shared),
            _counted: Counted::begin(),
        };
        (shared, release)
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(crate) fn end(&self, ending: &Ending) -> bool {
        if self.ended.set(ending.clone()).is_err() {
            return false;
        }
        let cut = self
            .cutter
            .as_ref()
            .map(|cutter| (cutter, (self.config.close)(ending)));
        self.opened
            .ended(ending, cut.as_ref().map(|(_, close)| close));
        self.told.notify_waiters();
        if let Some((cutter, close)) = cut {
            let spawner = self.config.spawner.as_deref();
            cutter.cut(&close, self.config.limits, |farewell| match spawner {
                Some(spawn) => spawn(Box::pin(trace::farewell(farewell))),
                None => drop(self.runtime.spawn(trace::farewell(farewell))),
            });
        }
        // Whoever counts connections need not count this one any more.
        let watches = self.lock().watches.clone();
        for watch in watches.iter().flatten() {
            watch.connection().end(ending);
        }
        true
    }

    pub(crate) fn expire(&self) {
        let ending = self.lock().ending.clone();
        self.end(&ending);
    }

    fn renew(self: &Arc<Self>, term: &Term, watch: &Watch) -> Result<(), Rejection> {
        let over = || Rejection::new(RejectionKind::TokenExpired, "the lease has ended meanwhile");
        let mut state = self.lock();
        if state.released || self.ended.get().is_some() {
            return Err(over());
        }
        let moved = state.place.and_then(|place| {
            self.config
                .leases
                .shift(place, self.deadline(term.until()), self)
        });
        // It is being ended at this moment.
        state.place = Some(moved.ok_or_else(over)?);
        state.until = term.until();
        state.ending = term.ending();
        let old = std::mem::replace(&mut state.watches, [Some(watch.clone()), None]);
        drop(state);
        drop(old);
        self.listen(watch);
        Ok(())
    }

    fn listen(self: &Arc<Self>, watch: &Watch) {
        // Weak: the connection would keep itself alive.
        let lease = Arc::downgrade(self);
        watch.connection().on_end(move |ending| {
            if let Some(lease) = lease.upgrade() {
                lease.end(ending);
            }
        });
    }

    fn deadline(&self, end: Option<SystemTime>) -> Option<SystemTime> {
        end?.checked_add(self.config.grace)
    }

    /// Nothing under the lock panics.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the enforcement when the connection is over.
pub(crate) struct Release {
    shared: Arc<Shared>,
    _counted: Counted,
}

impl Drop for Release {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.released = true;
        let place = state.place.take();
        let watches = std::mem::take(&mut state.watches);
        drop(state);
        drop(watches);
        if let Some(place) = place {
            self.shared.config.leases.remove(place);
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("until", &self.until())
            .field("ending", &self.ending())
            .finish_non_exhaustive()
    }
}
