//! Reads one JSON object (RFC 8259), strictly and without an allocation of its own.
//!
//! Names must be unique in every object at any depth (RFC 7515 §4, RFC 7519 §4): of two readers
//! of a duplicate one believes the first and the other the last.
//!
//! What nearly every token has is read here: names, plain text, short whole numbers. The value of
//! any other number, and text with escapes, are serde's to say: two readers of those would differ
//! one day.

mod date;
mod names;
mod reader;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::time::Duration;

use self::names::Names;
use self::reader::Reader;

/// It is no JSON object, it has two members of one name, or a value is of another kind than was
/// asked for.
#[derive(Debug)]
pub(crate) struct Unreadable;

/// What is to be done with the members of an object.
pub(crate) trait Members<'j> {
    /// Sees every member once and must consume its value.
    fn member(&mut self, name: &str, value: Value<'_, 'j>) -> Result<(), Unreadable>;
}

/// Shows `members` the members of the object that is all of `json`; at most `limit` names are
/// remembered at a time.
pub(crate) fn read<'j>(
    json: &'j str,
    limit: usize,
    members: &mut impl Members<'j>,
) -> Result<(), Unreadable> {
    let mut reader = Reader::new(json);
    let names = &mut Names::new(limit);
    reader.object(names, |reader, names, name| {
        members.member(name, Value { reader, names })
    })?;
    reader.end()
}

/// The value of a member, not yet read.
pub(crate) struct Value<'v, 'j> {
    reader: &'v mut Reader<'j>,
    names: &'v mut Names<'j>,
}

impl<'j> Value<'_, 'j> {
    /// A string.
    pub(crate) fn text(self) -> Result<Cow<'j, str>, Unreadable> {
        self.reader.text()
    }

    /// A string, or an array of strings.
    pub(crate) fn texts(self, each: &mut dyn FnMut(&str)) -> Result<(), Unreadable> {
        let mut text = |reader: &mut Reader<'j>| {
            each(&reader.text()?);
            Ok(())
        };
        match self.reader.peek() {
            Some(b'[') => self.reader.array(text),
            _ => text(self.reader),
        }
    }

    /// An array, of whose values each is shown as it is written until one is refused.
    #[cfg(feature = "jwks")]
    pub(crate) fn raw_list(
        self,
        each: &mut dyn FnMut(&'j serde_json::value::RawValue) -> bool,
    ) -> Result<(), Unreadable> {
        self.reader.array(|reader| {
            let value = reader.raw()?;
            each(value).then_some(()).ok_or(Unreadable)
        })
    }

    /// A `NumericDate` (RFC 7519 §2) as the time since the Unix epoch. A fraction counts. What
    /// lies before the epoch is the epoch, what no clock will reach is the latest time there is.
    pub(crate) fn date(self) -> Result<Duration, Unreadable> {
        self.reader.number()
    }

    /// Any value; says whether it was more than `null`.
    pub(crate) fn skip(self) -> Result<bool, Unreadable> {
        self.reader.skip(self.names, MAX_DEPTH)
    }
}

/// How deep a value may nest in its object: as deep as `serde_json` reads it after us.
const MAX_DEPTH: u8 = 126;
