use std::time::{Duration, SystemTime};

use tower_ws_auth_core::Clock;

use super::shard::{Dropped, Shard};
use super::subjects::Subjects;
use super::table::{Meta, Room};
use crate::store::{PutError, StoreError, TicketKey};
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Mutex, lock};

/// The shards, and how entries get into them and out.
pub(super) struct Inner {
    pub(super) clock: Clock,
    /// In milliseconds; as long as a period.
    pub(super) max_ttl: u64,
    pub(super) capacity: usize,
    /// Entries in all shards, and places that were reserved for one.
    pub(super) outstanding: AtomicUsize,
    /// The latest period that anybody has seen: it goes on where the clock is set back.
    pub(super) period: AtomicU64,
    /// The shard that is looked after next.
    pub(super) cursor: AtomicUsize,
    pub(super) shards: Box<[Mutex<Shard>]>,
    pub(super) subjects: Subjects,
}

/// How many shards are looked after before the store is called full.
const SHARDS_BEFORE_FULL: usize = 64;

impl Inner {
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

    /// When an entry expires, in milliseconds after the beginning of its period.
    pub(super) fn expiry(&self, now: u64, period: u64, ttl: Duration) -> Result<u32, StoreError> {
        let ttl = millis(ttl);
        if ttl > self.max_ttl {
            return Err(StoreError::new("the ttl is above the store's limit"));
        }
        let expires = now.saturating_add(ttl);
        let since = expires.saturating_sub(self.beginning(period));
        // The builder sees to it that two periods fit.
        Ok(u32::try_from(since).unwrap_or(u32::MAX))
    }

    pub(super) fn is_alive(&self, meta: Meta, put_in: u64, now: u64) -> bool {
        now < self.beginning(put_in).saturating_add(meta.expires.into())
    }

    fn beginning(&self, period: u64) -> u64 {
        period.saturating_mul(self.max_ttl)
    }

    /// Reserves a place, and looks after a shard that perhaps nobody uses: after more of them
    /// where there is no place.
    pub(super) fn reserve(&self, period: u64) -> Result<(), PutError> {
        self.look_after_next(period);
        let mut tried = 1;
        while !self.try_reserve() {
            if tried >= self.shards.len().min(SHARDS_BEFORE_FULL) {
                return Err(PutError::Full);
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
        let at = self.cursor.fetch_add(1, Ordering::Relaxed) & (self.shards.len() - 1);
        self.subjects.advance(at, period);
        if let Some(shard) = self.shards.get(at) {
            let over = lock(shard).advance(period);
            self.bury(over);
        }
    }

    /// Works on the shard of this key, in this period.
    pub(super) fn with_shard<T>(
        &self,
        key: &TicketKey,
        period: u64,
        work: impl FnOnce(&mut Shard) -> T,
    ) -> T {
        let mut shard = lock(self.shard(key));
        let over = shard.advance(period);
        let done = work(&mut shard);
        drop(shard);
        self.bury(over);
        done
    }

    /// The same, once the shard has room for one more entry. The room is made, and what it
    /// replaces is freed, without the lock: the allocator may take longer than anybody here.
    pub(super) fn with_room<T>(
        &self,
        key: &TicketKey,
        period: u64,
        large: bool,
        work: impl FnOnce(&mut Shard) -> T,
    ) -> T {
        let mut room = Room::default();
        loop {
            let mut shard = lock(self.shard(key));
            let over = shard.advance(period);
            let made = shard.make_room(period, large, &mut room);
            let Err(wanted) = made else {
                let done = work(&mut shard);
                drop(shard);
                self.bury(over);
                return done;
            };
            drop(shard);
            self.bury(over);
            room = Room::new(&wanted);
        }
    }

    fn shard(&self, key: &TicketKey) -> &Mutex<Shard> {
        // A power of two of them; the table inside takes other bytes.
        let [.., a, b] = *key.as_bytes();
        let at = usize::from(u16::from_be_bytes([a, b])) & (self.shards.len() - 1);
        &self.shards[at]
    }

    /// Frees what is over, and its places. Never called under a lock.
    fn bury(&self, over: Option<Dropped>) {
        if let Some(over) = over {
            self.release(over.len());
        }
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
