use std::fmt;
use std::time::Duration;

use serde::Deserializer;
use serde::de::Visitor;

/// A number of seconds, as the whole of a text.
pub(super) fn read(json: &str) -> Result<Duration, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(json);
    // Not `deserialize_any`: where some other crate turns on serde_json's `arbitrary_precision`,
    // that would show a map instead of a number.
    let seconds = json.deserialize_f64(Seconds)?;
    json.end()?;
    Ok(seconds)
}

struct Seconds;

impl Visitor<'_> for Seconds {
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
