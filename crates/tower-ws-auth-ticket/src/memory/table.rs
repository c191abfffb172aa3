use hashbrown::HashTable;

use crate::TicketKey;

/// Entries by key, in about 55 bytes each where the entry is small.
///
/// The slots stand densely in one vector that grows by an eighth, and the hash table holds only
/// their numbers: half-empty buckets cost 5 bytes and not 50, and to grow the table moves little.
pub(super) struct Table {
    index: HashTable<u32>,
    slots: Vec<Slot>,
    /// The first of the free slots, each of which names the next in its bytes.
    free: u32,
    large: Large,
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

/// Bytes all of them, so that none is lost to alignment.
struct Slot {
    key: TicketKey,
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
            free: END,
            large: Large {
                boxes: Vec::new(),
                free: Vec::new(),
            },
        }
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn get(&self, key: &TicketKey) -> Option<Meta> {
        let at = self.index.find(hash(key), |&at| self.is_at(at, key))?;
        self.slots.get(*at as usize).map(Slot::meta)
    }

    /// Adds a key that is not there.
    pub(super) fn insert(&mut self, key: TicketKey, entry: Entry, meta: Meta) {
        let (bytes, len) = match entry {
            Entry::Small(bytes, len) => (bytes, len),
            Entry::Large(entry) => (number(self.large.put(entry)), ELSEWHERE),
        };
        let slot = Slot {
            key,
            subject: meta.subject.to_ne_bytes(),
            expires: meta.expires.to_ne_bytes(),
            len,
            bytes,
        };
        let at = self.free;
        let at = if let Some(free) = self.slots.get_mut(at as usize) {
            self.free = free.number();
            *free = slot;
            at
        } else {
            if self.slots.len() == self.slots.capacity() {
                self.slots.reserve_exact(self.slots.len() / 8 + 16);
            }
            self.slots.push(slot);
            // A shard holds about a thousand.
            u32::try_from(self.slots.len() - 1).unwrap_or(END)
        };
        let slots = &self.slots;
        self.index.insert_unique(hash(&key), at, |&at| {
            slots.get(at as usize).map_or(0, |slot| hash(&slot.key))
        });
    }

    pub(super) fn remove(&mut self, key: &TicketKey) -> Option<(Entry, Meta)> {
        let slots = &self.slots;
        let is_it = |&at: &u32| slots.get(at as usize).is_some_and(|slot| slot.key == *key);
        let (at, _) = self.index.find_entry(hash(key), is_it).ok()?.remove();
        let slot = self.slots.get_mut(at as usize)?;
        let meta = slot.meta();
        let entry = if slot.len == ELSEWHERE {
            Entry::Large(self.large.take(slot.number()))
        } else {
            Entry::Small(slot.bytes, slot.len)
        };
        slot.bytes = number(self.free);
        self.free = at;
        Some((entry, meta))
    }

    fn is_at(&self, at: u32, key: &TicketKey) -> bool {
        self.slots
            .get(at as usize)
            .is_some_and(|slot| slot.key == *key)
    }
}

impl Slot {
    fn meta(&self) -> Meta {
        Meta {
            expires: u32::from_ne_bytes(self.expires),
            subject: u64::from_ne_bytes(self.subject),
        }
    }

    /// The number that the bytes stand for, in a free slot or in that of a large entry.
    fn number(&self) -> u32 {
        let [a, b, c, d, ..] = self.bytes;
        u32::from_ne_bytes([a, b, c, d])
    }
}

fn number(number: u32) -> [u8; SMALL] {
    let mut bytes = [0; SMALL];
    bytes[..4].copy_from_slice(&number.to_ne_bytes());
    bytes
}

/// The key is a digest already.
fn hash(key: &TicketKey) -> u64 {
    let (hash, _) = key.as_bytes().split_first_chunk().unwrap_or((&[0; 8], &[]));
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

    pub(super) fn into_vec(self) -> Vec<u8> {
        match self {
            Self::Small(bytes, len) => bytes.into_iter().take(usize::from(len)).collect(),
            Self::Large(entry) => entry.into_vec(),
        }
    }
}

/// Entries that are too long for a slot.
struct Large {
    boxes: Vec<Box<[u8]>>,
    free: Vec<u32>,
}

impl Large {
    fn put(&mut self, entry: Box<[u8]>) -> u32 {
        if let Some(at) = self.free.pop() {
            if let Some(free) = self.boxes.get_mut(at as usize) {
                *free = entry;
            }
            return at;
        }
        self.boxes.push(entry);
        u32::try_from(self.boxes.len() - 1).unwrap_or(END)
    }

    fn take(&mut self, at: u32) -> Box<[u8]> {
        self.free.push(at);
        self.boxes
            .get_mut(at as usize)
            .map(std::mem::take)
            .unwrap_or_default()
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

    #[test]
    fn gives_back_every_entry_once_whatever_its_length() {
        let mut table = Table::new();
        for n in 0..1000 {
            table.insert(key(n), Entry::new(entry(n)), META);
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
            table.insert(key(n), Entry::new(entry(n)), META);
            if n >= 100 {
                assert!(table.remove(&key(n - 100)).is_some());
            }
        }
        assert_eq!(table.len(), 100);
        assert_eq!(table.slots.len(), 101);
        assert!(table.large.boxes.len() <= 101);
        assert!((9_900..10_000).all(|n| table.get(&key(n)).is_some()));
    }
}
