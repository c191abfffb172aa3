use std::collections::hash_map::Entry;
use std::hash::BuildHasher;

use super::generations::Shards;
use crate::sync::RandomState;

/// How many tickets each subject has outstanding.
///
/// Counted by generation, as the tickets are kept: expired tickets take their counts along.
pub(super) struct Subjects {
    /// Keyed at random: nobody can choose a subject that shares another's count.
    hasher: RandomState,
    /// By a digest of the subject.
    counts: Shards<u64, u32>,
    limit: u32,
}

impl Subjects {
    pub(super) fn new(shards: usize, limit: u32) -> Self {
        Self {
            hasher: RandomState::default(),
            counts: Shards::new(shards),
            limit,
        }
    }

    /// Counts one more in this period. `None` if the subject has as many as it may.
    pub(super) fn enter(&self, subject: &str, period: u64) -> Option<u64> {
        // 0 stands for nobody.
        let subject = self.hasher.hash_one(subject).max(1);
        let (entered, _) = self.counts.with_room(shard(subject), period, |counts| {
            let outstanding: u64 = counts.get(&subject).map(|&count| u64::from(count)).sum();
            if outstanding >= u64::from(self.limit) {
                return None;
            }
            *counts.generation(period).entry(subject).or_default() += 1;
            Some(subject)
        });
        entered
    }

    /// Counts one less in the period in which it was counted.
    pub(super) fn leave(&self, subject: u64, period: u64) {
        if subject == 0 {
            return;
        }
        self.counts.with(shard(subject), period, |counts| {
            if counts.is_over(period) {
                return;
            }
            if let Entry::Occupied(mut count) = counts.generation(period).entry(subject) {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
        });
    }

    /// Begins this period in one shard.
    pub(super) fn advance(&self, shard: usize, period: u64) {
        self.counts.with(shard, period, |_| ());
    }
}

/// The map inside takes the lower bits.
fn shard(subject: u64) -> usize {
    (subject >> 32) as usize
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
        // The counts are gone, and none is over in the end.
        assert_eq!(subjects.counts.with(0, 5, |_| ()).1, 0);
    }

    #[test]
    fn counts_of_periods_that_are_over_are_dropped_where_nobody_comes() {
        let subjects = Subjects::new(2, 2);
        for n in 0..100 {
            subjects.enter(&n.to_string(), 1).unwrap();
        }
        subjects.advance(1, 2);
        let [first, second] = [0, 1].map(|shard| subjects.counts.with(shard, 3, |_| ()).1);
        assert_eq!(first + second, 100);
        assert!(first > 0 && second > 0, "{first} {second}");
        assert_eq!(subjects.counts.with(0, 5, |_| ()).1, 0);
    }
}
