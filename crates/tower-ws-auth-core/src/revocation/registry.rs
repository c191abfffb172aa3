mod holders;
mod places;

use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;
use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

use self::holders::Holders;
use super::connection::Connection;
use super::limits::Enforced;
use super::{DisconnectReason, Revocation, RevocationKey};
use crate::Clock;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// Every connection of this node that can be revoked, by its keys.
pub(super) struct Registry {
    shards: [Mutex<Shard>; SHARDS],
    next: AtomicU64,
    pub(super) enforced: Enforced,
    clock: Clock,
    /// Of the store that knows what is revoked.
    shared_name: Option<Arc<str>>,
}

#[cfg(not(loom))]
const SHARDS: usize = 64;
/// A small number under loom, because every lock costs states.
#[cfg(loom)]
const SHARDS: usize = 1;

type Shard = HashMap<Arc<str>, Holders>;

impl Registry {
    /// `clock` tells how long a place has been held.
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            next: AtomicU64::new(0),
            enforced: Enforced::default(),
            clock,
            shared_name: None,
        }
    }

    /// The same, whose store has this name among the nodes.
    pub(super) fn with_shared_name(mut self, name: Option<Arc<str>>) -> Self {
        self.shared_name = name;
        self
    }

    pub(super) fn shared_name(&self) -> Option<&str> {
        self.shared_name.as_deref()
    }

    /// Registers a connection under its keys. From now on it hears of revocations.
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
                    free.insert(Holders::one(&connection));
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
            // A map shrinks after many connections have left.
            if shard.capacity() > 64 && shard.len() < shard.capacity() / 8 {
                shard.shrink_to_fit();
            }
        }
    }

    /// The connections under a key, the oldest first.
    pub(super) fn holders(&self, key: &str) -> Vec<Arc<Connection>> {
        match self.shard(key).get(key) {
            None => Vec::new(),
            Some(holders) => holders
                .iter()
                .map(|held| Arc::clone(&held.connection))
                .collect(),
        }
    }

    pub(super) fn count(&self, key: &str) -> usize {
        self.shard(key).get(key).map_or(0, Holders::len)
    }

    /// Every key with a registration.
    pub(super) fn keys(&self) -> Vec<Arc<str>> {
        let keys = |shard: &Mutex<Shard>| lock(shard).keys().cloned().collect::<Vec<_>>();
        self.shards.iter().flat_map(keys).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| lock(shard).is_empty())
    }

    /// Tells the connections under a key of a revocation. It yields to the runtime after every few
    /// of them.
    pub(super) async fn tell(&self, key: &str, revocation: &Revocation) {
        for (told, connection) in self.holders(key).into_iter().enumerate() {
            if told % BATCH == BATCH - 1 {
                yield_now().await;
            }
            connection.hear(key, revocation);
        }
    }

    /// Ends the connections under a key, whatever their credentials.
    pub(super) async fn end(&self, key: &str, reason: &DisconnectReason) -> usize {
        let mut ended = 0;
        for (told, connection) in self.holders(key).into_iter().enumerate() {
            if told % BATCH == BATCH - 1 {
                yield_now().await;
            }
            ended += usize::from(connection.end(reason));
        }
        ended
    }

    fn shard(&self, key: &str) -> MutexGuard<'_, Shard> {
        lock(&self.shards[shard_of(key)])
    }
}

/// The hash is cheap and need not be secure. A client that crowds one shard with chosen keys only
/// slows that shard's lock. The shard's map uses a randomly keyed hash.
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

/// The number of connections to end before the runtime has its turn.
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
        let registry = Registry::new(Clock::system());
        let names = (0..1_000_000).map(|n| n.to_string());
        let of_one_shard = names.filter(|name| shard_of(name) == 0);
        let keys: Vec<RevocationKey> = of_one_shard.take(1001).map(RevocationKey::from).collect();
        let register =
            |keys: &[RevocationKey]| registry.register(keys.into(), SystemTime::UNIX_EPOCH);
        let crowds = [&keys[..700], &keys[700..900], &keys[900..]].map(register);
        let capacity = || lock(&registry.shards[0]).capacity();
        // Three of ten remain, too many to move, and then one of ten.
        for (crowd, moves) in crowds.iter().zip([false, true, true]) {
            registry.remove(crowd);
            assert_eq!(capacity() < 900, moves, "{}", capacity());
        }
        assert!(registry.is_empty());
        assert!(capacity() <= 64, "{}", capacity());
    }
}
