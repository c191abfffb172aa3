//! What a handshake reads of a record: in one pass, and without a tree of its values.

use std::borrow::Cow;
use std::fmt;
use std::time::SystemTime;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, IgnoredAny, IntoDeserializer as _,
    MapAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::Value;
use tower_ws_auth_core::RevocationKey;

use super::{COOKIE, EXPIRES, KEY, LOGIN, Login, OWN, RAW, expires, read_date};

/// The application's fields, and what is beside them.
pub(crate) struct Seen<R> {
    pub(crate) fields: R,
    pub(crate) expires: Option<SystemTime>,
    pub(crate) login: Option<Login>,
}

impl<R: DeserializeOwned> Seen<R> {
    /// `None` decides nothing: the record is then read as a whole, which also tells its fault.
    pub(crate) fn read(json: &str) -> Option<Self> {
        let mut beside = Beside::default();
        let mut json = serde_json::Deserializer::from_str(json);
        let fields = R::deserialize(Record {
            json: &mut json,
            beside: &mut beside,
        });
        let fields = fields.ok()?;
        json.end().ok()?;
        let Beside { expires, login } = beside;
        Some(Self {
            fields,
            expires,
            login,
        })
    }
}

/// What is no field of the application's. Of two with one name the last counts, as everywhere.
#[derive(Default)]
struct Beside {
    expires: Option<SystemTime>,
    login: Option<Login>,
}

/// A record as the application's type sees it.
struct Record<'a, D> {
    json: D,
    beside: &'a mut Beside,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Record<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        // Nothing but an object.
        self.json.deserialize_map(Object {
            visitor,
            beside: self.beside,
        })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Object<'a, V> {
    visitor: V,
    beside: &'a mut Beside,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Object<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Fields {
            map,
            beside: self.beside,
        })
    }
}

/// The application's fields. The others are read on the way.
struct Fields<'a, A> {
    map: A,
    beside: &'a mut Beside,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Fields<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while let Some(name) = self.map.next_key_seed(Text)? {
            match &*name {
                COOKIE => self.beside.expires = self.map.next_value_seed(Cookie)?,
                OWN => self.beside.login = self.map.next_value_seed(Own)?,
                RAW => return Err(A::Error::custom("a name of serde_json's own")),
                _ => return seed.deserialize(name.into_deserializer()).map(Some),
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// A string, borrowed if nothing in it is escaped.
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, text: D) -> Result<Cow<'de, str>, D::Error> {
        text.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// The end in the object of express-session.
struct Cookie;

impl<'de> DeserializeSeed<'de> for Cookie {
    type Value = Option<SystemTime>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Cookie {
    type Value = Option<SystemTime>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut end = None;
        while let Some(name) = map.next_key_seed(Text)? {
            if name == EXPIRES {
                let value = map.next_value::<Value>()?;
                end = expires(Some(&value)).ok_or_else(|| A::Error::custom("no date"))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(end)
    }
}

/// The login in the object of this crate.
struct Own;

impl<'de> DeserializeSeed<'de> for Own {
    type Value = Option<Login>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Own {
    type Value = Option<Login>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut at, mut key) = (None, None);
        while let Some(name) = map.next_key_seed(Text)? {
            match &*name {
                LOGIN => at = read_date(&map.next_value_seed(Text)?),
                KEY => key = RevocationKey::decode(&map.next_value_seed(Text)?),
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(at.map(|at| Login { at, key }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;
    use crate::record;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        user: String,
        n: Option<f64>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Loose {
        user: Option<String>,
        #[serde(flatten)]
        rest: BTreeMap<String, Value>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct New(BTreeMap<String, Value>);

    /// Whether it is read at once, after a comparison with the whole record.
    fn read<R: DeserializeOwned + PartialEq + fmt::Debug>(json: &str) -> bool {
        let Some(seen) = Seen::<R>::read(json) else {
            return false;
        };
        let whole = record::Record::parse(json).unwrap();
        assert_eq!(Some(seen.fields), whole.get::<R>(), "{json}");
        assert_eq!(seen.expires, whole.expires(), "{json}");
        let login = |login: Option<Login>| login.map(|login| (login.at, login.key));
        assert_eq!(login(seen.login), login(whole.login()), "{json}");
        true
    }

    const RECORDS: &[&str] = &[
        r#"{"user":"ada"}"#,
        r#" {"cookie":{"originalMaxAge":null,"expires":null},"user":"ada","wsauth":{"login":"2026-11-20T21:09:47.405Z"}} "#,
        r#"{"cookie":{"expires":false},"user":"ada","n":-1.5}"#,
        r#"{"cookie":{"expires":"2026-11-20T21:09:47.405Z","x":[{}]},"user":"\u0061da"}"#,
        r#"{"cookie":{"expires":"Tue, 14 Nov 2023 22:13:20 GMT"},"user":"ada"}"#,
        r#"{"user":"ada","cookie":{},"wsauth":{"login":"2026-11-20T21:09:47.405Z","key":"since 7:user:ada","x":1}}"#,
        r#"{"user":"ada","wsauth":{"login":"soon"}}"#,
        r#"{"user":"ada","c\u006fokie":{"expires":"2026-11-20T21:09:47.405Z"}}"#,
        r#"{"user":"ada","cookie":{"expires":null},"cookie":{"expires":"2026-11-20T21:09:47.405Z"}}"#,
    ];

    #[test]
    fn a_record_is_read_at_once_as_it_is_as_a_whole() {
        for json in RECORDS {
            assert!(read::<Strict>(json), "{json}");
            assert!(read::<Loose>(json), "{json}");
            assert!(read::<New>(json), "{json}");
            assert!(read::<Option<Strict>>(json), "{json}");
            assert!(read::<Value>(json), "{json}");
        }
    }

    #[test]
    fn what_is_unusual_is_left_to_those_who_read_the_whole() {
        for json in [
            "",
            "null",
            "[]",
            "{",
            "{}x",
            r#"{"cookie":1}"#,
            r#"{"cookie":[]}"#,
            r#"{"cookie":null}"#,
            r#"{"cookie":{"expires":1}}"#,
            r#"{"cookie":{"expires":"tomorrow"}}"#,
            r#"{"wsauth":1}"#,
            r#"{"wsauth":[]}"#,
            r#"{"wsauth":{"login":7}}"#,
            r#"{"cookie":{},"$serde_json::private::RawValue":"{\"user\":\"eve\"}"}"#,
            &"{\"a\":".repeat(100_000),
        ] {
            assert!(!read::<Value>(json), "{json:.40}");
            assert!(!read::<Loose>(json), "{json:.40}");
        }
        // The types decide, in both.
        for json in ["{}", r#"{"user":1}"#, r#"{"user":"a","x":1}"#] {
            assert!(!read::<Strict>(json), "{json}");
        }
        assert!(!read::<()>(r#"{"user":"ada"}"#));
    }

    #[test]
    fn no_record_is_read_otherwise_than_as_a_whole() {
        let name = "cookie|wsauth|user|n|expires|login|key";
        let leaf = r#"null|false|1|-1.5|"ada"|"2026-11-20T21:09:47.405Z"|"since:x""#;
        let inner = format!(r#"\{{("({name})":({leaf}),?){{0,3}}\}}"#);
        let record = format!(r#"\{{("({name})":({leaf}|{inner}),?){{0,4}}\}}"#);
        proptest::proptest!(|(json in record.as_str())| {
            read::<Strict>(&json);
            read::<Loose>(&json);
            read::<Value>(&json);
        });
    }
}
