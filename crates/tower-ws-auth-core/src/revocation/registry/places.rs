//! Limits on connections: which ones count under a key, and who finds room.

use std::sync::Arc;
use std::time::SystemTime;

use super::holders::Standing;
use super::{Ordering, Registry};
use crate::revocation::{Connection, ConnectionLimits, OverLimit, RevocationKey};

impl Registry {
    /// Takes a place for a connection under each key that these limits may refuse, except where
    /// `instead_of` counts. Returns `false` if there is no room under one of them; then it holds
    /// none of these places.
    ///
    /// A place counts until the connection is opened, ended or removed, and for at most 10 seconds.
    pub(in crate::revocation) fn reserve(
        &self,
        connection: &Connection,
        instead_of: Option<&Connection>,
        limits: &ConnectionLimits,
    ) -> bool {
        self.reserve_under(self.fresh(connection, instead_of), connection, limits)
    }

    /// The keys under which `instead_of` does not count.
    fn fresh<'a>(
        &self,
        connection: &'a Connection,
        instead_of: Option<&Connection>,
    ) -> impl Iterator<Item = &'a RevocationKey> {
        let is_fresh =
            move |key: &&RevocationKey| !instead_of.is_some_and(|old| self.is_open(old, key));
        connection.keys().iter().filter(is_fresh)
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
    pub(in crate::revocation) fn open(
        &self,
        connection: &Arc<Connection>,
        instead_of: Option<&Connection>,
        limits: &ConnectionLimits,
    ) -> Option<Vec<Arc<Connection>>> {
        let counted = |key: &RevocationKey| instead_of.filter(|old| self.is_open(old, key));
        let fresh = self.fresh(connection, instead_of);
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
    pub(in crate::revocation) fn has_room(
        &self,
        key: &str,
        most: usize,
        connection: &Connection,
    ) -> bool {
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Clock;
    use crate::revocation::DisconnectReason;
    use crate::sync::atomic::AtomicU64;
    use std::collections::HashMap;

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
        let reserve = |connection| registry.reserve(connection, None, &one);
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

        /// A registry, and the same counted by hand.
        struct Counted {
            registry: Registry,
            limits: ConnectionLimits,
            over: OverLimit,
            known: Vec<Known>,
        }

        impl Counted {
            fn new(over: OverLimit) -> Self {
                Self {
                    registry: Registry::new(Clock::system()),
                    limits: ConnectionLimits::new().max_connections(MOST, "user:", over),
                    over,
                    known: Vec::new(),
                }
            }

            fn take(&mut self, now: usize, step: Step) {
                match step {
                    Step::Register(keys) => {
                        let keys = keys.into_iter().map(RevocationKey::from).collect();
                        self.known.push(Known {
                            connection: self.registry.register(keys, SystemTime::UNIX_EPOCH),
                            open: HashMap::new(),
                            places: HashSet::new(),
                        });
                    }
                    _ if self.known.is_empty() => {}
                    Step::End(which) => {
                        let known = which.get(&self.known);
                        known.connection.end(&DisconnectReason::Revoked);
                    }
                    Step::Remove(which) => {
                        let gone = self.known.remove(which.index(self.known.len()));
                        self.registry.remove(&gone.connection);
                    }
                    Step::Reserve(which) => self.reserve(which.index(self.known.len())),
                    Step::Open(which) => self.open(now, which.index(self.known.len()), None),
                    Step::Renew(which, old) => {
                        let [which, old] = [which, old].map(|one| one.index(self.known.len()));
                        if which != old {
                            self.open(now, which, Some(old));
                        }
                    }
                }
            }

            fn open_under(&self, key: &str) -> Vec<u64> {
                let open = self.known.iter();
                let open = open.filter(|one| one.connection.disconnect_reason().is_none());
                let open = open.filter_map(|one| Some((*one.open.get(key)?, one.connection.id())));
                let mut open: Vec<_> = open.collect();
                open.sort_unstable();
                open.into_iter().map(|(_, id)| id).collect()
            }

            fn has_room(&self, which: usize, key: &str, most: usize) -> bool {
                let all = self.known.iter().enumerate();
                let others = all.filter(|(other, one)| *other != which && one.counts_under(key));
                others.count() < most
            }

            fn may_be_full(&self, key: &str) -> bool {
                self.over == OverLimit::RefuseNewest && key.starts_with("user:")
            }

            fn reserve(&mut self, which: usize) {
                let connection = Arc::clone(&self.known[which].connection);
                let keys = connection.keys().iter().map(ToString::to_string);
                let limited: Vec<_> = keys.filter(|key| self.may_be_full(key)).collect();
                let mut all = limited.iter();
                let finds_room = all.all(|key| self.has_room(which, key, MOST));
                assert_eq!(
                    self.registry.reserve(&connection, None, &self.limits),
                    finds_room
                );
                let one = &mut self.known[which];
                if finds_room {
                    let fresh = limited.iter().filter(|key| !one.open.contains_key(*key));
                    one.places.extend(fresh.cloned());
                } else {
                    one.places.retain(|key| !limited.contains(key));
                }
            }

            fn open(&mut self, now: usize, which: usize, old: Option<usize>) {
                if !self.known[which].open.is_empty() {
                    return;
                }
                let connection = Arc::clone(&self.known[which].connection);
                let keys = connection.keys().iter().map(ToString::to_string);
                let keys: Vec<String> = keys.collect();
                let is_taken_over =
                    |key: &str| old.is_some_and(|old| self.known[old].open.contains_key(key));
                let (_, fresh): (Vec<_>, Vec<_>) =
                    keys.iter().cloned().partition(|key| is_taken_over(key));
                let is_full = |key: &str| self.may_be_full(key) && !self.has_room(which, key, MOST);
                let refused = fresh.iter().any(|key| is_full(key));
                let expected = self.evicted_by(&connection, &fresh);

                let instead_of = old.map(|old| Arc::clone(&self.known[old].connection));
                let evicted =
                    (self.registry).open(&connection, instead_of.as_deref(), &self.limits);
                assert_eq!(evicted.is_none(), refused);
                let Some(evicted) = evicted else {
                    self.known[which].places.retain(|key| !fresh.contains(key));
                    return;
                };
                self.known[which].places.clear();
                for key in keys {
                    if let Some(old) = old {
                        self.known[old].open.remove(&key);
                    }
                    self.known[which].open.insert(key, now);
                }
                let mut ids: Vec<_> = evicted.iter().map(|one| one.id()).collect();
                ids.sort_unstable();
                assert_eq!(ids, expected);
                for one in evicted {
                    one.end(&DisconnectReason::TooManyConnections);
                }
            }

            /// The connections that have to go when this one is opened under these keys.
            fn evicted_by(&self, connection: &Connection, fresh: &[String]) -> Vec<u64> {
                let mut expected = Vec::new();
                for key in fresh {
                    let mut open = self.open_under(key);
                    if connection.disconnect_reason().is_none() {
                        open.push(connection.id());
                    }
                    if self.over == OverLimit::EndOldest && key.starts_with("user:") {
                        let excess = open.len().saturating_sub(MOST);
                        expected.extend(open.into_iter().take(excess));
                    }
                }
                expected.sort_unstable();
                expected
            }

            fn agrees(&self) {
                for key in KEYS {
                    for (which, one) in self.known.iter().enumerate() {
                        for most in 0..4 {
                            let has_room = self.registry.has_room(key, most, &one.connection);
                            assert_eq!(has_room, self.has_room(which, key, most), "{key}");
                        }
                    }
                    if let Some(holders) = self.registry.shard(key).get(key) {
                        let in_order: Vec<_> = holders.open().map(|one| one.id()).collect();
                        assert_eq!(in_order, self.open_under(key));
                    }
                }
            }
        }

        fn judge(steps: Vec<Step>, over: OverLimit) {
            let mut counted = Counted::new(over);
            for (now, step) in steps.into_iter().enumerate() {
                counted.take(now, step);
                counted.agrees();
            }
            for one in &counted.known {
                counted.registry.remove(&one.connection);
            }
            assert!(counted.registry.is_empty());
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
