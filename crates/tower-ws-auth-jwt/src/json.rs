//! Reads one JSON object, strictly and without an allocation of its own.
//!
//! Names must be unique in every object at any depth (RFC 7515 §4, RFC 7519 §4): of two readers
//! of a duplicate one believes the first and the other the last.

mod value;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use self::value::{Date, Text, Texts};

/// What is to be done with the members of an object.
pub(crate) trait Members<'de> {
    /// Sees every member once and must consume its value.
    fn member<A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Value<'_, 'de, A>,
    ) -> Result<(), A::Error>;
}

/// Shows `members` the members of the object that is all of `json`; at most `limit` names are
/// remembered at a time.
pub(crate) fn read<'de>(
    json: &'de str,
    limit: usize,
    members: &mut impl Members<'de>,
) -> Result<(), serde_json::Error> {
    let names = &mut Names::new(limit);
    let mut json = serde_json::Deserializer::from_str(json);
    json.deserialize_map(Object { members, names })?;
    json.end()
}

/// The value of a member, not yet read.
pub(crate) struct Value<'v, 'de, A> {
    map: &'v mut A,
    names: &'v mut Names<'de>,
}

impl<'de, A: MapAccess<'de>> Value<'_, 'de, A> {
    /// A string.
    pub(crate) fn text(self) -> Result<Cow<'de, str>, A::Error> {
        self.map.next_value_seed(Text)
    }

    /// A string, or an array of strings.
    pub(crate) fn texts(self, each: &mut dyn FnMut(&str)) -> Result<(), A::Error> {
        self.map.next_value_seed(Texts(each))
    }

    /// An array, of whose values each is shown as it is written until one is refused.
    #[cfg(feature = "jwks")]
    pub(crate) fn raw_list(
        self,
        each: &mut dyn FnMut(&'de serde_json::value::RawValue) -> bool,
    ) -> Result<(), A::Error> {
        self.map.next_value_seed(value::RawList(each))
    }

    /// A `NumericDate` (RFC 7519 §2) as the time since the Unix epoch. A fraction counts. What
    /// lies before the epoch is the epoch, what no clock will reach is the latest time there is.
    pub(crate) fn date(self) -> Result<Duration, A::Error> {
        self.map.next_value_seed(Date)
    }

    /// Any value; says whether it was more than `null`.
    pub(crate) fn skip(self) -> Result<bool, A::Error> {
        let names = self.names;
        self.map.next_value_seed(Skip { names })
    }
}

/// The names of the objects that are being read, those of the innermost last.
pub(crate) struct Names<'de> {
    plain: [&'de str; PLAIN],
    plain_count: usize,
    /// What is written with escapes, or found no place.
    more: Vec<Cow<'de, str>>,
    limit: usize,
}

const PLAIN: usize = 16;

/// Where the names of an object begin.
#[derive(Clone, Copy, Default)]
struct Start {
    plain: usize,
    more: usize,
}

impl<'de> Names<'de> {
    fn new(limit: usize) -> Self {
        Self {
            plain: [""; PLAIN],
            plain_count: 0,
            more: Vec::new(),
            limit,
        }
    }

    fn begin(&self) -> Start {
        Start {
            plain: self.plain_count,
            more: self.more.len(),
        }
    }

    /// Remembers a name of the object that began at `start`, unless it is a second of its kind.
    fn insert<E: Error>(&mut self, start: Start, name: Cow<'de, str>) -> Result<(), E> {
        let plain = self.plain.get(start.plain..self.plain_count);
        let more = self.more.get(start.more..).unwrap_or_default();
        if plain.unwrap_or_default().contains(&&*name) || more.contains(&name) {
            return Err(E::custom("two members of one name"));
        }
        if self.plain_count + self.more.len() >= self.limit {
            return Err(E::custom("too many members"));
        }
        match (name, self.plain.get_mut(self.plain_count)) {
            (Cow::Borrowed(name), Some(place)) => {
                *place = name;
                self.plain_count += 1;
            }
            (name, _) => self.more.push(name),
        }
        Ok(())
    }

    fn forget_from(&mut self, start: Start) {
        self.plain_count = start.plain;
        self.more.truncate(start.more);
    }
}

struct Object<'o, 'de, M> {
    members: &'o mut M,
    names: &'o mut Names<'de>,
}

impl<'de, M: Members<'de>> Visitor<'de> for Object<'_, 'de, M> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { members, names } = self;
        while let Some(name) = map.next_key_seed(Text)? {
            names.insert(Start::default(), name.clone())?;
            let value = Value {
                map: &mut map,
                names,
            };
            members.member(&name, value)?;
        }
        Ok(())
    }
}

/// Goes through any value for the sake of the names in it.
struct Skip<'o, 'de> {
    names: &'o mut Names<'de>,
}

impl<'de> DeserializeSeed<'de> for Skip<'_, 'de> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Skip<'_, 'de> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        let names = self.names;
        while seq.next_element_seed(Skip { names })?.is_some() {}
        Ok(true)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let names = self.names;
        let start = names.begin();
        while let Some(name) = map.next_key_seed(Text)? {
            names.insert(start, name)?;
            map.next_value_seed(Skip { names })?;
        }
        names.forget_from(start);
        Ok(true)
    }
}
