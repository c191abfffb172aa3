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
        if period.saturating_add(1) < counts.period {
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
        let next = period == self.period.saturating_add(1);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_leaves_is_taken_off_the_period_in_which_he_came_and_no_other() {
        let subjects = Subjects::new(1, 2);
        let ada = subjects.enter("ada", 1).unwrap();
        subjects.enter("ada", 2).unwrap();
        subjects.enter("ada", 3).unwrap();
        // The first period is over, and its counts are gone already.
        subjects.leave(ada, 1);
        assert_eq!(subjects.enter("ada", 3), None);
        subjects.leave(ada, 2);
        assert_eq!(subjects.enter("ada", 3), Some(ada));
        assert_eq!(subjects.enter("ada", 3), None);
        // One of two: the other still counts.
        subjects.leave(ada, 3);
        assert_eq!(subjects.enter("ada", 3), Some(ada));
        assert_eq!(subjects.enter("ada", 3), None);
        subjects.leave(ada, 3);
        subjects.leave(ada, 3);
        assert_eq!(lock(&subjects.shards[0]).current.len(), 0);
    }

    #[test]
    fn counts_of_periods_that_are_over_are_dropped_where_nobody_comes() {
        let subjects = Subjects::new(2, 2);
        for n in 0..100 {
            subjects.enter(&n.to_string(), 1).unwrap();
        }
        let counted = |subjects: &Subjects| -> Vec<usize> {
            let shards = subjects.shards.iter().map(lock);
            shards
                .map(|it| it.current.len() + it.previous.len())
                .collect()
        };
        let before = counted(&subjects);
        assert_eq!(before.iter().sum::<usize>(), 100);
        assert!(before.iter().all(|&subjects| subjects > 0), "{before:?}");
        subjects.advance(0, 3);
        assert_eq!(counted(&subjects), [0, before[1]]);
        subjects.advance(1, 2);
        assert_eq!(counted(&subjects), [0, before[1]]);
        subjects.advance(1, 3);
        assert_eq!(counted(&subjects), [0, 0]);
    }

    #[test]
    fn room_is_made_seldom_and_without_the_lock() {
        let mut counts = Counts {
            period: 0,
            current: HashTable::new(),
            previous: HashTable::new(),
        };
        let mut times = 0;
        for n in 0..5_000_u64 {
            // As the hasher makes them: the table takes other bits than the lowest.
            let subject = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut room = HashTable::new();
            let mut wanted = None;
            let mut entered = false;
            // It asks once at most.
            for _ in 0..2 {
                let under_lock =
                    allocation_counter::measure(|| match counts.make_room(0, &mut room) {
                        Ok(()) => entered = entered || counts.enter(subject, 0, 1),
                        Err(more) => wanted = Some(more),
                    });
                assert_eq!(under_lock.count_total, 0);
                if let Some(wanted) = wanted.take() {
                    let there = counts.current.len();
                    assert!(wanted > there && wanted <= there + there / 2 + 4);
                    times += 1;
                    room = HashTable::with_capacity(wanted);
                }
            }
            assert!(entered);
        }
        assert_eq!(counts.current.len(), 5_000);
        assert!((5..40).contains(&times), "{times}");
    }
}
