use super::table::{Entry, Meta, Room, Table, Wanted};
use crate::TicketKey;

/// One part of the store: what was issued in this period, and what in the one before.
///
/// A ticket lives at most a period, so what is older than both has expired, and is dropped whole.
pub(super) struct Shard {
    /// The number of the period in which `current` began.
    period: u64,
    current: Table,
    previous: Table,
}

/// Generations that are over. To be dropped after the lock: freeing takes long.
#[must_use]
pub(super) struct Dropped(Table, Table);

impl Dropped {
    pub(super) fn len(&self) -> usize {
        self.0.len() + self.1.len()
    }
}

impl Shard {
    pub(super) const fn new() -> Self {
        Self {
            period: 0,
            current: Table::new(),
            previous: Table::new(),
        }
    }

    /// Takes note that this period has begun.
    pub(super) fn advance(&mut self, period: u64) -> Option<Dropped> {
        if period <= self.period {
            return None;
        }
        let next = period == self.period + 1;
        self.period = period;
        let current = std::mem::replace(&mut self.current, Table::new());
        let (previous, over) = if next {
            (current, Table::new())
        } else {
            (Table::new(), current)
        };
        let previous = std::mem::replace(&mut self.previous, previous);
        Some(Dropped(previous, over))
    }

    /// The key, if it is there, with the period that it was put in.
    pub(super) fn get(&self, key: &TicketKey) -> Option<(Meta, u64)> {
        let current = self.current.get(key).map(|meta| (meta, self.period));
        current.or_else(|| self.previous.get(key).map(|meta| (meta, self.last())))
    }

    /// Copies the entry of a key that is there, as [`Table::copy`] does.
    pub(super) fn copy(&self, key: &TicketKey, into: &mut Vec<u8>) -> Result<(), usize> {
        let copied = self.current.copy(key, into);
        let copied = copied.or_else(|| self.previous.copy(key, into));
        copied.unwrap_or(Ok(()))
    }

    /// Makes room in the generation of this period, as [`Table::make_room`] does.
    pub(super) fn make_room(
        &mut self,
        period: u64,
        large: bool,
        room: &mut Room,
    ) -> Result<(), Wanted> {
        self.generation(period).make_room(large, room)
    }

    /// Adds a key that is not there, in the generation of this period, which has room.
    pub(super) fn insert(&mut self, key: TicketKey, entry: Entry, meta: Meta, period: u64) {
        self.generation(period).insert(key, entry, meta);
    }

    /// Takes the key out, with the period that it was put in.
    pub(super) fn remove(&mut self, key: &TicketKey) -> Option<(Entry, Meta, u64)> {
        let (found, period) = match self.current.remove(key) {
            Some(found) => (found, self.period),
            None => (self.previous.remove(key)?, self.last()),
        };
        Some((found.0, found.1, period))
    }

    fn generation(&mut self, period: u64) -> &mut Table {
        // Another thread may have seen the next period begin in the meantime.
        if period == self.period {
            &mut self.current
        } else {
            &mut self.previous
        }
    }

    fn last(&self) -> u64 {
        self.period.saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_allocates_nor_frees_what_does_not_leave_it() {
        let mut shard = Shard::new();
        let meta = Meta {
            expires: 0,
            subject: 0,
        };
        let balanced = |work: &mut dyn FnMut()| {
            let under_lock = allocation_counter::measure(work);
            assert_eq!((under_lock.count_total, under_lock.count_current), (0, 0));
        };
        for n in 0..5_000_u32 {
            let key = TicketKey::digest("test", &[&n.to_be_bytes()]);
            let mut entry = Some(Entry::new(vec![0; (n % 40) as usize]));
            let mut room = Room::default();
            let mut wanted = None;
            // It asks once at most.
            for _ in 0..2 {
                balanced(&mut || match shard.make_room(0, n % 40 > 16, &mut room) {
                    Ok(()) if entry.is_some() => {
                        shard.insert(key, entry.take().unwrap(), meta, 0);
                    }
                    Ok(()) => {}
                    Err(more) => wanted = Some(more),
                });
                if let Some(wanted) = wanted.take() {
                    room = Room::new(&wanted);
                }
            }
            assert!(entry.is_none());
            let mut removed = None;
            if n % 3 == 0 {
                balanced(&mut || removed = shard.remove(&key));
                assert!(removed.is_some());
            }
        }
        let left = 5_000 - 1_667;
        for (period, over) in [(1, 0), (2, left)] {
            let mut dropped = None;
            balanced(&mut || dropped = shard.advance(period));
            let freed = allocation_counter::measure(|| {
                assert_eq!(dropped.take().unwrap().len(), over);
            });
            assert_eq!(freed.count_current < 0, over > 0);
        }
    }
}
