//! What a script waits for in the messages of a client.

use std::borrow::Cow;

use crate::protocol::message::escape;

/// Which message of a client a script answers, and what it repeats of it.
///
/// It is matched against the first [`MAX_PREFIX`](Self::MAX_PREFIX) bytes of a message, or found in
/// the first [`MAX_SEARCH`](Self::MAX_SEARCH) bytes. What it captures is UTF-8 of at most
/// [`MAX_CAPTURE`](Self::MAX_CAPTURE) bytes, without control characters; a longer one is no match.
///
/// ```
/// use tower_ws_auth_socket::protocol::Pattern;
///
/// // Phoenix: ["6","7","room:lobby","phx_join",{}]
/// let join = Pattern::starts_with("[\"").json_string("join")
///     .then("\",\"").json_string("ref")
///     .then("\",\"").json_string("topic")
///     .then("\",\"phx_join\"");
/// assert!(join.is_match(br#"["6","7","room:lobby","phx_join",{}]"#));
/// assert!(!join.is_match(br#"["6","7","room:lobby","phx_leave",{}]"#));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    anywhere: bool,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Cow<'static, str>),
    JsonString(&'static str),
    Digits(&'static str),
    Optional(&'static str, char, char),
}

impl Pattern {
    /// So many bytes of a message are looked at for what [starts](Self::starts_with) it.
    pub const MAX_PREFIX: usize = 1024;
    /// So many are searched for what it [contains](Self::contains), and kept until the script is
    /// over. Some clients write what is asked for behind their token.
    pub const MAX_SEARCH: usize = 16 * 1024;
    /// The longest capture, in bytes.
    pub const MAX_CAPTURE: usize = 256;

    /// Messages that start with this text.
    pub fn starts_with(text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            anywhere: false,
            pieces: vec![Piece::Literal(text.into())],
        }
    }

    /// Messages that contain this text.
    pub fn contains(text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            anywhere: true,
            ..Self::starts_with(text)
        }
    }

    /// Followed by this text.
    #[must_use]
    pub fn then(self, text: impl Into<Cow<'static, str>>) -> Self {
        self.with(Piece::Literal(text.into()))
    }

    /// Followed by the rest of a JSON string (RFC 8259 §7), up to its closing quote.
    #[must_use]
    pub fn json_string(self, name: &'static str) -> Self {
        self.with(Piece::JsonString(name))
    }

    /// Followed by one to twenty digits.
    #[must_use]
    pub fn digits(self, name: &'static str) -> Self {
        self.with(Piece::Digits(name))
    }

    /// Followed by a text that begins with `first` and ends with the next `last`, or by nothing.
    /// Both are captured.
    #[must_use]
    pub fn optional(self, name: &'static str, first: char, last: char) -> Self {
        self.with(Piece::Optional(name, first, last))
    }

    /// Whether this message matches.
    pub fn is_match(&self, message: &[u8]) -> bool {
        self.captures(message).is_some()
    }

    /// What is captured, in the order of [`names`](Self::names).
    pub(crate) fn captures(&self, message: &[u8]) -> Option<Vec<String>> {
        let prefix = &message[..message.len().min(self.reach())];
        if !self.anywhere {
            return captures(&self.pieces, prefix);
        }
        // A second start may match where the first does not.
        (0..prefix.len()).find_map(|start| captures(&self.pieces, &prefix[start..]))
    }

    /// How many bytes of a message are looked at.
    pub(crate) fn reach(&self) -> usize {
        if self.anywhere {
            Self::MAX_SEARCH
        } else {
            Self::MAX_PREFIX
        }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Literal(_) => None,
            Piece::JsonString(name) | Piece::Digits(name) | Piece::Optional(name, ..) => {
                Some(*name)
            }
        })
    }

    fn with(mut self, piece: Piece) -> Self {
        self.pieces.push(piece);
        self
    }
}

fn captures(pieces: &[Piece], mut rest: &[u8]) -> Option<Vec<String>> {
    let mut captured = Vec::new();
    for piece in pieces {
        // What a capture may have, and its end: a search from each start stays linear.
        let near = &rest[..rest.len().min(Pattern::MAX_CAPTURE + 1)];
        let length = match piece {
            Piece::Literal(literal) => {
                rest = rest.strip_prefix(literal.as_bytes())?;
                continue;
            }
            Piece::JsonString(_) => json_string(near)?,
            Piece::Digits(_) => digits(near)?,
            Piece::Optional(_, first, last) => optional(near, *first, *last)?,
        };
        let (value, behind) = rest.split_at(length);
        let value = text(value)?;
        let mut repeated = String::with_capacity(value.len());
        match piece {
            // It is escaped as it came.
            Piece::JsonString(_) => repeated.push_str(value),
            _ => escape(value, &mut repeated),
        }
        captured.push(repeated);
        rest = behind;
    }
    Some(captured)
}

/// A text that may be repeated.
fn text(value: &[u8]) -> Option<&str> {
    let is_short = value.len() <= Pattern::MAX_CAPTURE;
    let text = str::from_utf8(value).ok().filter(|_| is_short)?;
    (!text.chars().any(char::is_control)).then_some(text)
}

/// The length of the rest of a JSON string whose escapes are valid.
fn json_string(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at),
            b'\\' => match bytes.get(at + 1)? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                b'u' => {
                    let digits = bytes.get(at + 2..at + 6)?;
                    if !digits.iter().all(u8::is_ascii_hexdigit) {
                        return None;
                    }
                    at += 6;
                }
                _ => return None,
            },
            _ => at += 1,
        }
    }
}

fn digits(bytes: &[u8]) -> Option<usize> {
    const MOST: usize = 20;
    let count = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    (1..=MOST).contains(&count).then_some(count)
}

fn optional(bytes: &[u8], first: char, last: char) -> Option<usize> {
    let (mut first_bytes, mut last_bytes) = ([0; 4], [0; 4]);
    let first = first.encode_utf8(&mut first_bytes).as_bytes();
    let last = last.encode_utf8(&mut last_bytes).as_bytes();
    if !bytes.starts_with(first) {
        return Some(0);
    }
    let rest = &bytes[first.len()..];
    let end = rest.windows(last.len()).position(|window| window == last)?;
    Some(first.len() + end + last.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace() -> Pattern {
        Pattern::starts_with("40").optional("ns", '/', ',')
    }

    #[test]
    fn a_namespace_of_socket_io_is_captured_and_none_is_too() {
        for (message, captured) in [
            ("40", Some("")),
            (r#"40{"token":"/a,"}"#, Some("")),
            ("40/admin,", Some("/admin,")),
            (r#"40/admin,{"a":1}"#, Some("/admin,")),
            (r#"40/a"b\c,"#, Some(r#"/a\"b\\c,"#)),
            ("40/never", None),
            ("40/a\nb,", None),
            ("41", None),
            ("4", None),
            ("", None),
        ] {
            let found = namespace().captures(message.as_bytes());
            assert_eq!(
                found,
                captured.map(|name| vec![name.to_owned()]),
                "{message}"
            );
        }
    }

    #[test]
    fn a_json_string_is_repeated_as_it_came_and_only_if_it_is_one() {
        let pattern = Pattern::starts_with("[\"").json_string("a").then("\",");
        for (message, captured) in [
            (&br#"["room:1",2]"#[..], Some("room:1")),
            (br#"["a\"b\u00e9\\",2]"#, Some(r#"a\"b\u00e9\\"#)),
            (br#"["\x",2]"#, None),
            (br#"["\u00g0",2]"#, None),
            (br#"["open"#, None),
            (br#"["open\"#, None),
            (b"[\"\xff\",2]", None),
            (b"[\"\n\",2]", None),
        ] {
            let found = pattern.captures(message);
            assert_eq!(found, captured.map(|name| vec![name.to_owned()]));
        }
    }

    #[test]
    fn what_is_longer_than_a_capture_may_be_is_no_match() {
        let with = |length: usize| format!("40/{},", "x".repeat(length - 2));
        assert!(namespace().is_match(with(Pattern::MAX_CAPTURE).as_bytes()));
        assert!(!namespace().is_match(with(Pattern::MAX_CAPTURE + 1).as_bytes()));
        let id = Pattern::contains("\"id\":").digits("id");
        assert!(!id.is_match(format!("\"id\":{}", "1".repeat(21)).as_bytes()));
        let string = Pattern::starts_with("\"").json_string("a").then("\"");
        for end in ["x", "\\\"", "\\u0041"] {
            let with = |length: usize| format!("\"{}{end}\"", "x".repeat(length - end.len()));
            assert!(string.is_match(with(Pattern::MAX_CAPTURE).as_bytes()));
            assert!(!string.is_match(with(Pattern::MAX_CAPTURE + 1).as_bytes()));
        }
    }

    #[test]
    fn what_stands_beyond_the_bytes_that_are_looked_at_is_no_match() {
        let id = Pattern::contains("\"id\":").digits("id");
        let behind = |length: usize| format!("{}\"id\":1", " ".repeat(length));
        assert!(id.is_match(behind(Pattern::MAX_SEARCH - 6).as_bytes()));
        assert!(!id.is_match(behind(Pattern::MAX_SEARCH - 5).as_bytes()));
        let long = "x".repeat(Pattern::MAX_PREFIX);
        assert!(Pattern::starts_with(long.clone()).is_match(long.as_bytes()));
        let longer = format!("{long}x");
        assert!(!Pattern::starts_with(longer.clone()).is_match(longer.as_bytes()));
    }

    #[test]
    fn what_is_anywhere_is_found_at_the_second_place_too() {
        let id = Pattern::contains("\"id\":").digits("id");
        let message = br#"{"connect":{"name":"\"id\":x"},"id":7}"#;
        assert_eq!(id.captures(message), Some(vec!["7".to_owned()]));
        assert_eq!(id.captures(b"\"id\":"), None);
    }
}
