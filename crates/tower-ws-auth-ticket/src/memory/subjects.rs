use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::sync::{Mutex, lock};

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
    current: HashMap<u64, u32>,
    previous: HashMap<u64, u32>,
}

impl Subjects {
    pub(super) fn new(shards: usize, limit: u32) -> Self {
        let counts = || {
            Mutex::new(Counts {
                period: 0,
                current: HashMap::new(),
                previous: HashMap::new(),
            })
        };
        Self {
            hasher: RandomState::new(),
            shards: (0..shards).map(|_| counts()).collect(),
            limit,
        }
    }

    /// Counts one more in this period. `None` if the subject has as many as it may.
    pub(super) fn enter(&self, subject: &str, period: u64) -> Option<u64> {
        // 0 stands for nobody.
        let subject = self.hasher.hash_one(subject).max(1);
        let mut over = None;
        let mut counts = lock(self.shard(subject));
        over.replace(counts.advance(period));
        let in_previous = counts.previous.get(&subject).copied().unwrap_or(0);
        let in_current = counts.current.get(&subject).copied().unwrap_or(0);
        let entered = in_previous.saturating_add(in_current) < self.limit;
        if entered {
            let generation = counts.generation(period);
            *generation.entry(subject).or_default() += 1;
        }
        drop(counts);
        drop(over);
        entered.then_some(subject)
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
        if let Some(count) = generation.get_mut(&subject) {
            *count -= 1;
            if *count == 0 {
                generation.remove(&subject);
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
    fn advance(&mut self, period: u64) -> Option<[HashMap<u64, u32>; 2]> {
        if period <= self.period {
            return None;
        }
        let next = period == self.period + 1;
        self.period = period;
        let current = std::mem::take(&mut self.current);
        let (previous, over) = if next {
            (current, HashMap::new())
        } else {
            (HashMap::new(), current)
        };
        Some([std::mem::replace(&mut self.previous, previous), over])
    }

    fn generation(&mut self, period: u64) -> &mut HashMap<u64, u32> {
        if period == self.period {
            &mut self.current
        } else {
            &mut self.previous
        }
    }
}
