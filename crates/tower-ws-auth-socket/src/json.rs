//! Finds one value in a JSON text, in one pass and without building the rest.

use std::borrow::Cow;

/// What stands at a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// No such member, or `null`.
    Nothing,
    Text(String),
    /// Neither text nor `null`.
    Other,
}

/// A text that is not JSON, nests too deeply, or names a member of the path twice.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Invalid;

/// Deeper than any first message.
const DEEPEST: usize = 64;

/// Finds the value at a path of members and, in arrays, of places.
pub(crate) fn find(text: &str, path: &[String]) -> Result<Found, Invalid> {
    let mut reader = Reader { text, at: 0 };
    let found = reader.value(Some(path), 0)?;
    reader.space();
    if reader.at == text.len() {
        Ok(found)
    } else {
        Err(Invalid)
    }
}

/// The number of bytes before the first that ends a plain part of a string.
#[expect(
    clippy::needless_bitwise_bool,
    reason = "without branches the compiler looks at sixteen bytes at a time"
)]
fn plain(bytes: &[u8]) -> Option<usize> {
    let ends = |b: u8| (b == b'"') | (b == b'\\') | (b < b' ');
    let is_plain = |chunk: &&[u8; 16]| !chunk.iter().fold(false, |any, &b| any | ends(b));
    let (chunks, _) = bytes.as_chunks::<16>();
    let whole = 16 * chunks.iter().take_while(is_plain).count();
    let rest = bytes.get(whole..)?.iter();
    Some(whole + rest.copied().position(ends)?)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// The path from here on; `None` off the path.
type Path<'p> = Option<&'p [String]>;

impl<'a> Reader<'a> {
    fn value(&mut self, path: Path<'_>, depth: usize) -> Result<Found, Invalid> {
        let is_wanted = path.is_some_and(<[String]>::is_empty);
        self.space();
        match self.peek() {
            Some(b'{') => return self.members(path, depth + 1, b'}'),
            Some(b'[') => return self.members(path, depth + 1, b']'),
            Some(b'"') => {
                let text = self.string()?;
                return Ok(if is_wanted {
                    Found::Text(text.into_owned())
                } else {
                    Found::Nothing
                });
            }
            Some(b't') => self.word("true")?,
            Some(b'f') => self.word("false")?,
            Some(b'n') => {
                self.word("null")?;
                return Ok(Found::Nothing);
            }
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => return Err(Invalid),
        }
        Ok(if is_wanted {
            Found::Other
        } else {
            Found::Nothing
        })
    }

    /// An object or an array.
    fn members(&mut self, path: Path<'_>, depth: usize, end: u8) -> Result<Found, Invalid> {
        if depth > DEEPEST {
            return Err(Invalid);
        }
        let mut found = match path {
            Some([]) => Found::Other,
            _ => Found::Nothing,
        };
        let mut seen = false;
        self.at += 1;
        self.space();
        if self.take(end) {
            return Ok(found);
        }
        for place in 0_usize.. {
            self.space();
            let is_on_path = if end == b'}' {
                let name = self.string()?;
                self.space();
                if !self.take(b':') {
                    return Err(Invalid);
                }
                path.and_then(<[String]>::first)
                    .is_some_and(|next| *next == *name)
            } else {
                path.and_then(<[String]>::first)
                    .is_some_and(|next| next.parse() == Ok(place))
            };
            if is_on_path && std::mem::replace(&mut seen, true) {
                return Err(Invalid);
            }
            let inner = path.filter(|_| is_on_path).and_then(|path| path.get(1..));
            let value = self.value(inner, depth)?;
            if is_on_path {
                found = value;
            }
            self.space();
            if self.take(end) {
                break;
            }
            if !self.take(b',') {
                return Err(Invalid);
            }
        }
        Ok(found)
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Invalid> {
        if !self.take(b'"') {
            return Err(Invalid);
        }
        let mut decoded: Option<String> = None;
        loop {
            let rest = self.text.get(self.at..).ok_or(Invalid)?;
            let plain = plain(rest.as_bytes()).ok_or(Invalid)?;
            let (plain, rest) = rest.split_at(plain);
            self.at += plain.len() + 1;
            if let Some(decoded) = &mut decoded {
                decoded.push_str(plain);
            }
            match rest.as_bytes().first() {
                Some(b'"') => return Ok(decoded.map_or(Cow::Borrowed(plain), Cow::Owned)),
                Some(b'\\') => {
                    let decoded = decoded.get_or_insert_with(|| plain.to_owned());
                    decoded.push(self.escape()?);
                }
                _ => return Err(Invalid),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Invalid> {
        let escaped = self.peek().ok_or(Invalid)?;
        self.at += 1;
        Ok(match escaped {
            b'"' | b'\\' | b'/' => char::from(escaped),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex()?;
                let mut units = vec![first];
                if (0xd800..0xdc00).contains(&first) {
                    self.word("\\u")?;
                    units.push(self.hex()?);
                }
                let text = String::from_utf16(&units).map_err(|_| Invalid)?;
                text.chars().next().ok_or(Invalid)?
            }
            _ => return Err(Invalid),
        })
    }

    fn hex(&mut self) -> Result<u16, Invalid> {
        let digits = self.text.get(self.at..self.at + 4).ok_or(Invalid)?;
        self.at += 4;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(Invalid);
        }
        u16::from_str_radix(digits, 16).map_err(|_| Invalid)
    }

    fn number(&mut self) -> Result<(), Invalid> {
        let rest = self.text.get(self.at..).ok_or(Invalid)?;
        let is_other = |c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E');
        let number = &rest[..rest.find(is_other).unwrap_or(rest.len())];
        self.at += number.len();
        number.parse::<f64>().map(|_| ()).map_err(|_| Invalid)
    }

    fn word(&mut self, word: &str) -> Result<(), Invalid> {
        let rest = self.text.get(self.at..).ok_or(Invalid)?;
        if !rest.starts_with(word) {
            return Err(Invalid);
        }
        self.at += word.len();
        Ok(())
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str, path: &str) -> Result<Found, Invalid> {
        let path: Vec<_> = path.split('.').map(str::to_owned).collect();
        find(text, &path)
    }

    #[test]
    fn a_value_is_found_at_its_path() {
        let text = |text: &str| Ok(Found::Text(text.to_owned()));
        for (json, path, found) in [
            (r#"{"a":1,"token":"abc","b":[{}]}"#, "token", text("abc")),
            (
                r#" { "payload" : { "token" : "a\u0062\/c" } } "#,
                "payload.token",
                text("ab/c"),
            ),
            (
                r#"{"to\u006ben":"\ud83d\ude00"}"#,
                "token",
                text("\u{1f600}"),
            ),
            (
                r#"["1",null,"t","phx_join",{"token":"x"}]"#,
                "4.token",
                text("x"),
            ),
            (
                r#"["1",null,"t","phx_join",{"token":"x"}]"#,
                "3",
                text("phx_join"),
            ),
            (r#"{"token":null}"#, "token", Ok(Found::Nothing)),
            (r#"{"a":{"token":"x"}}"#, "token", Ok(Found::Nothing)),
            (r#"{"a":"x"}"#, "a.token", Ok(Found::Nothing)),
            (r#"{"token":-1.5e3}"#, "token", Ok(Found::Other)),
            (r#"{"token":{}}"#, "token", Ok(Found::Other)),
            (r#"{"token":true}"#, "token", Ok(Found::Other)),
        ] {
            assert_eq!(at(json, path), found, "{json}");
        }
    }

    #[test]
    fn what_is_no_json_or_ambiguous_is_invalid() {
        let deep = "[".repeat(100);
        for json in [
            "",
            "{",
            "token",
            "{}x",
            "{,}",
            r#"{"token"}"#,
            r#"{"token":"a","token":"b"}"#,
            r#"{"token":"\ud83d"}"#,
            r#"{"token":"\x"}"#,
            "{\"token\":\"\n\"}",
            r#"{"token":"a"#,
            "[1,]",
            r#"{"a":1-}"#,
            r#"{"token":"\u+123"}"#,
            "nul",
            &deep,
        ] {
            assert_eq!(at(json, "token"), Err(Invalid), "{json}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(
            text in "[\\[\\]{}:,\"\\\\u0-9a-f\u{e4}tn. -]{0,80}",
        ) {
            let _ = at(&text, "a.0");
            let wrapped = format!("{{\"token\":{text}}}");
            let _ = at(&wrapped, "token");
        }
    }
}
