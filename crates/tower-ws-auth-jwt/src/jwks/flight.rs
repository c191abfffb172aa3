use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::{ArcSwap, Guard};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tower_ws_auth_core::{Clock, Rejection, RejectionKind};

use super::document::Limits;
use crate::{Keys, invalid};

/// What the handles and the task that fetches have in common.
pub(crate) struct Shared {
    pub(crate) issuer: Option<String>,
    pub(crate) limits: Limits,
    snapshot: ArcSwap<Snapshot>,
    flight: Mutex<Flight>,
    wanted: Notify,
    /// Counts the fetches that have ended.
    landed: watch::Sender<u64>,
    waiting: Arc<Semaphore>,
    times: Times,
    clock: Clock,
    hasher: RandomState,
}

/// How long what takes.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    pub(crate) refresh: Duration,
    pub(crate) cooldown: Duration,
    pub(crate) max_stale: Duration,
    pub(crate) timeout: Duration,
    pub(crate) wait: Duration,
}

pub(crate) struct Snapshot {
    pub(crate) keys: Arc<Keys>,
    /// When the fetch began that brought them.
    since: Option<SystemTime>,
}

/// The one fetch.
struct Flight {
    under_way: bool,
    began: Option<SystemTime>,
    failed: bool,
    /// Counts the fetches that have begun.
    number: u64,
    /// The number of the last one that brought keys.
    succeeded: u64,
    /// What was wanted while no fetch was allowed, each with the number of fetches before.
    missed: HashMap<Wanted, u64>,
}

/// A key that is missing, by a hash of its `kid` that nobody outside can compute; `None` for one
/// without a name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Wanted(Option<u64>);

/// How many kids are remembered that were missing.
const MAX_MISSED: usize = 1024;

impl Flight {
    /// Whether the issuer may have published this key after the last fetch. Each is believed until
    /// the next fetch, as long as there is room to remember it.
    fn may_be_new(&mut self, wanted: Wanted) -> bool {
        if wanted.0.is_none() {
            return false;
        }
        match self.missed.get(&wanted) {
            Some(since) => self.succeeded <= *since,
            None if self.missed.len() >= MAX_MISSED => false,
            None => {
                self.missed.insert(wanted, self.number);
                true
            }
        }
    }

    /// Forgets what two fetches did not bring.
    fn forget(&mut self) {
        let succeeded = self.succeeded;
        self.missed.retain(|_, since| succeeded <= *since + 1);
    }
}

/// How many tokens wait for keys at a time. Each holds up to 8 KiB.
const MAX_WAITING: usize = 1024;

/// What comes of asking for keys.
pub(crate) enum Asked {
    Coming(Landing),
    Refused(Rejection),
}

/// The end of the fetch under way.
pub(crate) struct Landing {
    landed: watch::Receiver<u64>,
    limit: Duration,
    _place: OwnedSemaphorePermit,
}

impl Landing {
    /// Waits, no longer than allowed.
    pub(crate) async fn wait(mut self) -> Result<(), Rejection> {
        match tokio::time::timeout(self.limit, self.landed.changed()).await {
            Ok(_) => Ok(()),
            Err(_) => Err(unavailable("the keys were not fetched in time")),
        }
    }
}

impl Shared {
    pub(crate) fn new(issuer: Option<String>, limits: Limits, times: Times, clock: Clock) -> Self {
        Self {
            issuer,
            limits,
            snapshot: ArcSwap::from_pointee(Snapshot {
                keys: Arc::new(Keys::new()),
                since: None,
            }),
            // The task begins with a fetch, for which the first tokens wait.
            flight: Mutex::new(Flight {
                under_way: true,
                began: None,
                failed: true,
                number: 0,
                succeeded: 0,
                missed: HashMap::new(),
            }),
            wanted: Notify::new(),
            landed: watch::Sender::new(0),
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            times,
            clock,
            hasher: RandomState::new(),
        }
    }

    pub(crate) fn times(&self) -> &Times {
        &self.times
    }

    pub(crate) fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    pub(crate) fn is_current(&self, snapshot: &Snapshot) -> bool {
        let age = snapshot.since.map(|since| self.elapsed(since));
        age.is_some_and(|age| age <= self.times.max_stale)
    }

    pub(crate) fn age(&self) -> Option<Duration> {
        self.snapshot().since.map(|since| self.elapsed(since))
    }

    pub(crate) fn landings(&self) -> watch::Receiver<u64> {
        self.landed.subscribe()
    }

    /// Joins the fetch under way, or begins one if it is time for it.
    pub(crate) fn ask(&self, wanted: Wanted) -> Asked {
        let Ok(place) = Arc::clone(&self.waiting).try_acquire_owned() else {
            return Asked::Refused(unavailable("too many tokens wait for keys"));
        };
        let mut flight = self.flight();
        if !flight.under_way {
            let cooling = |began| self.elapsed(began) < self.times.cooldown;
            if flight.began.is_some_and(cooling) {
                let verdict = self.verdict_of(&flight);
                if verdict.kind() == RejectionKind::TokenInvalid && flight.may_be_new(wanted) {
                    return Asked::Refused(unavailable(
                        "the key is not known, and it is too early to fetch the keys again",
                    ));
                }
                return Asked::Refused(verdict);
            }
            flight.under_way = true;
            flight.began = Some(self.clock.now());
            self.wanted.notify_one();
        }
        // Under the lock, so that the end of the fetch cannot slip in between.
        Asked::Coming(Landing {
            landed: self.landed.subscribe(),
            limit: self.times.wait,
            _place: place,
        })
    }

    pub(crate) fn wants(&self, kid: Option<&str>) -> Wanted {
        Wanted(kid.map(|kid| self.hasher.hash_one(kid)))
    }

    pub(crate) fn verdict(&self) -> Rejection {
        self.verdict_of(&self.flight())
    }

    fn verdict_of(&self, flight: &Flight) -> Rejection {
        if !self.is_current(&self.snapshot()) {
            return unavailable("there are no keys that are not too old");
        }
        if flight.failed {
            return unavailable("the key is not known, and the last fetch failed");
        }
        invalid("no published key has the token's `kid` and `alg`, or the signature is not good")
    }

    /// A fetch begins, by the clock of the task or because a token wants it.
    pub(crate) fn take_off(&self) -> SystemTime {
        let now = self.clock.now();
        let mut flight = self.flight();
        flight.under_way = true;
        flight.began = Some(now);
        flight.number += 1;
        now
    }

    /// A fetch has ended: with these keys, or with none.
    pub(crate) fn land(&self, keys: Option<Arc<Keys>>, began: SystemTime) {
        let failed = keys.is_none();
        if let Some(keys) = keys {
            let since = Some(began);
            self.snapshot.store(Arc::new(Snapshot { keys, since }));
        }
        let mut flight = self.flight();
        flight.under_way = false;
        flight.failed = failed;
        if !failed {
            flight.succeeded = flight.number;
            flight.forget();
        }
        drop(flight);
        self.landed.send_modify(|count| *count += 1);
    }

    /// Waits until a token wants a fetch.
    pub(crate) async fn wanted(&self) {
        loop {
            self.wanted.notified().await;
            // What was wanted while a fetch was about to begin anyway has been served.
            if self.flight().under_way {
                return;
            }
        }
    }

    fn elapsed(&self, since: SystemTime) -> Duration {
        // A clock that was set back makes nothing older.
        let now = self.clock.now();
        now.duration_since(since).unwrap_or_default()
    }

    fn flight(&self) -> MutexGuard<'_, Flight> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unavailable(detail: &'static str) -> Rejection {
    Rejection::new(RejectionKind::Unavailable, detail)
}
