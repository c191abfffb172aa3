//! `encodeURIComponent` and `decodeURIComponent`, as far as a cookie needs them.
//!
//! By hand, because Express keeps a value with one bad escape as it was written. The crate
//! `percent-encoding` decodes the rest of it.

use std::fmt::Write as _;

/// The longest accepted cookie value: three bytes for each byte of the longest id, and the
/// signature.
pub(crate) const LONGEST: usize = 1024;

/// The value as Express's cookie parser returns it: decoded if all of it can be, otherwise as it
/// was written. Nothing is allocated.
///
/// `None` for a value that is too long, or has raw bytes outside of ASCII.
pub(crate) fn decode<'a>(raw: &'a [u8], place: &'a mut [u8; LONGEST]) -> Option<&'a str> {
    if raw.len() > LONGEST || !raw.is_ascii() {
        return None;
    }
    match decode_all(raw, place) {
        Some(length) if str::from_utf8(&place[..length]).is_ok() => {
            str::from_utf8(&place[..length]).ok()
        }
        _ => str::from_utf8(raw).ok(),
    }
}

fn decode_all(raw: &[u8], place: &mut [u8; LONGEST]) -> Option<usize> {
    let mut rest = raw;
    let mut length = 0;
    while let [byte, tail @ ..] = rest {
        let decoded;
        (decoded, rest) = match (byte, tail) {
            (b'%', [high, low, tail @ ..]) => (hex(*high)? << 4 | hex(*low)?, tail),
            (b'%', _) => return None,
            (&plain, tail) => (plain, tail),
        };
        *place.get_mut(length)? = decoded;
        length += 1;
    }
    Some(length)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Encodes every byte as `%XX`, except those that `encodeURIComponent` leaves alone.
pub(crate) fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            into.push(char::from(byte));
        } else {
            // Writing to a `String` does not fail.
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod as_javascript_does_it {
    use super::*;

    fn decoded(raw: &str) -> Option<String> {
        decode(raw.as_bytes(), &mut [0; LONGEST]).map(str::to_owned)
    }

    #[test]
    fn a_value_is_decoded_once_and_a_plus_is_no_space() {
        for (raw, text) in [
            ("s%3Ax.y%2Bz%2f", "s:x.y+z/"),
            ("a+b", "a+b"),
            ("%2525", "%25"),
            ("%C3%AB", "\u{eb}"),
            ("", ""),
        ] {
            assert_eq!(decoded(raw).as_deref(), Some(text), "{raw}");
        }
    }

    #[test]
    fn one_bad_escape_leaves_the_whole_value_as_it_was() {
        for raw in [
            "s%3Ax%",
            "s%3Ax%2",
            "s%3Ax%zz",
            "s%3A%FF",
            "%C3%28",
            "%ED%A0%80",
            "%C0%80",
            "%+1",
        ] {
            assert_eq!(decoded(raw).as_deref(), Some(raw), "{raw}");
        }
    }

    #[test]
    fn long_and_raw_non_ascii_values_are_not_read() {
        assert_eq!(decoded(&"a".repeat(LONGEST)), Some("a".repeat(LONGEST)));
        assert_eq!(decoded(&"a".repeat(LONGEST + 1)), None);
        assert_eq!(decoded("\u{eb}"), None);
    }

    #[test]
    fn encoding_is_the_way_back() {
        let mut encoded = String::new();
        encode("s:a-_.!~*'()+/=\u{eb}", &mut encoded);
        assert_eq!(encoded, "s%3Aa-_.!~*'()%2B%2F%3D%C3%AB");
        assert_eq!(decoded(&encoded).as_deref(), Some("s:a-_.!~*'()+/=\u{eb}"));
    }

    #[test]
    fn percent_encoding_reads_the_same_if_every_escape_is_good() {
        use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
        use percent_encoding::{percent_decode_str, utf8_percent_encode};

        const MARKS: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');
        const MORE: AsciiSet = MARKS.remove(b'!').remove(b'~').remove(b'*');
        const KEPT: &AsciiSet = &MORE.remove(b'\'').remove(b'(').remove(b')');

        proptest::proptest!(|(raw in "([ -~]|%[0-9a-fA-F]{2}){0,60}", text in ".{0,60}")| {
            let mut parts = raw.split('%').skip(1);
            let good = parts.all(|it| it.bytes().take_while(u8::is_ascii_hexdigit).count() >= 2);
            let theirs = percent_decode_str(&raw).decode_utf8().ok();
            let expected = theirs.filter(|_| good).map_or(raw.clone(), Into::into);
            assert_eq!(decoded(&raw), Some(expected));
            let mut encoded = String::new();
            encode(&text, &mut encoded);
            assert_eq!(encoded, utf8_percent_encode(&text, KEPT).to_string());
        });
    }
}
