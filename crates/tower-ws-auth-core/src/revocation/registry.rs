use std::collections::hash_map::Entry as MapEntry;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

use super::connection::Connection;
use super::{Ending, Revocation, RevocationKey};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// Every connection of this node that can be revoked, by its keys.
pub(super) struct Registry {
    shards: [Mutex<Shard>; SHARDS],
    next: AtomicU64,
}

#[cfg(not(loom))]
const SHARDS: usize = 64;
/// In a model every lock counts.
#[cfg(loom)]
const SHARDS: usize = 1;

type Shard = HashMap<Arc<str>, Holders>;

/// The connections under one key, in the order in which they came.
enum Holders {
    // Most keys have one, and a map for it would be most of its memory.
    One(Arc<Connection>),
    Many(BTreeMap<u64, Arc<Connection>>),
}

impl Registry {
    pub(super) fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            next: AtomicU64::new(0),
        }
    }

    /// Registers a connection under its keys; it hears of revocations from now on.
    pub(super) fn register(
        &self,
        keys: Box<[RevocationKey]>,
        since: SystemTime,
    ) -> Arc<Connection> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection::new(id, keys, since));
        for key in connection.keys() {
            match self.shard(key).entry(Arc::clone(key.shared_name())) {
                MapEntry::Vacant(free) => {
                    free.insert(Holders::One(Arc::clone(&connection)));
                }
                MapEntry::Occupied(mut held) => held.get_mut().add(&connection),
            }
        }
        connection
    }

    pub(super) fn remove(&self, connection: &Connection) {
        for key in connection.keys() {
            let mut shard = self.shard(key);
            if let MapEntry::Occupied(mut held) = shard.entry(Arc::clone(key.shared_name()))
                && held.get_mut().remove(connection)
            {
                held.remove();
            }
            // A map that once held a crowd gives its memory back.
            if shard.capacity() > 64 && shard.len() < shard.capacity() / 8 {
                shard.shrink_to_fit();
            }
        }
    }

    /// The connections under a key, the oldest first.
    pub(super) fn holders(&self, key: &str) -> Vec<Arc<Connection>> {
        match self.shard(key).get(key) {
            None => Vec::new(),
            Some(Holders::One(one)) => vec![Arc::clone(one)],
            Some(Holders::Many(many)) => many.values().cloned().collect(),
        }
    }

    pub(super) fn count(&self, key: &str) -> usize {
        match self.shard(key).get(key) {
            None => 0,
            Some(Holders::One(_)) => 1,
            Some(Holders::Many(many)) => many.len(),
        }
    }

    /// Every key under which something is registered.
    pub(super) fn keys(&self) -> Vec<Arc<str>> {
        let keys = |shard: &Mutex<Shard>| lock(shard).keys().cloned().collect::<Vec<_>>();
        self.shards.iter().flat_map(keys).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| lock(shard).is_empty())
    }

    /// Tells the connections under a key of a revocation. The runtime goes on meanwhile: after
    /// every few of them it has its turn.
    pub(super) async fn tell(&self, key: &str, revocation: &Revocation) {
        for (told, connection) in self.holders(key).into_iter().enumerate() {
            if told % BATCH == BATCH - 1 {
                yield_now().await;
            }
            connection.hear(key, revocation);
        }
    }

    /// Ends the connections under a key, whatever their credentials.
    pub(super) async fn end(&self, key: &str, ending: &Ending) -> usize {
        let mut ended = 0;
        for (told, connection) in self.holders(key).into_iter().enumerate() {
            if told % BATCH == BATCH - 1 {
                yield_now().await;
            }
            ended += usize::from(connection.end(ending));
        }
        ended
    }

    fn shard(&self, key: &str) -> MutexGuard<'_, Shard> {
        lock(&self.shards[shard_of(key)])
    }
}

/// Any spread will do, and this one is cheap: whoever crowds a shard by choosing his keys makes its
/// lock slower. In its map they are spread by a hash that nobody can foresee.
fn shard_of(key: &str) -> usize {
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(MIX);
    let (words, rest) = key.as_bytes().as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    let rest = rest.iter().map(|byte| u64::from(*byte));
    let hash = words.chain(rest).fold(0, mix);
    // The uppermost bits depend on every byte.
    usize::try_from(hash >> 58).unwrap_or_default() % SHARDS
}

/// How many connections are ended before the runtime has its turn.
const BATCH: usize = 32;

/// Nothing under these locks panics.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

impl Holders {
    /// Whether nobody is left.
    fn remove(&mut self, connection: &Connection) -> bool {
        match self {
            Self::One(one) => one.id() == connection.id(),
            Self::Many(many) => {
                let at = place(many, connection);
                at.map(|at| many.remove(&at));
                many.is_empty()
            }
        }
    }

    /// Behind all who are there. An id is given before its place, so that a later one may be there
    /// first; whoever was let in because nobody stood before him must not find somebody there.
    fn add(&mut self, connection: &Arc<Connection>) {
        let behind = |last: u64| connection.id().max(last.saturating_add(1));
        match self {
            Self::One(one) if one.id() == connection.id() => {}
            Self::One(one) => {
                let first = (one.id(), Arc::clone(one));
                let second = (behind(one.id()), Arc::clone(connection));
                *self = Self::Many(BTreeMap::from([first, second]));
            }
            Self::Many(many) => {
                // Named twice, a key holds it once.
                if place(many, connection).is_none() {
                    let last = many.last_key_value().map_or(0, |(last, _)| *last);
                    many.insert(behind(last), Arc::clone(connection));
                }
            }
        }
    }
}

/// At its id, or a little behind.
fn place(many: &BTreeMap<u64, Arc<Connection>>, connection: &Connection) -> Option<u64> {
    let mut from = many.range(connection.id()..);
    let (at, _) = from.find(|(_, there)| there.id() == connection.id())?;
    Some(*at)
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: usize = self.shards.iter().map(|shard| lock(shard).len()).sum();
        f.debug_struct("Registry")
            .field("keys", &keys)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_with_an_earlier_id_stands_behind_those_who_were_there() {
        let [a, b, c, d] = [1, 2, 3, 4].map(|id| {
            let keys = Box::from([RevocationKey::from("user:ada")]);
            Arc::new(Connection::new(id, keys, SystemTime::UNIX_EPOCH))
        });
        let mut holders = Holders::One(Arc::clone(&b));
        for come in [&a, &d, &c, &c] {
            holders.add(come);
        }
        let order = |holders: &Holders| match holders {
            Holders::One(_) => Vec::new(),
            Holders::Many(many) => many.values().map(|there| there.id()).collect(),
        };
        assert_eq!(order(&holders), [2, 1, 4, 3]);
        assert!(!holders.remove(&a) && !holders.remove(&d) && !holders.remove(&d));
        assert_eq!(order(&holders), [2, 3]);
        assert!(!holders.remove(&b) && holders.remove(&c));
    }

    #[test]
    fn keys_of_every_kind_spread_over_the_shards() {
        let kinds: [fn(usize) -> String; 4] = [
            |n| format!("user:{n}"),
            |n| format!("user:{n}:eu-west-1.example"),
            |n| format!("session:{:032x}", n * 0x1234_5679),
            |n| format!("{n:06}"),
        ];
        for kind in kinds {
            let mut shards = [0_usize; SHARDS];
            for n in 0..100 * SHARDS {
                shards[shard_of(&kind(n))] += 1;
            }
            let most = shards.into_iter().max().unwrap_or_default();
            assert!(most <= 200, "{most} of {:?} in one shard", kind(0));
        }
    }

    #[test]
    fn a_map_gives_back_the_memory_of_a_crowd_and_not_that_of_one() {
        let registry = Registry::new();
        let names = (0..1_000_000).map(|n| n.to_string());
        let of_one_shard = names.filter(|name| shard_of(name) == 0);
        let keys: Vec<RevocationKey> = of_one_shard.take(1001).map(RevocationKey::from).collect();
        let register =
            |keys: &[RevocationKey]| registry.register(keys.into(), SystemTime::UNIX_EPOCH);
        let crowds = [&keys[..700], &keys[700..900], &keys[900..]].map(register);
        let capacity = || lock(&registry.shards[0]).capacity();
        // Three of ten are left, which is no reason to move, and then one of ten.
        for (crowd, moves) in crowds.iter().zip([false, true, true]) {
            registry.remove(crowd);
            assert_eq!(capacity() < 900, moves, "{}", capacity());
        }
        assert!(registry.is_empty());
        assert!(capacity() <= 64, "{}", capacity());
    }
}
