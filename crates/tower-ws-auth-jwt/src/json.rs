//! Reads one JSON object (RFC 8259) with `serde_json`, and refuses duplicate names.
//!
//! Names must be unique in every object at any depth (RFC 7515 §4, RFC 7519 §4): of two readers
//! of a duplicate one believes the first and the other the last. `serde_json` bounds the depth and
//! refuses numbers beyond an `f64`. A program that turns on its feature `arbitrary_precision` may
//! see such a number pass, but only in a member that is not asked for.

mod names;
#[cfg(test)]
mod tests;
mod value;

use serde::Deserializer as _;
use serde::de::{Error as _, MapAccess, Visitor};

use self::names::Names;
use self::value::Text;
pub(crate) use self::value::Value;

/// It is no JSON object, it has two members of one name, or a value is of another kind than was
/// asked for.
#[derive(Debug)]
pub(crate) struct Unreadable;

/// What is to be done with the members of an object.
pub(crate) trait Members<'j> {
    /// Sees every member once and must consume its value.
    fn member<A: MapAccess<'j>>(
        &mut self,
        name: &str,
        value: Value<'_, 'j, A>,
    ) -> Result<(), Unreadable>;
}

/// Shows `members` the members of the object that is all of `json`; at most `limit` names are
/// remembered at a time.
pub(crate) fn read<'j>(
    json: &'j str,
    limit: usize,
    members: &mut impl Members<'j>,
) -> Result<(), Unreadable> {
    let mut json = serde_json::Deserializer::from_str(json);
    let names = &mut Names::new(limit);
    json.deserialize_map(Object { names, members })
        .and_then(|()| json.end())
        .map_err(|_| Unreadable)
}

struct Object<'v, 'j, M> {
    names: &'v mut Names<'j>,
    members: &'v mut M,
}

impl<'j, M: Members<'j>> Visitor<'j> for Object<'_, 'j, M> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'j>>(self, mut map: A) -> Result<(), A::Error> {
        each_member(&mut map, self.names, |map, names, name| {
            self.members.member(name, Value { map, names })
        })
    }
}

/// Shows `value` each member of an object, whose names are unique in it.
fn each_member<'j, A: MapAccess<'j>>(
    map: &mut A,
    names: &mut Names<'j>,
    mut value: impl FnMut(&mut A, &mut Names<'j>, &str) -> Result<(), Unreadable>,
) -> Result<(), A::Error> {
    let start = names.begin();
    while let Some(Text(name)) = map.next_key()? {
        names
            .insert(start, &name)
            .and_then(|()| value(map, names, &name))
            .map_err(|Unreadable| A::Error::custom("unreadable"))?;
    }
    names
        .end(start)
        .map_err(|Unreadable| A::Error::custom("unreadable"))
}
