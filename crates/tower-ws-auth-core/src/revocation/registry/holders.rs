use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::revocation::Connection;

/// The connections under one key, in the order of their registration or opening.
pub(super) enum Holders {
    // Most keys have one, and a map would take most of its memory.
    One(u64, Held),
    Many(BTreeMap<u64, Held>),
}

#[derive(Clone)]
pub(super) struct Held {
    pub(super) connection: Arc<Connection>,
    pub(super) standing: Standing,
}

/// Whether connection limits count a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its handshake is under way: it does not count.
    Undecided,
    /// Its handshake is about to spend a credential, and has held a place since this moment.
    Place(SystemTime),
    /// It was accepted and upgraded.
    Open,
}

/// The longest time for which a handshake holds a place.
const PLACE_LIFE: Duration = Duration::from_secs(10);

impl Holders {
    /// The first one under its key.
    pub(super) fn one(connection: &Arc<Connection>) -> Self {
        Self::One(connection.id(), Held::new(connection))
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::One(..) => 1,
            Self::Many(many) => many.len(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Held> {
        let (one, many) = match self {
            Self::One(_, one) => (Some(one), None),
            Self::Many(many) => (None, Some(many.values())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// The open connections, in the order of their opening. Ended ones are not among them.
    pub(super) fn open(&self) -> impl Iterator<Item = &Arc<Connection>> {
        let open = self.iter().filter(|held| held.standing == Standing::Open);
        open.map(|held| &held.connection)
            .filter(|connection| !connection.has_ended())
    }

    /// Whether fewer than `most` others are open or hold a place. Ended ones do not count.
    pub(super) fn have_room(&self, connection: &Connection, most: usize, now: SystemTime) -> bool {
        if self.len() < most {
            return true;
        }
        let others = self.iter().filter(|held| {
            held.standing.counts(now) && !held.is(connection) && !held.connection.has_ended()
        });
        others.take(most).count() < most
    }

    pub(super) fn find(&mut self, connection: &Connection) -> Option<&mut Held> {
        match self {
            Self::One(_, one) => Some(one).filter(|one| one.is(connection)),
            Self::Many(many) => {
                let at = place(many, connection)?;
                many.get_mut(&at)
            }
        }
    }

    /// Returns `true` if no connection is left.
    pub(super) fn remove(&mut self, connection: &Connection) -> bool {
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
    pub(super) fn add(&mut self, connection: &Arc<Connection>) {
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
    pub(super) fn open_as(&mut self, connection: &Connection, order: u64) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RevocationKey;

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
}
