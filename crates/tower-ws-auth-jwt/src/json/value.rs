use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::names::Names;
use super::{Unreadable, each_member};

/// The value of a member, not yet read.
pub(crate) struct Value<'v, 'j, A> {
    pub(super) map: &'v mut A,
    pub(super) names: &'v mut Names<'j>,
}

impl<'j, A: MapAccess<'j>> Value<'_, 'j, A> {
    /// A string.
    pub(crate) fn text(self) -> Result<Cow<'j, str>, Unreadable> {
        let Text(text) = self.map.next_value().map_err(|_| Unreadable)?;
        Ok(text)
    }

    /// A string, or `None` for `null`: an optional member that is null is absent.
    pub(crate) fn optional_text(self) -> Result<Option<Cow<'j, str>>, Unreadable> {
        let text: Option<Text<'j>> = self.map.next_value().map_err(|_| Unreadable)?;
        Ok(text.map(|Text(text)| text))
    }

    /// A string, or an array of strings.
    pub(crate) fn texts(self, each: &mut dyn FnMut(&str)) -> Result<(), Unreadable> {
        let seed = Texts {
            each,
            or_null: false,
        };
        let read = self.map.next_value_seed(seed);
        read.map(drop).map_err(|_| Unreadable)
    }

    /// The same, or `null`; says whether it was more than that.
    pub(crate) fn optional_texts(self, each: &mut dyn FnMut(&str)) -> Result<bool, Unreadable> {
        let seed = Texts {
            each,
            or_null: true,
        };
        self.map.next_value_seed(seed).map_err(|_| Unreadable)
    }

    /// An array, of whose values each is shown as it is written until one is refused.
    #[cfg(feature = "jwks")]
    pub(crate) fn raw_list(
        self,
        each: &mut dyn FnMut(&'j serde_json::value::RawValue) -> bool,
    ) -> Result<(), Unreadable> {
        let seed = RawList(each);
        self.map.next_value_seed(seed).map_err(|_| Unreadable)
    }

    /// A `NumericDate` (RFC 7519 §2) as the time since the Unix epoch. A fraction counts. A date
    /// before the epoch is the epoch, one that no clock will reach is the latest time there is.
    pub(crate) fn date(self) -> Result<Duration, Unreadable> {
        let Date(date) = self.map.next_value().map_err(|_| Unreadable)?;
        Ok(date)
    }

    /// The same, or `None` for `null`.
    pub(crate) fn optional_date(self) -> Result<Option<Duration>, Unreadable> {
        let date: Option<Date> = self.map.next_value().map_err(|_| Unreadable)?;
        Ok(date.map(|Date(date)| date))
    }

    /// Any value; says whether it was more than `null` or `[]`.
    pub(crate) fn skip_list(self) -> Result<bool, Unreadable> {
        Ok(self.any()? == Found::Something)
    }

    /// Any value; says whether it was more than `null`.
    pub(crate) fn skip(self) -> Result<bool, Unreadable> {
        Ok(self.any()? != Found::Null)
    }

    fn any(self) -> Result<Found, Unreadable> {
        let any = Any(self.names);
        self.map.next_value_seed(any).map_err(|_| Unreadable)
    }
}

/// A string, borrowed where it has no escapes.
#[derive(Deserialize)]
pub(super) struct Text<'j>(#[serde(borrow)] pub(super) Cow<'j, str>);

struct Date(Duration);

impl<'j> Deserialize<'j> for Date {
    fn deserialize<D: Deserializer<'j>>(json: D) -> Result<Self, D::Error> {
        struct Visit;

        impl Visitor<'_> for Visit {
            type Value = Date;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of seconds")
            }

            fn visit_u64<E>(self, seconds: u64) -> Result<Date, E> {
                Ok(Date(Duration::from_secs(seconds)))
            }

            fn visit_i64<E>(self, seconds: i64) -> Result<Date, E> {
                Ok(Date(Duration::from_secs(seconds.try_into().unwrap_or(0))))
            }

            fn visit_f64<E>(self, seconds: f64) -> Result<Date, E> {
                let seconds = Duration::try_from_secs_f64(seconds.max(0.0));
                Ok(Date(seconds.unwrap_or(Duration::MAX)))
            }
        }

        // Not `deserialize_any`: with `arbitrary_precision` that shows a map instead of a number.
        json.deserialize_f64(Visit)
    }
}

struct Texts<'v> {
    each: &'v mut dyn FnMut(&str),
    or_null: bool,
}

impl<'j> DeserializeSeed<'j> for Texts<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'j>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'j> Visitor<'j> for Texts<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or a list of texts")
    }

    fn visit_str<E>(self, text: &str) -> Result<bool, E> {
        (self.each)(text);
        Ok(true)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<bool, E> {
        if self.or_null {
            return Ok(false);
        }
        Err(E::invalid_type(serde::de::Unexpected::Unit, &self))
    }

    fn visit_seq<S: SeqAccess<'j>>(self, mut list: S) -> Result<bool, S::Error> {
        while let Some(Text(text)) = list.next_element()? {
            (self.each)(&text);
        }
        Ok(true)
    }
}

#[cfg(feature = "jwks")]
struct RawList<'v, 'j>(&'v mut dyn FnMut(&'j serde_json::value::RawValue) -> bool);

#[cfg(feature = "jwks")]
impl<'j> DeserializeSeed<'j> for RawList<'_, 'j> {
    type Value = ();

    fn deserialize<D: Deserializer<'j>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

#[cfg(feature = "jwks")]
impl<'j> Visitor<'j> for RawList<'_, 'j> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<S: SeqAccess<'j>>(self, mut list: S) -> Result<(), S::Error> {
        while let Some(value) = list.next_element()? {
            if !(self.0)(value) {
                return Err(serde::de::Error::custom("refused"));
            }
        }
        Ok(())
    }
}

#[derive(PartialEq)]
enum Found {
    Null,
    EmptyList,
    Something,
}

/// Any value in which names are unique.
struct Any<'v, 'j>(&'v mut Names<'j>);

impl<'j> DeserializeSeed<'j> for Any<'_, 'j> {
    type Value = Found;

    fn deserialize<D: Deserializer<'j>>(self, json: D) -> Result<Found, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'j> Visitor<'j> for Any<'_, 'j> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value with unique names")
    }

    fn visit_unit<E>(self) -> Result<Found, E> {
        Ok(Found::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Found, E> {
        Ok(Found::Something)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Found, E> {
        Ok(Found::Something)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Found, E> {
        Ok(Found::Something)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Found, E> {
        Ok(Found::Something)
    }

    fn visit_str<E>(self, _: &str) -> Result<Found, E> {
        Ok(Found::Something)
    }

    fn visit_seq<S: SeqAccess<'j>>(self, mut list: S) -> Result<Found, S::Error> {
        let mut found = Found::EmptyList;
        while list.next_element_seed(Any(self.0))?.is_some() {
            found = Found::Something;
        }
        Ok(found)
    }

    fn visit_map<M: MapAccess<'j>>(self, mut map: M) -> Result<Found, M::Error> {
        each_member(&mut map, self.0, |map, names, _| {
            Value { map, names }.skip().map(drop)
        })?;
        Ok(Found::Something)
    }
}
