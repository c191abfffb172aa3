//! The values that are read, and not only gone through.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};

/// A string, borrowed where it has no escapes.
pub(super) struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    // Only where the text is written with escapes.
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// A string or an array of strings, each shown to the function.
pub(super) struct Texts<'f>(pub(super) &'f mut dyn FnMut(&str));

impl<'de> DeserializeSeed<'de> for Texts<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Texts<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array of strings")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        (self.0)(text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(text) = seq.next_element_seed(Text)? {
            (self.0)(&text);
        }
        Ok(())
    }
}

/// An array, each value of it shown to the function until that says no.
#[cfg(feature = "jwks")]
pub(super) struct RawList<'f, 'de>(
    pub(super) &'f mut dyn FnMut(&'de serde_json::value::RawValue) -> bool,
);

#[cfg(feature = "jwks")]
impl<'de> DeserializeSeed<'de> for RawList<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

#[cfg(feature = "jwks")]
impl<'de> Visitor<'de> for RawList<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(value) = seq.next_element()? {
            if !(self.0)(value) {
                return Err(serde::de::Error::custom("too many values"));
            }
        }
        Ok(())
    }
}

/// A number of seconds.
pub(super) struct Date;

impl<'de> DeserializeSeed<'de> for Date {
    type Value = Duration;

    // Not `deserialize_any`: where some other crate turns on serde_json's `arbitrary_precision`,
    // that would show a map instead of a number.
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Duration, D::Error> {
        json.deserialize_f64(self)
    }
}

impl Visitor<'_> for Date {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of seconds")
    }

    fn visit_u64<E>(self, seconds: u64) -> Result<Duration, E> {
        Ok(Duration::from_secs(seconds))
    }

    fn visit_i64<E>(self, seconds: i64) -> Result<Duration, E> {
        Ok(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
    }

    fn visit_f64<E>(self, seconds: f64) -> Result<Duration, E> {
        Ok(if seconds > 0.0 {
            Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
        } else {
            Duration::ZERO
        })
    }
}
