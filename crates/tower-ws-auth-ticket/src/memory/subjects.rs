use std::hash::BuildHasher;
use std::mem::{replace, swap, take};

use hashbrown::HashTable;

use crate::sync::{Mutex, RandomState, lock};

/// How many entries each subject has outstanding.
///
/// Counted by generation, as the entries are kept: what expires takes its counts along, without
/// anybody looking at it.
pub(super) struct Subjects {
    /// Keyed at random: nobody can choose a subject that shares another's count.
    hasher: RandomState,
    shards: Box<[Mutex<Counts>]>,
    limit: u32,
}

struct Counts {
    period: u64,
    current: HashTable<Count>,
    previous: HashTable<Count>,
}

/// The subject, a digest of it, and how many it has.
type Count = (u64, u32);

impl Subjects {
    pub(super) fn new(shards: usize, limit: u32) -> Self {
        let counts = || {
            Mutex::new(Counts {
                period: 0,
                current: HashTable::new(),
                previous: HashTable::new(),
            })
        };
        Self {
            hasher: RandomState::default(),
            shards: (0..shards).map(|_| counts()).collect(),
            limit,
        }
    }

    /// Counts one more in this period. `None` if the subject has as many as it may.
    pub(super) fn enter(&self, subject: &str, period: u64) -> Option<u64> {
        // 0 stands for nobody.
        let subject = self.hasher.hash_one(subject).max(1);
        // Made without the lock, as in `Inner::with_room`.
        let mut room = HashTable::new();
        loop {
            let mut counts = lock(self.shard(subject));
            let over = counts.advance(period);
            let made = counts.make_room(period, &mut room);
            let Err(wanted) = made else {
                let entered = counts.enter(subject, period, self.limit);
                drop(counts);
                drop(over);
                return entered.then_some(subject);
            };
            drop(counts);
            drop(over);
            room = HashTable::with_capacity(wanted);
        }
    }

    /// Counts one less in the period in which it was counted.
    pub(super) fn leave(&self, subject: u64, period: u64) {
        if subject == 0 {
            return;
        }
        let mut counts = lock(self.shard(subject));
        if period + 1 < counts.period {
            return;
        }
        let generation = counts.generation(period);
        if let Ok(mut entry) = generation.find_entry(subject, |count| count.0 == subject) {
            entry.get_mut().1 -= 1;
            if entry.get().1 == 0 {
                entry.remove();
            }
        }
    }

    /// Lets one shard know that this period has begun.
    pub(super) fn advance(&self, shard: usize, period: u64) {
        if let Some(shard) = self.shards.get(shard) {
            let over = lock(shard).advance(period);
            drop(over);
        }
    }

    fn shard(&self, subject: u64) -> &Mutex<Counts> {
        // A power of two of them; the map inside takes other bits.
        let mask = self.shards.len() - 1;
        &self.shards[(subject >> 32) as usize & mask]
    }
}

impl Counts {
    fn advance(&mut self, period: u64) -> Option<[HashTable<Count>; 2]> {
        if period <= self.period {
            return None;
        }
        let next = period == self.period + 1;
        self.period = period;
        let current = take(&mut self.current);
        let (previous, over) = if next {
            (current, HashTable::new())
        } else {
            (HashTable::new(), current)
        };
        Some([replace(&mut self.previous, previous), over])
    }

    /// Moves into this room if there is none for one more subject; if there still is none, says
    /// how much is wanted.
    fn make_room(&mut self, period: u64, room: &mut HashTable<Count>) -> Result<(), usize> {
        let generation = self.generation(period);
        let subjects = generation.len();
        if subjects < generation.capacity() {
            return Ok(());
        }
        if subjects >= room.capacity() {
            return Err(subjects + subjects / 2 + 4);
        }
        for count in generation.drain() {
            room.insert_unique(count.0, count, |count| count.0);
        }
        swap(generation, room);
        Ok(())
    }

    fn enter(&mut self, subject: u64, period: u64, limit: u32) -> bool {
        let is_it = |count: &Count| count.0 == subject;
        let count = |table: &HashTable<Count>| table.find(subject, is_it).map_or(0, |it| it.1);
        if count(&self.previous).saturating_add(count(&self.current)) >= limit {
            return false;
        }
        let entry = self.generation(period).entry(subject, is_it, |it| it.0);
        entry.or_insert((subject, 0)).into_mut().1 += 1;
        true
    }

    fn generation(&mut self, period: u64) -> &mut HashTable<Count> {
        if period == self.period {
            &mut self.current
        } else {
            &mut self.previous
        }
    }
}
