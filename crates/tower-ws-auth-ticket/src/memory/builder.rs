use std::sync::Arc;
use std::time::Duration;

use tower_ws_auth_core::Clock;

use super::apart::Apart;
use super::generations::Shards;
use super::inner::{Inner, millis};
use super::subjects::Subjects;
use super::tickets::MemoryTickets;
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

/// A map of 512 buckets holds up to 448 entries, and this many with room for an uneven spread. It
/// moves to a larger one within some ten microseconds.
const ENTRIES_PER_SHARD: usize = 400;
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
    /// How many tickets may be outstanding; a million unless set. Each takes 65 to 110 bytes and
    /// the length of its entry; 22 to 40 more for each subject.
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
        let shards = self.capacity.div_ceil(ENTRIES_PER_SHARD);
        let shards = shards.clamp(self.capacity.min(16), MAX_SHARDS);
        MemoryTickets {
            inner: Arc::new(Inner {
                clock: self.clock,
                max_ttl: millis(self.max_ttl),
                capacity: self.capacity,
                outstanding: Apart(AtomicUsize::new(0)),
                period: AtomicU64::new(0),
                cursor: Apart(AtomicUsize::new(0)),
                tickets: Shards::new(shards),
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
    fn a_store_has_a_shard_for_four_hundred_tickets() {
        for (capacity, shards) in [
            (1, 1),
            (5, 5),
            (16, 16),
            (6_400, 16),
            (6_401, 17),
            (1_000_000, 2_500),
            (1 << 30, 1 << 16),
        ] {
            let builder = MemoryTicketsBuilder::default().capacity(capacity);
            let store = builder.build().unwrap();
            assert_eq!(store.inner.tickets.len(), shards, "{capacity}");
        }
    }
}
