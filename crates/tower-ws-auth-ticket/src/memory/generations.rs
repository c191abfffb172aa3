use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::mem::{replace, swap, take};

use super::apart::Apart;
use crate::sync::{Mutex, lock};

/// Maps in shards, each in two generations: entries of this period, and of the one before.
pub(super) struct Shards<K, V>(Box<[Shard<K, V>]>);

type Shard<K, V> = Apart<Mutex<Generations<K, V>>>;

/// One shard. An entry lives at most a period, so a generation older than both has expired.
pub(super) struct Generations<K, V> {
    /// The number of the period in which `current` began.
    period: u64,
    current: Map<K, V>,
    previous: Map<K, V>,
}

/// The keys are digests already.
type Map<K, V> = HashMap<K, V, BuildHasherDefault<Digested>>;

impl<K: Eq + Hash, V> Shards<K, V> {
    pub(super) fn new(shards: usize) -> Self {
        let shard = || Generations {
            period: 0,
            current: Map::default(),
            previous: Map::default(),
        };
        Self((0..shards).map(|_| Apart(Mutex::new(shard()))).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Works on the shard of this number, in this period. Also returns how many entries were over.
    /// They are freed after the lock is released, because freeing takes long.
    pub(super) fn with<T>(
        &self,
        number: usize,
        period: u64,
        work: impl FnOnce(&mut Generations<K, V>) -> T,
    ) -> (T, usize) {
        let mut shard = lock(&self.0[number % self.0.len()]);
        let over = shard.advance(period);
        let done = work(&mut shard);
        drop(shard);
        (done, entries(&over))
    }

    /// The same, once this period has room for one more entry. The room is made without the lock,
    /// because an allocator that has just freed much may take long.
    pub(super) fn with_room<T>(
        &self,
        number: usize,
        period: u64,
        work: impl FnOnce(&mut Generations<K, V>) -> T,
    ) -> (T, usize) {
        let (mut room, mut before) = (Map::default(), 0);
        loop {
            let mut shard = lock(&self.0[number % self.0.len()]);
            let over = shard.advance(period);
            let made = shard.make_room(period, &mut room);
            let Err(wanted) = made else {
                let done = work(&mut shard);
                drop(shard);
                return (done, before + entries(&over));
            };
            drop(shard);
            before += entries(&over);
            room = Map::with_capacity_and_hasher(wanted, BuildHasherDefault::default());
        }
    }
}

fn entries<K, V>(maps: &[Map<K, V>]) -> usize {
    maps.iter().map(Map::len).sum()
}

impl<K: Eq + Hash, V> Generations<K, V> {
    /// Begins this period. Returns the generations that are over.
    fn advance(&mut self, period: u64) -> [Map<K, V>; 2] {
        if period <= self.period {
            return [Map::default(), Map::default()];
        }
        let is_next = period - self.period == 1;
        self.period = period;
        let over = replace(&mut self.previous, take(&mut self.current));
        let skipped = if is_next {
            Map::default()
        } else {
            take(&mut self.previous)
        };
        [over, skipped]
    }

    /// Moves into this room if this period has none for one more entry. Returns how much is wanted
    /// if there still is none.
    fn make_room(&mut self, period: u64, room: &mut Map<K, V>) -> Result<(), usize> {
        let entries = self.generation(period);
        let len = entries.len();
        if len < entries.capacity() {
            return Ok(());
        }
        if len >= room.capacity() {
            return Err(len + len / 2 + 4);
        }
        room.extend(entries.drain());
        swap(entries, room);
        Ok(())
    }

    /// The values of a key, of which each generation has one at most.
    pub(super) fn get(&self, key: &K) -> impl Iterator<Item = &V> {
        let generations = [&self.current, &self.previous].into_iter();
        generations.filter_map(move |generation| generation.get(key))
    }

    /// Takes a value out, with the period of its generation.
    pub(super) fn remove(&mut self, key: &K) -> Option<(V, u64)> {
        let current = self.current.remove(key).map(|value| (value, self.period));
        let last = self.period.saturating_sub(1);
        current.or_else(|| Some((self.previous.remove(key)?, last)))
    }

    /// The generation of a period. Another thread may have begun the next one in the meantime.
    pub(super) fn generation(&mut self, period: u64) -> &mut Map<K, V> {
        if period >= self.period {
            &mut self.current
        } else {
            &mut self.previous
        }
    }

    pub(super) fn is_over(&self, period: u64) -> bool {
        period.saturating_add(1) < self.period
    }
}

/// Takes the hash from a key that is a digest.
#[derive(Default)]
pub(super) struct Digested(u64);

impl Hasher for Digested {
    fn write_u128(&mut self, digest: u128) {
        // The lower bits choose the shard.
        self.0 = (digest >> 64) as u64;
    }

    fn write_u64(&mut self, digest: u64) {
        self.0 = digest;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(shards: &Shards<u64, u64>, n: u64, period: u64) -> usize {
        let put = |shard: &mut Generations<_, _>| shard.generation(period).insert(n, n);
        shards.with(0, period, put).1
    }

    #[test]
    fn an_entry_is_found_in_its_period_and_the_next_and_counted_when_it_is_over() {
        let shards = Shards::new(1);
        assert_eq!((put(&shards, 1, 7), put(&shards, 2, 8)), (0, 0));
        let seen = |n, period| shards.with(0, period, |shard| shard.get(&n).count());
        assert_eq!((seen(1, 8), seen(2, 8)), ((1, 0), (1, 0)));
        assert_eq!((seen(1, 9), seen(2, 9)), ((0, 1), (1, 0)));
        assert_eq!(put(&shards, 3, 9), 0);
        // A period was skipped: both generations are over.
        assert_eq!((seen(2, 11), seen(3, 11)), ((0, 2), (0, 0)));
        // A period does not come back.
        assert_eq!((put(&shards, 4, 10), seen(4, 9)), (0, (1, 0)));
        assert_eq!(seen(4, 12), (0, 1));
    }

    #[test]
    fn a_value_is_removed_once_with_the_period_of_its_generation() {
        let shards = Shards::new(1);
        put(&shards, 1, 7);
        put(&shards, 2, 8);
        let remove = |n| shards.with(0, 8, |shard| shard.remove(&n)).0;
        assert_eq!((remove(1), remove(1)), (Some((1, 7)), None));
        assert_eq!((remove(2), remove(2)), (Some((2, 8)), None));
    }

    #[test]
    fn nothing_is_freed_under_the_lock_when_a_period_is_over() {
        let shards = Shards::new(1);
        for n in 0..500 {
            put(&shards, n, 1);
        }
        let mut over = None;
        let mut shard = lock(&shards.0[0]);
        let under_lock = allocation_counter::measure(|| over = Some(shard.advance(3)));
        drop(shard);
        assert_eq!((under_lock.count_total, under_lock.count_current), (0, 0));
        let freed = allocation_counter::measure(|| drop(over.take()));
        assert_eq!(freed.count_current, -1);
    }

    #[test]
    fn nothing_is_allocated_or_freed_under_the_lock_to_make_room() {
        let shards = Shards::new(1);
        let mut times = 0;
        let mut shard = lock(&shards.0[0]);
        for n in 0..5_000 {
            let mut room = Map::default();
            // It asks once at most.
            for _ in 0..2 {
                let (mut made, there) = (None, shard.current.len());
                let under_lock = allocation_counter::measure(|| {
                    made = Some(shard.make_room(0, &mut room).map(|()| {
                        shard.generation(0).insert(n, n);
                    }));
                });
                assert_eq!((under_lock.count_total, under_lock.count_current), (0, 0));
                let Some(Err(wanted)) = made else { break };
                assert!(wanted > there && wanted <= there + there / 2 + 4);
                times += 1;
                room = Map::with_capacity_and_hasher(wanted, BuildHasherDefault::default());
            }
        }
        assert_eq!(shard.current.len(), 5_000);
        assert!((5..40).contains(&times), "{times}");
    }

    #[test]
    fn keys_that_are_digests_are_their_own_hash_and_others_are_spread() {
        let hash = |write: &dyn Fn(&mut Digested)| {
            let mut hasher = Digested::default();
            write(&mut hasher);
            hasher.finish()
        };
        assert_eq!(hash(&|it| it.write_u128(7 << 64 | 9)), 7);
        assert_eq!(hash(&|it| it.write_u64(9)), 9);
        assert_ne!(hash(&|it| it.write(b"ab")), hash(&|it| it.write(b"ba")));
    }
}
