//! The headers of good tokens, read once.
//!
//! By hand, because it is four places without a lock. A cache would have to evict, and reading the
//! header each time made a good decision 1.18 times as long.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::header::Header;

/// Headers of good tokens, as they were written: most tokens of an issuer begin alike, and a flood
/// of forged ones begins like the good ones.
///
/// It remembers what was read, not what was decided. Only a good signature brings a header in, so
/// that nobody else fills it, and nothing is ever replaced: no lock, nothing to wait for. A key
/// that comes after the fourth is read from its tokens each time.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<[Place; 4]>);

type Place = OnceLock<Known>;

struct Known {
    text: Box<str>,
    header: Header<'static>,
}

/// A longer header is nothing that an issuer repeats, and not kept.
const LONGEST: usize = 512;

impl Seen {
    pub(crate) fn header(&self, text: &str) -> Option<&Header<'static>> {
        let mut seen = self.0.iter().map_while(OnceLock::get);
        seen.find_map(|known| (*known.text == *text).then_some(&known.header))
    }

    /// Remembers what this text says.
    pub(crate) fn remember(&self, text: &str, header: &Header<'_>) {
        if text.len() > LONGEST {
            return;
        }
        let Some(place) = self.0.iter().find(|place| place.get().is_none()) else {
            return;
        };
        // Of two at a time one is kept.
        let _ = place.set(Known {
            text: text.into(),
            header: header.to_owned(),
        });
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seen")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kid: &str) -> (String, String) {
        let json = format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#);
        (crate::compact::encode(json.as_bytes()), json)
    }

    #[test]
    fn a_header_is_known_by_every_byte_of_it() {
        let seen = Seen::default();
        let (text, json) = header("a");
        seen.remember(&text, &Header::read(&json).unwrap());
        let known = seen.header(&text).unwrap();
        assert_eq!(known.kid.as_deref(), Some("a"));
        assert!(seen.header(&text[..text.len() - 1]).is_none());
        assert!(seen.header(&header("b").0).is_none());
    }

    #[test]
    fn it_keeps_the_first_four_and_no_long_one() {
        let seen = Seen::default();
        let long = "k".repeat(256);
        let repeated = format!(r#"{{"alg":"HS256","kid":"{long}","x":"{long}"}}"#);
        let text = crate::compact::encode(repeated.as_bytes());
        seen.remember(&text, &Header::read(&repeated).unwrap());
        assert!(seen.header(&text).is_none());
        for kid in ["a", "b", "c", "d", "e"] {
            let (text, json) = header(kid);
            seen.remember(&text, &Header::read(&json).unwrap());
            assert_eq!(seen.header(&text).is_some(), kid != "e");
        }
    }

    #[test]
    fn its_debug_output_is_its_name() {
        assert_eq!(format!("{:?}", Seen::default()), "Seen");
    }
}
