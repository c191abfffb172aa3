use std::borrow::Cow;

use super::Unreadable;

/// The names of the objects that are being read, those of the innermost last.
///
/// As many as nearly every token has are kept without an allocation.
pub(super) struct Names<'j> {
    /// Each with its head, because nearly all names have heads of their own.
    few: [(u64, &'j str); FEW],
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
            few: [(0, ""); FEW],
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
        let few = self.few.get(start.few..self.few_count).unwrap_or_default();
        let remembered = self.few_count + self.more.len();
        if few.contains(&(head, name)) || remembered >= self.limit {
            return Err(Unreadable);
        }
        // A name among the few was compared with all names before it.
        let is_among_few = self.more.len() == start.more;
        match (name, self.few.get_mut(self.few_count)) {
            (Cow::Borrowed(name), Some(place)) if is_among_few => {
                *place = (head, name);
                self.few_count += 1;
            }
            (name, _) => self.more.push(name.clone()),
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

/// The first eight bytes.
#[inline]
fn head(name: &str) -> u64 {
    // The registered claims have three letters each.
    if let [a, b, c] = *name.as_bytes() {
        return u32::from_be_bytes([0, a, b, c]).into();
    }
    let bytes = name.bytes().take(8);
    bytes.fold(0, |head, byte| head << 8 | u64::from(byte))
}
