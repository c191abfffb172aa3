use std::borrow::Cow;

use super::Unreadable;

/// The names of the objects that are being read, those of the innermost last.
pub(super) struct Names<'j> {
    plain: [&'j str; PLAIN],
    /// How each of them begins: of two short names enough to tell them apart.
    heads: [u64; PLAIN],
    plain_count: usize,
    /// What is written with escapes, or found no place.
    more: Vec<Cow<'j, str>>,
    limit: usize,
}

const PLAIN: usize = 16;

/// Where the names of an object begin.
#[derive(Clone, Copy)]
pub(super) struct Start {
    plain: usize,
    more: usize,
}

impl<'j> Names<'j> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            plain: [""; PLAIN],
            heads: [0; PLAIN],
            plain_count: 0,
            more: Vec::new(),
            limit,
        }
    }

    pub(super) fn begin(&self) -> Start {
        Start {
            plain: self.plain_count,
            more: self.more.len(),
        }
    }

    /// Remembers a name of the object that began at `start`. Of two of a kind the second is refused
    /// here or at the object's [`end`](Self::end).
    pub(super) fn insert(&mut self, start: Start, name: Cow<'j, str>) -> Result<(), Unreadable> {
        let plain = self.plain.get(start.plain..self.plain_count);
        if plain.unwrap_or_default().contains(&&*name) {
            return Err(Unreadable);
        }
        if self.plain_count + self.more.len() >= self.limit {
            return Err(Unreadable);
        }
        // What is plain has been compared with all names before it; behind the others it is not.
        let is_first = self.more.len() == start.more && self.plain_count < PLAIN;
        match name {
            Cow::Borrowed(name) if is_first => self.push(name, head(name)),
            name => self.more.push(name),
        }
        Ok(())
    }

    /// The same for a name of less than eight bytes, whose head this is.
    pub(super) fn insert_short(
        &mut self,
        start: Start,
        name: &'j str,
        head: u64,
    ) -> Result<(), Unreadable> {
        if !self.more.is_empty() || self.plain_count >= PLAIN.min(self.limit) {
            return self.insert(start, Cow::Borrowed(name));
        }
        let heads = self.heads.get(start.plain..self.plain_count);
        if heads.unwrap_or_default().contains(&head) {
            return Err(Unreadable);
        }
        self.push(name, head);
        Ok(())
    }

    fn push(&mut self, name: &'j str, head: u64) {
        let count = self.plain_count;
        if let (Some(plain), Some(of_it)) = (self.plain.get_mut(count), self.heads.get_mut(count)) {
            (*plain, *of_it) = (name, head);
            self.plain_count += 1;
        }
    }

    /// Forgets the names of the object that began at `start`, unless two of them are the same.
    pub(super) fn end(&mut self, start: Start) -> Result<(), Unreadable> {
        self.plain_count = start.plain;
        let more = self.more.get_mut(start.more..).unwrap_or_default();
        // Sorted, because comparing each of them with all others takes quadratic time.
        more.sort_unstable();
        let twice = |pair: &[Cow<'_, str>]| pair.first() == pair.last();
        let is_unique = !more.windows(2).any(twice);
        self.more.truncate(start.more);
        is_unique.then_some(()).ok_or(Unreadable)
    }
}

/// The first eight bytes of a plain name as a number, or all that it has. Zero is no byte of one,
/// so that no other short name has the same.
fn head(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let all = || {
        bytes
            .iter()
            .rfold(0, |head, byte| head << 8 | u64::from(*byte))
    };
    bytes
        .first_chunk()
        .map_or_else(all, |eight| u64::from_le_bytes(*eight))
}
