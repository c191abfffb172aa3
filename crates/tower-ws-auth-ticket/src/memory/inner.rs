use std::time::{Duration, SystemTime};

use tower_ws_auth_core::Clock;

use super::apart::Apart;
use super::generations::{Generations, Shards};
use super::subjects::Subjects;
use crate::store::{StoreError, TicketKey};
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The shards, and how tickets get into them and out.
pub(super) struct Inner {
    pub(super) clock: Clock,
    /// In milliseconds; as long as a period.
    pub(super) max_ttl: u64,
    pub(super) capacity: usize,
    /// Tickets in all shards, and places reserved for one. Every ticket changes it twice.
    pub(super) outstanding: Apart<AtomicUsize>,
    /// The latest period that any thread has seen. It stays when the clock is set back.
    pub(super) period: AtomicU64,
    /// The shard that is looked after next.
    pub(super) cursor: Apart<AtomicUsize>,
    pub(super) tickets: Shards<u128, Ticket>,
    pub(super) subjects: Subjects,
}

pub(super) struct Ticket {
    pub(super) entry: Box<[u8]>,
    /// In milliseconds since the Unix epoch.
    pub(super) expires: u64,
    /// 0 for nobody.
    pub(super) subject: u64,
}

/// How many shards are looked after before the store is called full.
const SHARDS_BEFORE_FULL: usize = 64;

impl Ticket {
    pub(super) fn is_alive(&self, now: u64) -> bool {
        now < self.expires
    }
}

impl Inner {
    /// The milliseconds since the Unix epoch, and the period.
    pub(super) fn now(&self) -> (u64, u64) {
        let since = self.clock.now().duration_since(SystemTime::UNIX_EPOCH);
        let now = millis(since.unwrap_or_default());
        let period = now / self.max_ttl;
        let seen = self.period.load(Ordering::Relaxed);
        if period > seen {
            self.period.fetch_max(period, Ordering::Relaxed);
        }
        (now, period.max(seen))
    }

    pub(super) fn expiry(&self, now: u64, ttl: Duration) -> Result<u64, StoreError> {
        let ttl = millis(ttl);
        if ttl > self.max_ttl {
            return Err(StoreError::new("the ttl is above the store's limit"));
        }
        Ok(now.saturating_add(ttl))
    }

    /// Reserves a place, and looks after a shard that may be unused: after more shards if there is
    /// no place.
    pub(super) fn reserve(&self, period: u64) -> Result<(), StoreError> {
        self.look_after_next(period);
        let mut tried = 1;
        while !self.try_reserve() {
            if tried >= self.tickets.len().min(SHARDS_BEFORE_FULL) {
                return Err(StoreError::Full);
            }
            self.look_after_next(period);
            tried += 1;
        }
        Ok(())
    }

    fn try_reserve(&self) -> bool {
        let one_more = |outstanding| (outstanding < self.capacity).then_some(outstanding + 1);
        self.outstanding
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .is_ok()
    }

    pub(super) fn release(&self, places: usize) {
        if places > 0 {
            self.outstanding.fetch_sub(places, Ordering::Relaxed);
        }
    }

    fn look_after_next(&self, period: u64) {
        let shard = self.cursor.fetch_add(1, Ordering::Relaxed);
        self.subjects.advance(shard, period);
        let ((), over) = self.tickets.with(shard, period, |_| ());
        self.release(over);
    }

    /// Works on the shard of this key, in this period.
    pub(super) fn with_shard<T>(
        &self,
        key: u128,
        period: u64,
        work: impl FnOnce(&mut Generations<u128, Ticket>) -> T,
    ) -> T {
        let (done, over) = self.tickets.with(shard(key), period, work);
        self.release(over);
        done
    }

    /// The same, once this period has room for one more ticket.
    pub(super) fn with_room<T>(
        &self,
        key: u128,
        period: u64,
        work: impl FnOnce(&mut Generations<u128, Ticket>) -> T,
    ) -> T {
        let (done, over) = self.tickets.with_room(shard(key), period, work);
        self.release(over);
        done
    }
}

/// The map inside takes the upper bits, a shard the lower ones.
pub(super) fn number(key: TicketKey) -> u128 {
    u128::from_be_bytes(*key.as_bytes())
}

fn shard(key: u128) -> usize {
    (key & 0xffff_ffff) as usize
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
