use std::sync::Arc;
use std::time::Duration;

use tower_ws_auth_core::Clock;

use super::inner::{Inner, millis};
use super::shard::Shard;
use super::subjects::Subjects;
use super::tickets::MemoryTickets;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, AtomicUsize};

/// Sets the bounds of a [`MemoryTickets`]. Finish with [`build`](Self::build).
#[derive(Clone, Debug)]
#[must_use]
pub struct MemoryTicketsBuilder {
    capacity: usize,
    per_subject: u32,
    max_ttl: Duration,
    clock: Clock,
}

/// A shard of about this many entries moves to larger tables within some twenty microseconds. With
/// half as many, a store of ten million has so many shards that to look one up shows.
const ENTRIES_PER_SHARD: usize = 2048;
const MAX_SHARDS: usize = 1 << 16;
const LONGEST_TTL: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl Default for MemoryTicketsBuilder {
    fn default() -> Self {
        Self {
            capacity: 1_000_000,
            per_subject: 64,
            max_ttl: Duration::from_secs(30),
            clock: Clock::steady(),
        }
    }
}

impl MemoryTicketsBuilder {
    /// How many tickets may be outstanding; a million unless set. About 60 bytes each where an
    /// entry is at most 16 bytes long, and 85 and its length where it is longer; 36 more for each
    /// subject.
    pub fn capacity(mut self, tickets: usize) -> Self {
        self.capacity = tickets;
        self
    }

    /// How many of them one subject may have; 64 unless set.
    pub fn per_subject(mut self, tickets: u32) -> Self {
        self.per_subject = tickets;
        self
    }

    /// The longest ttl that is accepted; 30 seconds unless set. An expired ticket counts for at
    /// most two of these after it was issued, so set it no higher than needed.
    pub fn max_ttl(mut self, ttl: Duration) -> Self {
        self.max_ttl = ttl;
        self
    }

    /// The clock by which tickets expire; [`Clock::steady`] unless set.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Checks the bounds and makes the store.
    ///
    /// # Errors
    ///
    /// A bound of 0, or a `max_ttl` of less than a millisecond or more than seven days.
    pub fn build(self) -> Result<MemoryTickets, MemoryTicketsError> {
        if self.capacity == 0 || self.per_subject == 0 {
            return Err(MemoryTicketsError::Capacity);
        }
        if self.max_ttl < Duration::from_millis(1) || self.max_ttl > LONGEST_TTL {
            return Err(MemoryTicketsError::MaxTtl);
        }
        Ok(self.open())
    }

    pub(super) fn open(self) -> MemoryTickets {
        // A small store has several as well, so that its callers do not queue.
        let shards = (self.capacity / ENTRIES_PER_SHARD)
            .max(self.capacity.min(16))
            .next_power_of_two()
            .min(MAX_SHARDS);
        MemoryTickets {
            inner: Arc::new(Inner {
                clock: self.clock,
                max_ttl: millis(self.max_ttl),
                capacity: self.capacity,
                outstanding: AtomicUsize::new(0),
                period: AtomicU64::new(0),
                cursor: AtomicUsize::new(0),
                shards: (0..shards).map(|_| Mutex::new(Shard::new())).collect(),
                subjects: Subjects::new(shards, self.per_subject),
            }),
        }
    }
}

/// Why [`MemoryTicketsBuilder::build`] failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryTicketsError {
    /// A store, or a subject in it, that could not have a single ticket.
    #[error("a bound of 0 tickets: set `capacity` and `per_subject` to 1 or more")]
    Capacity,
    /// A longest ttl out of range.
    #[error("`max_ttl` is less than a millisecond or more than seven days")]
    MaxTtl,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_has_a_shard_for_about_two_thousand_tickets() {
        for (capacity, shards) in [
            (1, 1),
            (5, 8),
            (16, 16),
            (32_767, 16),
            (100_000, 64),
            (1_000_000, 512),
            (1 << 30, 1 << 16),
        ] {
            let builder = MemoryTicketsBuilder::default().capacity(capacity);
            let store = builder.build().unwrap();
            assert_eq!(store.inner.shards.len(), shards, "{capacity}");
        }
    }
}
