use std::mem::swap;

use hashbrown::HashTable;

use crate::TicketKey;

/// Entries by key, in about 55 bytes each where the entry is small.
///
/// The slots stand densely in one vector that grows by an eighth, and the hash table holds only
/// their numbers: half-empty buckets cost 5 bytes and not 50. It never allocates by itself: what
/// it needs is made before its lock is taken, as [`Room`].
pub(super) struct Table {
    index: HashTable<u32>,
    slots: Vec<Slot>,
    /// What is too long for its slot, by the slot's number. As long as the last of them asks for.
    boxes: Vec<Box<[u8]>>,
    /// The first of the free slots, each of which names the next in its bytes.
    free: u32,
}

/// Larger parts for a table, and then the smaller ones that they replaced.
#[derive(Default)]
pub(super) struct Room {
    index: HashTable<u32>,
    slots: Vec<Slot>,
    boxes: Vec<Box<[u8]>>,
}

/// How much of each a table wants before it can take one more; 0 of what it has enough of.
pub(super) struct Wanted {
    index: usize,
    slots: usize,
    boxes: usize,
}

/// What a table knows about a key.
#[derive(Clone, Copy)]
pub(super) struct Meta {
    /// Milliseconds after the beginning of the generation.
    pub(super) expires: u32,
    /// 0 for nobody.
    pub(super) subject: u64,
}

/// What was taken out of a table. Copied to a `Vec` by [`into_vec`](Self::into_vec), after the
/// lock.
pub(super) enum Entry {
    Small([u8; SMALL], u8),
    Large(Box<[u8]>),
}

/// Entries up to this length stand in their slots.
const SMALL: usize = 16;
const END: u32 = u32::MAX;
/// The length of an entry that does not stand in its slot.
const ELSEWHERE: u8 = u8::MAX;
/// The length of none.
const FREE: u8 = u8::MAX - 1;

/// Bytes all of them, so that none is lost to alignment.
#[derive(Clone, Copy)]
struct Slot {
    key: [u8; 16],
    subject: [u8; 8],
    expires: [u8; 4],
    len: u8,
    bytes: [u8; SMALL],
}

impl Table {
    pub(super) const fn new() -> Self {
        Self {
            index: HashTable::new(),
            slots: Vec::new(),
            boxes: Vec::new(),
            free: END,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn get(&self, key: &TicketKey) -> Option<Meta> {
        let key = key.as_bytes();
        let at = self.index.find(hash(key), |&at| self.is_at(at, key))?;
        self.slots.get(*at as usize).map(Slot::meta)
    }

    /// Makes itself larger with this room if it cannot take one more; if it still cannot, says
    /// what room it wants.
    pub(super) fn make_room(&mut self, large: bool, room: &mut Room) -> Result<(), Wanted> {
        if self.wanted(large).is_none() {
            return Ok(());
        }
        if room.slots.capacity() > self.slots.capacity() {
            room.slots.append(&mut self.slots);
            swap(&mut room.slots, &mut self.slots);
        }
        if room.boxes.capacity() > self.boxes.capacity() {
            room.boxes.append(&mut self.boxes);
            swap(&mut room.boxes, &mut self.boxes);
        }
        if room.index.capacity() > self.index.len() {
            // In the order of the slots: they are read once and in a row.
            for (at, slot) in (0..).zip(&self.slots) {
                if slot.len != FREE {
                    room.index.insert_unique(hash(&slot.key), at, |_| 0);
                }
            }
            swap(&mut room.index, &mut self.index);
        }
        self.wanted(large).map_or(Ok(()), Err)
    }

    fn wanted(&self, large: bool) -> Option<Wanted> {
        let (live, slots) = (self.index.len(), self.slots.len());
        let mut wanted = Wanted {
            index: 0,
            slots: 0,
            boxes: 0,
        };
        if live == self.index.capacity() {
            wanted.index = live + live / 2 + 4;
        }
        if self.free == END && slots == self.slots.capacity() {
            wanted.slots = slots + slots / 8 + 16;
        }
        let at = slots.min(self.free as usize);
        if large && at >= self.boxes.capacity() {
            wanted.boxes = wanted.slots.max(self.slots.capacity());
        }
        (wanted.index + wanted.slots + wanted.boxes > 0).then_some(wanted)
    }

    /// Adds a key that is not there, where [`make_room`](Self::make_room) found room.
    pub(super) fn insert(&mut self, key: TicketKey, entry: Entry, meta: Meta) {
        let (bytes, len, large) = match entry {
            Entry::Small(bytes, len) => (bytes, len, None),
            Entry::Large(entry) => ([0; SMALL], ELSEWHERE, Some(entry)),
        };
        let slot = Slot {
            key: *key.as_bytes(),
            subject: meta.subject.to_ne_bytes(),
            expires: meta.expires.to_ne_bytes(),
            len,
            bytes,
        };
        let at = if let Some(free) = self.slots.get_mut(self.free as usize) {
            let at = std::mem::replace(&mut self.free, free.number());
            *free = slot;
            at
        } else {
            self.slots.push(slot);
            // A shard holds about two thousand.
            u32::try_from(self.slots.len() - 1).unwrap_or(END)
        };
        if let Some(entry) = large {
            let at = at as usize;
            let boxes = self.boxes.len().max(at + 1);
            self.boxes.resize_with(boxes, Box::default);
            self.boxes[at] = entry;
        }
        let slots = &self.slots;
        self.index.insert_unique(hash(&slot.key), at, |&at| {
            slots.get(at as usize).map_or(0, |slot| hash(&slot.key))
        });
    }

    /// Copies an entry into this, which is empty; if it has no room for that, says how much it
    /// wants.
    pub(super) fn copy(&self, key: &TicketKey, into: &mut Vec<u8>) -> Option<Result<(), usize>> {
        let key = key.as_bytes();
        let at = *self.index.find(hash(key), |&at| self.is_at(at, key))? as usize;
        let slot = self.slots.get(at)?;
        let entry = if slot.len == ELSEWHERE {
            &**self.boxes.get(at)?
        } else {
            slot.bytes.get(..usize::from(slot.len))?
        };
        if entry.len() > into.capacity() {
            return Some(Err(entry.len()));
        }
        into.extend_from_slice(entry);
        Some(Ok(()))
    }

    pub(super) fn remove(&mut self, key: &TicketKey) -> Option<(Entry, Meta)> {
        let key = key.as_bytes();
        let slots = &self.slots;
        let is_it = |&at: &u32| slots.get(at as usize).is_some_and(|slot| slot.key == *key);
        let (at, _) = self.index.find_entry(hash(key), is_it).ok()?.remove();
        let slot = self.slots.get_mut(at as usize)?;
        let meta = slot.meta();
        let entry = if slot.len == ELSEWHERE {
            Entry::Large(std::mem::take(self.boxes.get_mut(at as usize)?))
        } else {
            Entry::Small(slot.bytes, slot.len)
        };
        slot.len = FREE;
        slot.bytes[..4].copy_from_slice(&self.free.to_ne_bytes());
        self.free = at;
        Some((entry, meta))
    }

    fn is_at(&self, at: u32, key: &[u8; 16]) -> bool {
        self.slots
            .get(at as usize)
            .is_some_and(|slot| slot.key == *key)
    }
}

impl Room {
    pub(super) fn new(wanted: &Wanted) -> Self {
        // Written to once, so that the system finds its pages now and not under the lock.
        let mut slots = vec![Slot::NONE; wanted.slots];
        slots.clear();
        Self {
            index: HashTable::with_capacity(wanted.index),
            slots,
            boxes: Vec::with_capacity(wanted.boxes),
        }
    }
}

impl Slot {
    const NONE: Self = Self {
        key: [0; 16],
        subject: [0; 8],
        expires: [0; 4],
        len: FREE,
        bytes: [0; SMALL],
    };

    fn meta(&self) -> Meta {
        Meta {
            expires: u32::from_ne_bytes(self.expires),
            subject: u64::from_ne_bytes(self.subject),
        }
    }

    /// The number that the bytes of a free slot stand for.
    fn number(&self) -> u32 {
        let [a, b, c, d, ..] = self.bytes;
        u32::from_ne_bytes([a, b, c, d])
    }
}

/// The key is a digest already.
fn hash(key: &[u8; 16]) -> u64 {
    let (hash, _) = key.split_first_chunk().unwrap_or((&[0; 8], &[]));
    u64::from_ne_bytes(*hash)
}

impl Entry {
    pub(super) fn new(entry: Vec<u8>) -> Self {
        let mut bytes = [0; SMALL];
        match (bytes.get_mut(..entry.len()), u8::try_from(entry.len())) {
            (Some(small), Ok(len)) => {
                small.copy_from_slice(&entry);
                Self::Small(bytes, len)
            }
            _ => Self::Large(entry.into_boxed_slice()),
        }
    }

    pub(super) fn is_large(&self) -> bool {
        matches!(self, Self::Large(_))
    }

    pub(super) fn into_vec(self) -> Vec<u8> {
        match self {
            Self::Small(bytes, len) => bytes.into_iter().take(usize::from(len)).collect(),
            Self::Large(entry) => entry.into_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const META: Meta = Meta {
        expires: 7,
        subject: 9,
    };

    fn key(n: u32) -> TicketKey {
        TicketKey::digest("test", &[&n.to_be_bytes()])
    }

    fn entry(n: u32) -> Vec<u8> {
        n.to_be_bytes().repeat((n % 9) as usize)
    }

    fn put(table: &mut Table, n: u32) {
        let entry = Entry::new(entry(n));
        make_room(table, entry.is_large(), &mut |_, _| ());
        table.insert(key(n), entry, META);
    }

    /// Asks at most once, and shows what for.
    fn make_room(table: &mut Table, large: bool, asked: &mut dyn FnMut(&Table, &Wanted)) {
        let mut room = Room::default();
        if let Err(wanted) = table.make_room(large, &mut room) {
            asked(table, &wanted);
            room = Room::new(&wanted);
            assert!(table.make_room(large, &mut room).is_ok(), "asked twice");
        }
    }

    #[test]
    fn gives_back_every_entry_once_whatever_its_length() {
        let mut table = Table::new();
        for n in 0..1000 {
            put(&mut table, n);
        }
        assert_eq!(table.len(), 1000);
        for n in 0..1000 {
            let (taken, meta) = table.remove(&key(n)).unwrap();
            assert_eq!(taken.into_vec(), entry(n));
            assert_eq!((meta.expires, meta.subject), (7, 9));
            assert!(table.remove(&key(n)).is_none());
        }
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn reuses_the_slots_of_what_was_taken() {
        let mut table = Table::new();
        for n in 0..10_000 {
            put(&mut table, n);
            if n >= 100 {
                assert!(table.remove(&key(n - 100)).is_some());
            }
        }
        assert_eq!(table.len(), 100);
        assert_eq!(table.slots.len(), 101);
        assert!(table.boxes.len() <= 101);
        assert!((9_900..10_000).all(|n| table.get(&key(n)).is_some()));
    }

    #[test]
    fn asks_for_little_more_room_at_a_time_and_seldom() {
        let mut table = Table::new();
        let mut times = 0;
        for n in 0..5_000 {
            make_room(&mut table, false, &mut |table, wanted| {
                times += 1;
                let (live, slots) = (table.index.len(), table.slots.len());
                let about = [
                    (wanted.index, live, live / 2 + 4),
                    (wanted.slots, slots, slots / 8 + 16),
                ];
                for (wanted, there, more) in about {
                    assert!(wanted == 0 || (wanted > there && wanted <= there + more));
                }
                assert_eq!(wanted.boxes, 0);
            });
            table.insert(key(n), Entry::new(Vec::new()), META);
        }
        assert!((20..100).contains(&times), "{times}");
    }

    #[test]
    fn spreads_keys_and_keeps_only_long_entries_elsewhere() {
        assert_ne!(hash(&[1; 16]), hash(&[2; 16]));
        for (len, large) in [(0, false), (SMALL, false), (SMALL + 1, true), (300, true)] {
            assert_eq!(Entry::new(vec![0; len]).is_large(), large);
        }
    }
}
