use std::collections::hash_map::Entry as MapEntry;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use super::connection::Connection;
use super::limits::Enforced;
use super::{ConnectionLimits, DisconnectReason, OverLimit, Revocation, RevocationKey};
use crate::Clock;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// Every connection of this node that can be revoked, by its keys.
pub(super) struct Registry {
    shards: [Mutex<Shard>; SHARDS],
    next: AtomicU64,
    pub(super) enforced: Enforced,
    clock: Clock,
}

#[cfg(not(loom))]
const SHARDS: usize = 64;
/// A small number under loom, because every lock costs states.
#[cfg(loom)]
const SHARDS: usize = 1;

type Shard = HashMap<Arc<str>, Holders>;

/// The connections under one key, in the order of their registration or opening.
enum Holders {
    // Most keys have one, and a map would take most of its memory.
    One(u64, Held),
    Many(BTreeMap<u64, Held>),
}

#[derive(Clone)]
struct Held {
    connection: Arc<Connection>,
    standing: Standing,
}

/// Whether connection limits count a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Its handshake is under way: it does not count.
    Undecided,
    /// Its handshake is about to spend a credential, and has held a place since this moment.
    Place(SystemTime),
    /// It was accepted and upgraded.
    Open,
}

/// The longest time for which a handshake holds a place.
const PLACE_LIFE: Duration = Duration::from_secs(10);

impl Registry {
    /// `clock` tells how long a place has been held.
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            next: AtomicU64::new(0),
            enforced: Enforced::default(),
            clock,
        }
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
                    free.insert(Holders::One(id, Held::new(&connection)));
                }
                MapEntry::Occupied(mut held) => held.get_mut().add(&connection),
            }
        }
        connection
    }

    /// Takes a place for a connection under each key that these limits may refuse. Returns `false`
    /// if there is no room under one of them; then it holds none of these places.
    ///
    /// A place counts until the connection is opened, ended or removed, and for at most
    /// [`PLACE_LIFE`].
    pub(super) fn reserve(&self, connection: &Connection, limits: &ConnectionLimits) -> bool {
        self.reserve_under(connection.keys().iter(), connection, limits)
    }

    fn reserve_under<'a>(
        &self,
        keys: impl Iterator<Item = &'a RevocationKey>,
        connection: &Connection,
        limits: &ConnectionLimits,
    ) -> bool {
        let most = |key: &'a RevocationKey| Some((key, limits.most(key, OverLimit::RefuseNewest)?));
        let mut limited: Vec<_> = keys.filter_map(most).collect();
        // In one order for all: of two connections that have the same keys, one finds room.
        limited.sort_unstable_by(|(one, _), (other, _)| one.name().cmp(other.name()));
        let now = self.clock.now();
        let mut all = limited.iter();
        let has_places = all.all(|(key, most)| self.take_place(key, connection, *most, now));
        if !has_places {
            for (key, _) in limited {
                self.give_back(key, connection);
            }
        }
        has_places
    }

    /// Counts a connection from now on, as the newest one under each of its keys. Under the keys
    /// that both have, it takes over the count of `instead_of`.
    ///
    /// Returns the connections to end in its favour, or `None` if there is no room under one of its
    /// keys. Then it is not counted, and nothing has changed.
    pub(super) fn open(
        &self,
        connection: &Arc<Connection>,
        instead_of: Option<&Connection>,
        limits: &ConnectionLimits,
    ) -> Option<Vec<Arc<Connection>>> {
        let counted = |key: &RevocationKey| instead_of.filter(|old| self.is_open(old, key));
        let fresh = connection
            .keys()
            .iter()
            .filter(|key| counted(key).is_none());
        // Judged and counted under one lock: of two concurrent ones, the later finds the other.
        if !self.reserve_under(fresh, connection, limits) {
            return None;
        }
        let order = self.next.fetch_add(1, Ordering::Relaxed);
        let mut evicted = Vec::new();
        for key in connection.keys() {
            let old = counted(key);
            self.count_in(key, connection, order, old);
            if old.is_none()
                && let Some(most) = limits.most(key, OverLimit::EndOldest)
            {
                evicted.extend(self.over_limit(key, most));
            }
        }
        connection.move_to(order);
        Some(evicted)
    }

    /// Whether a connection finds room under a key: fewer than `most` others count there.
    pub(super) fn has_room(&self, key: &str, most: usize, connection: &Connection) -> bool {
        let now = self.clock.now();
        match self.shard(key).get(key) {
            Some(holders) => holders.have_room(connection, most, now),
            None => most > 0,
        }
    }

    /// Lets a connection count under a key if there is room. Under one lock, so that no other takes
    /// the same place.
    fn take_place(&self, key: &str, connection: &Connection, most: usize, now: SystemTime) -> bool {
        let mut shard = self.shard(key);
        let Some(holders) = shard.get_mut(key) else {
            return most > 0;
        };
        let has_room = holders.have_room(connection, most, now);
        if has_room
            && let Some(held) = holders.find(connection)
            && held.standing != Standing::Open
        {
            held.standing = Standing::Place(now);
        }
        has_room
    }

    fn give_back(&self, key: &str, connection: &Connection) {
        if let Some(held) = (self.shard(key).get_mut(key)).and_then(|it| it.find(connection))
            && held.standing != Standing::Open
        {
            held.standing = Standing::Undecided;
        }
    }

    fn is_open(&self, connection: &Connection, key: &str) -> bool {
        let mut shard = self.shard(key);
        let held = shard
            .get_mut(key)
            .and_then(|holders| holders.find(connection));
        held.is_some_and(|held| held.standing == Standing::Open)
    }

    fn count_in(
        &self,
        key: &str,
        connection: &Arc<Connection>,
        order: u64,
        instead_of: Option<&Connection>,
    ) {
        if let Some(holders) = self.shard(key).get_mut(key) {
            if let Some(old) = instead_of.and_then(|old| holders.find(old)) {
                old.standing = Standing::Undecided;
            }
            holders.open_as(connection, order);
        }
    }

    /// The oldest open connections under a key, beyond the newest `most`.
    fn over_limit(&self, key: &str, most: usize) -> Vec<Arc<Connection>> {
        self.shard(key).get(key).map_or_else(Vec::new, |holders| {
            if holders.len() <= most {
                return Vec::new();
            }
            // Collected at once: if another thread ended the oldest meanwhile, another one would
            // become the oldest.
            let mut open: Vec<_> = holders.open().cloned().collect();
            open.truncate(open.len().saturating_sub(most));
            open
        })
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

impl Holders {
    fn len(&self) -> usize {
        match self {
            Self::One(..) => 1,
            Self::Many(many) => many.len(),
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Held> {
        let (one, many) = match self {
            Self::One(_, one) => (Some(one), None),
            Self::Many(many) => (None, Some(many.values())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// The open connections, in the order of their opening. Ended ones are not among them.
    fn open(&self) -> impl Iterator<Item = &Arc<Connection>> {
        let open = self.iter().filter(|held| held.standing == Standing::Open);
        open.map(|held| &held.connection)
            .filter(|connection| !connection.has_ended())
    }

    /// Whether fewer than `most` others are open or hold a place. Ended ones do not count.
    fn have_room(&self, connection: &Connection, most: usize, now: SystemTime) -> bool {
        if self.len() < most {
            return true;
        }
        let others = self.iter().filter(|held| {
            held.standing.counts(now) && !held.is(connection) && !held.connection.has_ended()
        });
        others.take(most).count() < most
    }

    fn find(&mut self, connection: &Connection) -> Option<&mut Held> {
        match self {
            Self::One(_, one) => Some(one).filter(|one| one.is(connection)),
            Self::Many(many) => {
                let at = place(many, connection)?;
                many.get_mut(&at)
            }
        }
    }

    /// Returns `true` if no connection is left.
    fn remove(&mut self, connection: &Connection) -> bool {
        match self {
            Self::One(_, one) => one.is(connection),
            Self::Many(many) => {
                let at = place(many, connection);
                at.map(|at| many.remove(&at));
                many.is_empty()
            }
        }
    }

    /// Adds it behind all others. A later id may be added first, because an id is given before the
    /// position. A connection that was admitted as the first must not find another one before it
    /// later.
    fn add(&mut self, connection: &Arc<Connection>) {
        match self {
            Self::One(_, one) if one.is(connection) => {}
            Self::One(at, one) => {
                let mut many = BTreeMap::from([(*at, one.clone())]);
                put_behind(&mut many, connection.order(), Held::new(connection));
                *self = Self::Many(many);
            }
            Self::Many(many) => {
                // A key that is named twice holds it once.
                if place(many, connection).is_none() {
                    put_behind(many, connection.order(), Held::new(connection));
                }
            }
        }
    }

    /// Moves it behind all others: from now on it counts.
    fn open_as(&mut self, connection: &Connection, order: u64) {
        match self {
            Self::One(at, one) if one.is(connection) => {
                *at = order;
                one.standing = Standing::Open;
            }
            Self::One(..) => {}
            Self::Many(many) => {
                let at = place(many, connection);
                if let Some(mut held) = at.and_then(|at| many.remove(&at)) {
                    held.standing = Standing::Open;
                    put_behind(many, order, held);
                }
            }
        }
    }
}

impl Held {
    fn new(connection: &Arc<Connection>) -> Self {
        Self {
            connection: Arc::clone(connection),
            standing: Standing::Undecided,
        }
    }

    fn is(&self, connection: &Connection) -> bool {
        self.connection.id() == connection.id()
    }
}

impl Standing {
    fn counts(self, now: SystemTime) -> bool {
        match self {
            Self::Undecided => false,
            // A clock that is set back does not prolong it.
            Self::Place(since) => match now.duration_since(since) {
                Ok(held) => held < PLACE_LIFE,
                Err(ahead) => ahead.duration() < PLACE_LIFE,
            },
            Self::Open => true,
        }
    }
}

fn put_behind(many: &mut BTreeMap<u64, Held>, order: u64, held: Held) {
    let last = many.last_key_value().map(|(last, _)| *last);
    let behind = last.map_or(order, |last| order.max(last.saturating_add(1)));
    many.insert(behind, held);
}

/// At its order, or a little later.
fn place(many: &BTreeMap<u64, Held>, connection: &Connection) -> Option<u64> {
    let mut from = many.range(connection.order()..);
    let (at, _) = from.find(|(_, there)| there.is(connection))?;
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
    fn a_connection_with_an_earlier_id_is_placed_behind_the_others() {
        let [a, b, c, d] = [1, 2, 3, 4].map(|id| {
            let keys = Box::from([RevocationKey::from("user:ada")]);
            Arc::new(Connection::new(id, keys, SystemTime::UNIX_EPOCH))
        });
        let mut holders = Holders::One(b.id(), Held::new(&b));
        for come in [&a, &d, &c, &c] {
            holders.add(come);
        }
        let order = |holders: &Holders| match holders {
            Holders::One(..) => Vec::new(),
            Holders::Many(many) => many.values().map(|there| there.connection.id()).collect(),
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

    #[test]
    fn only_open_connections_count_and_a_renewal_takes_over_the_old_place() {
        let registry = Registry::new(Clock::system());
        let register = |keys: &[&str]| {
            let keys = keys.iter().map(|key| RevocationKey::from(*key)).collect();
            registry.register(keys, SystemTime::UNIX_EPOCH)
        };
        let one = ConnectionLimits::new().max_connections(1, "user:", OverLimit::RefuseNewest);
        let open = |new, old| registry.open(new, old, &one).is_some();
        let [first, second] = [(); 2].map(|()| register(&["user:ada"]));
        assert!(registry.has_room("user:ada", 1, &first));
        assert!(open(&second, None));
        assert!(!registry.has_room("user:ada", 1, &first));
        assert!(registry.has_room("user:ada", 1, &second));
        assert!(!open(&first, None));
        // A refused one takes no room.
        let renewed = register(&["user:ada", "token:2"]);
        assert!(open(&renewed, Some(&second)));
        registry.remove(&second);
        assert!(!open(&first, None));
        renewed.end(&DisconnectReason::Revoked);
        assert!(open(&first, None));
        for gone in [&first, &renewed] {
            registry.remove(gone);
        }
        assert!(registry.is_empty());
    }

    #[test]
    fn a_place_counts_until_it_is_opened_or_given_back_and_for_ten_seconds_at_most() {
        let now = Arc::new(AtomicU64::new(1000));
        let at = Arc::clone(&now);
        let clock = Clock::from_fn(move || Clock::at(at.load(Ordering::Relaxed)));
        let registry = Registry::new(clock);
        let one = ConnectionLimits::new()
            .max_connections(1, "user:", OverLimit::RefuseNewest)
            .max_connections(1, "room:", OverLimit::RefuseNewest);
        let register = |keys: &[&str]| {
            let keys = keys.iter().map(|key| RevocationKey::from(*key)).collect();
            registry.register(keys, SystemTime::UNIX_EPOCH)
        };
        let reserve = |connection| registry.reserve(connection, &one);
        let open = |connection| registry.open(connection, None, &one).is_some();
        let [first, second] = [(); 2].map(|()| register(&["user:ada", "other"]));
        let elsewhere = register(&["user:ada", "room:1"]);
        assert!(reserve(&first) && reserve(&first));
        // Under the key that has room it takes no place either.
        assert!(!reserve(&second) && !open(&second) && !reserve(&elsewhere));
        let guest = register(&["room:1"]);
        assert!(reserve(&guest));
        assert!(!open(&second) && open(&first) && !open(&second));
        first.end(&DisconnectReason::Revoked);
        assert!(reserve(&second));
        registry.remove(&second);

        let [slow, quick, last] = [(); 3].map(|()| register(&["user:ada"]));
        assert!(reserve(&slow));
        for (moment, lapses) in [(1009, false), (991, false), (1010, true), (990, true)] {
            now.store(moment, Ordering::Relaxed);
            assert_eq!(registry.has_room("user:ada", 1, &quick), lapses, "{moment}");
        }
        assert!(open(&quick));
        // Its place has lapsed: it finds no room.
        assert!(!open(&slow) && !reserve(&last));
        for gone in [first, elsewhere, guest, slow, quick, last] {
            registry.remove(&gone);
        }
        assert!(registry.is_empty());
    }

    mod in_any_order {
        use super::*;
        use proptest::prelude::*;
        use proptest::sample::Index;
        use std::collections::HashSet;

        const KEYS: [&str; 3] = ["user:a", "user:b", "room:c"];
        const MOST: usize = 2;

        #[derive(Clone, Debug)]
        enum Step {
            Register(Vec<&'static str>),
            Reserve(Index),
            Open(Index),
            Renew(Index, Index),
            End(Index),
            Remove(Index),
        }

        fn step() -> impl Strategy<Value = Step> {
            let keys = proptest::sample::subsequence(&KEYS, 0..=3);
            let which = any::<Index>;
            prop_oneof![
                keys.prop_map(|keys| Step::Register(keys.clone())),
                which().prop_map(Step::Reserve),
                which().prop_map(Step::Open),
                (which(), which()).prop_map(|(new, old)| Step::Renew(new, old)),
                which().prop_map(Step::End),
                which().prop_map(Step::Remove),
            ]
        }

        /// A connection as the model counts it.
        struct Known {
            connection: Arc<Connection>,
            /// The step at which it was opened under each of its keys.
            open: HashMap<String, usize>,
            /// The keys under which it holds a place.
            places: HashSet<String>,
        }

        impl Known {
            fn counts_under(&self, key: &str) -> bool {
                (self.open.contains_key(key) || self.places.contains(key))
                    && self.connection.disconnect_reason().is_none()
            }
        }

        fn judge(steps: Vec<Step>, over: OverLimit) {
            let registry = Registry::new(Clock::system());
            let limits = ConnectionLimits::new().max_connections(MOST, "user:", over);
            let mut known: Vec<Known> = Vec::new();
            let open_under = |known: &[Known], key: &str| -> Vec<u64> {
                let mut open: Vec<_> = known
                    .iter()
                    .filter(|one| one.connection.disconnect_reason().is_none())
                    .filter_map(|one| Some((*one.open.get(key)?, one.connection.id())))
                    .collect();
                open.sort_unstable();
                open.into_iter().map(|(_, id)| id).collect()
            };
            let room_for = |known: &[Known], which: usize, key: &str, most| {
                let counted = known.iter().enumerate();
                let others =
                    counted.filter(|(other, one)| *other != which && one.counts_under(key));
                others.count() < most
            };
            for (now, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Register(keys) => {
                        let keys = keys.into_iter().map(RevocationKey::from).collect();
                        known.push(Known {
                            connection: registry.register(keys, SystemTime::UNIX_EPOCH),
                            open: HashMap::new(),
                            places: HashSet::new(),
                        });
                    }
                    _ if known.is_empty() => {}
                    Step::End(which) => {
                        which.get(&known).connection.end(&DisconnectReason::Revoked);
                    }
                    Step::Remove(which) => {
                        let gone = known.remove(which.index(known.len()));
                        registry.remove(&gone.connection);
                    }
                    Step::Reserve(which) => {
                        let which = which.index(known.len());
                        let connection = Arc::clone(&known[which].connection);
                        let keys = connection.keys().iter().map(ToString::to_string);
                        let limited: Vec<_> = keys.filter(|key| key.starts_with("user:")).collect();
                        let finds_room = over == OverLimit::EndOldest
                            || limited.iter().all(|key| room_for(&known, which, key, MOST));
                        assert_eq!(registry.reserve(&connection, &limits), finds_room);
                        let one = &mut known[which];
                        one.places
                            .retain(|key| finds_room || !limited.contains(key));
                        if finds_room && over == OverLimit::RefuseNewest {
                            let fresh = limited
                                .into_iter()
                                .filter(|key| !one.open.contains_key(key));
                            one.places.extend(fresh);
                        }
                    }
                    Step::Open(which) | Step::Renew(which, _) => {
                        let old = match step {
                            Step::Renew(_, old) => Some(old.index(known.len())),
                            _ => None,
                        };
                        let which = which.index(known.len());
                        if old == Some(which) || !known[which].open.is_empty() {
                            continue;
                        }
                        let connection = Arc::clone(&known[which].connection);
                        let keys: Vec<String> =
                            connection.keys().iter().map(ToString::to_string).collect();
                        let fresh: Vec<_> = keys
                            .iter()
                            .filter(|key| old.is_none_or(|old| !known[old].open.contains_key(*key)))
                            .collect();
                        let full = |key: &str| {
                            key.starts_with("user:") && !room_for(&known, which, key, MOST)
                        };
                        let refused =
                            over == OverLimit::RefuseNewest && fresh.iter().any(|key| full(key));
                        let before: HashMap<_, _> =
                            KEYS.map(|key| (key, open_under(&known, key))).into();
                        let instead_of = old.map(|old| Arc::clone(&known[old].connection));
                        let evicted = registry.open(&connection, instead_of.as_deref(), &limits);
                        assert_eq!(evicted.is_none(), refused);
                        let Some(evicted) = evicted else {
                            known[which].places.retain(|key| !fresh.contains(&key));
                            continue;
                        };
                        known[which].places.clear();
                        for key in &keys {
                            if let Some(old) = old {
                                known[old].open.remove(key);
                            }
                            known[which].open.insert(key.clone(), now);
                        }
                        let mut ids: Vec<_> = evicted.iter().map(|one| one.id()).collect();
                        let mut expected = Vec::new();
                        for key in &fresh {
                            let mut open = before[key.as_str()].clone();
                            if connection.disconnect_reason().is_none() {
                                open.push(connection.id());
                            }
                            if over == OverLimit::EndOldest && key.starts_with("user:") {
                                let excess = open.len().saturating_sub(MOST);
                                expected.extend(open.into_iter().take(excess));
                            }
                        }
                        ids.sort_unstable();
                        expected.sort_unstable();
                        assert_eq!(ids, expected);
                        for one in evicted {
                            one.end(&DisconnectReason::TooManyConnections);
                        }
                    }
                }
                for key in KEYS {
                    let open = open_under(&known, key);
                    for (which, one) in known.iter().enumerate() {
                        for most in 0..4 {
                            let has_room = registry.has_room(key, most, &one.connection);
                            assert_eq!(has_room, room_for(&known, which, key, most), "{key}");
                        }
                    }
                    if let Some(holders) = registry.shard(key).get(key) {
                        let in_order: Vec<_> = holders.open().map(|one| one.id()).collect();
                        assert_eq!(in_order, open);
                    }
                }
            }
            for one in known {
                registry.remove(&one.connection);
            }
            assert!(registry.is_empty());
        }

        proptest! {
            #[test]
            fn the_registry_counts_as_one_would_by_hand(
                steps in prop::collection::vec(step(), 0..60),
                ends_oldest in any::<bool>(),
            ) {
                let over = if ends_oldest { OverLimit::EndOldest } else { OverLimit::RefuseNewest };
                judge(steps, over);
            }
        }
    }
}
