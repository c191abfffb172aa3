use std::fmt;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use super::builder::MemoryTicketsBuilder;
use super::inner::{Inner, Ticket, number};
use crate::store::{BoxFuture, PutError, ReplayStore, StoreError, TicketKey, TicketStore};
use crate::sync::atomic::Ordering;

/// Tickets in this process's memory, for a single node. Clones share them.
///
/// It holds at most [`capacity`](MemoryTicketsBuilder::capacity) tickets, and
/// [`per_subject`](MemoryTicketsBuilder::per_subject) for each subject. A ticket that was taken
/// makes room at once, one that expired within two `max_ttl` after it was issued.
///
/// A lock is held for as long as it takes to move five hundred entries to a larger map. Maps are
/// allocated, and expired tickets freed, without it.
#[derive(Clone)]
pub struct MemoryTickets {
    pub(super) inner: Arc<Inner>,
}

impl MemoryTickets {
    /// A store for a million tickets, 64 for each subject, of 30 seconds at most.
    pub fn new() -> Self {
        MemoryTicketsBuilder::default().open()
    }

    /// Starts with what [`new`](Self::new) does.
    pub fn builder() -> MemoryTicketsBuilder {
        MemoryTicketsBuilder::default()
    }

    /// [`TicketStore::issue`], at once.
    ///
    /// # Errors
    ///
    /// [`PutError::Full`] and [`PutError::SubjectFull`] at the bounds, [`PutError::Store`] for a
    /// ttl above the limit or a key that is there already.
    pub fn issue_now(
        &self,
        key: TicketKey,
        entry: Vec<u8>,
        subject: Option<&str>,
        ttl: Duration,
    ) -> Result<(), PutError> {
        let store = &*self.inner;
        let (now, period) = store.now();
        let expires = store.expiry(now, ttl)?;
        store.reserve(period)?;
        let subject = match subject.map(|subject| store.subjects.enter(subject, period)) {
            None => 0,
            Some(Some(subject)) => subject,
            Some(None) => {
                store.release(1);
                return Err(PutError::SubjectFull);
            }
        };
        let ticket = Ticket {
            entry: entry.into_boxed_slice(),
            expires,
            subject,
        };
        let key = number(key);
        let issued = store.with_room(key, period, |shard| {
            let vacant = shard.get(&key).next().is_none();
            if vacant {
                shard.generation(period).insert(key, ticket);
            }
            vacant
        });
        if issued {
            return Ok(());
        }
        store.subjects.leave(subject, period);
        store.release(1);
        Err(StoreError::new("the key is there already").into())
    }

    /// [`TicketStore::take`], at once.
    pub fn take_now(&self, key: TicketKey) -> Option<Vec<u8>> {
        let store = &*self.inner;
        let (now, period) = store.now();
        let key = number(key);
        let (ticket, issued_in) = store.with_shard(key, period, |shard| shard.remove(&key))?;
        store.subjects.leave(ticket.subject, issued_in);
        store.release(1);
        ticket.is_alive(now).then(|| ticket.entry.into_vec())
    }

    /// [`TicketStore::peek`], at once.
    pub fn peek_now(&self, key: TicketKey) -> Option<Vec<u8>> {
        let store = &*self.inner;
        let (now, period) = store.now();
        let key = number(key);
        store.with_shard(key, period, |shard| {
            let ticket = shard.get(&key).find(|ticket| ticket.is_alive(now))?;
            Some(ticket.entry.to_vec())
        })
    }

    /// [`ReplayStore::is_claimed`], at once.
    pub fn is_claimed_now(&self, key: TicketKey) -> bool {
        let store = &*self.inner;
        let (now, period) = store.now();
        let key = number(key);
        store.with_shard(key, period, |shard| {
            shard.get(&key).any(|ticket| ticket.is_alive(now))
        })
    }

    /// [`ReplayStore::claim`], at once.
    ///
    /// # Errors
    ///
    /// If the store is full, or the ttl above its limit.
    pub fn claim_now(&self, key: TicketKey, ttl: Duration) -> Result<bool, StoreError> {
        let store = &*self.inner;
        let (now, period) = store.now();
        let expires = store.expiry(now, ttl)?;
        store.reserve(period)?;
        let key = number(key);
        let (claimed, replaced) = store.with_room(key, period, |shard| {
            if shard.get(&key).any(|ticket| ticket.is_alive(now)) {
                return (false, None);
            }
            let replaced = shard.remove(&key);
            let claim = Ticket {
                entry: Box::default(),
                expires,
                subject: 0,
            };
            shard.generation(period).insert(key, claim);
            (true, replaced)
        });
        if let Some((ticket, issued_in)) = &replaced {
            store.subjects.leave(ticket.subject, *issued_in);
        }
        store.release(usize::from(!claimed) + usize::from(replaced.is_some()));
        Ok(claimed)
    }

    /// How many entries count towards the capacity.
    pub fn outstanding(&self) -> usize {
        self.inner.outstanding.load(Ordering::Relaxed)
    }
}

impl TicketStore for MemoryTickets {
    fn issue(
        &self,
        key: TicketKey,
        entry: Vec<u8>,
        subject: Option<&str>,
        ttl: Duration,
    ) -> BoxFuture<Result<(), PutError>> {
        Box::pin(ready(self.issue_now(key, entry, subject, ttl)))
    }

    fn take(&self, key: TicketKey) -> BoxFuture<Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(ready(Ok(self.take_now(key))))
    }

    fn peek(&self, key: TicketKey) -> Option<BoxFuture<Result<Option<Vec<u8>>, StoreError>>> {
        Some(Box::pin(ready(Ok(self.peek_now(key)))))
    }

    fn max_ttl(&self) -> Option<Duration> {
        Some(Duration::from_millis(self.inner.max_ttl))
    }
}

impl ReplayStore for MemoryTickets {
    fn claim(&self, key: TicketKey, ttl: Duration) -> BoxFuture<Result<bool, StoreError>> {
        Box::pin(ready(self.claim_now(key, ttl)))
    }

    fn is_claimed(&self, key: TicketKey) -> Option<BoxFuture<Result<bool, StoreError>>> {
        Some(Box::pin(ready(Ok(self.is_claimed_now(key)))))
    }

    fn max_ttl(&self) -> Option<Duration> {
        Some(Duration::from_millis(self.inner.max_ttl))
    }
}

impl Default for MemoryTickets {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryTickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTickets")
            .field("capacity", &self.inner.capacity)
            .field("max_ttl_ms", &self.inner.max_ttl)
            .finish_non_exhaustive()
    }
}
