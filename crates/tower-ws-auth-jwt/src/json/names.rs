use std::borrow::Cow;

use super::Unreadable;

/// The names of the objects that are being read, those of the innermost last.
///
/// As many as nearly every token has are kept without an allocation.
pub(super) struct Names<'j> {
    few: [&'j str; FEW],
    /// The head of each of the few, because nearly all names have heads of their own.
    heads: [u64; FEW],
    few_count: usize,
    /// Those written with escapes, and those that found no place.
    more: Vec<Cow<'j, str>>,
    limit: usize,
}

const FEW: usize = 16;

/// Where the names of an object begin.
#[derive(Clone, Copy)]
pub(super) struct Start {
    few: usize,
    more: usize,
}

impl<'j> Names<'j> {
    #[inline]
    pub(super) fn new(limit: usize) -> Self {
        Self {
            few: [""; FEW],
            heads: [0; FEW],
            few_count: 0,
            more: Vec::new(),
            limit,
        }
    }

    #[inline]
    pub(super) fn begin(&self) -> Start {
        Start {
            few: self.few_count,
            more: self.more.len(),
        }
    }

    /// Remembers a name of the object that began at `start`. The second of two equal names is refused
    /// here or at the object's [`end`](Self::end).
    #[inline]
    #[expect(
        clippy::ptr_arg,
        reason = "a name that is borrowed from the text is kept so"
    )]
    pub(super) fn insert(&mut self, start: Start, name: &Cow<'j, str>) -> Result<(), Unreadable> {
        let head = head(name);
        let own = start.few..self.few_count;
        let is_head = |known: &u64| *known == head;
        let may_be_known = self
            .heads
            .get(own.clone())
            .unwrap_or_default()
            .iter()
            .any(is_head);
        let is_known = || self.few.get(own).unwrap_or_default().contains(&&**name);
        if may_be_known && is_known() || self.few_count + self.more.len() >= self.limit {
            return Err(Unreadable);
        }
        // A name among the few was compared with all names before it.
        if self.more.len() == start.more
            && let Cow::Borrowed(name) = name
            && let Some(place) = self.few.get_mut(self.few_count)
            && let Some(place_of_head) = self.heads.get_mut(self.few_count)
        {
            *place = name;
            *place_of_head = head;
            self.few_count += 1;
        } else {
            self.more.push(name.clone());
        }
        Ok(())
    }

    /// Forgets the names of the object that began at `start`, unless two of them are equal.
    #[inline]
    pub(super) fn end(&mut self, start: Start) -> Result<(), Unreadable> {
        self.few_count = start.few;
        if self.more.len() == start.more {
            return Ok(());
        }
        let more = self.more.get_mut(start.more..).unwrap_or_default();
        // Sorted, because comparing each of them with all others takes quadratic time.
        more.sort_unstable();
        let twice = |pair: &[Cow<'_, str>]| pair.first() == pair.last();
        let is_unique = !more.windows(2).any(twice);
        self.more.truncate(start.more);
        is_unique.then_some(()).ok_or(Unreadable)
    }
}

/// A number made of the name's first bytes, to compare names by.
#[inline]
fn head(name: &str) -> u64 {
    let name = name.as_bytes();
    if let Some(first) = name.first_chunk() {
        return u64::from_le_bytes(*first);
    }
    // Two words that overlap.
    if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        let [first, last] = [*first, *last].map(u32::from_le_bytes).map(u64::from);
        return first << 32 | last;
    }
    // The registered claims have three letters each.
    match *name {
        [a, b, c] => u32::from_le_bytes([a, b, c, 0]).into(),
        [a, b] => u16::from_le_bytes([a, b]).into(),
        [a] => a.into(),
        _ => 0,
    }
}
