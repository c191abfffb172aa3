use std::borrow::Cow;
use std::time::Duration;

use super::names::Names;
use super::{Unreadable, date};

/// Goes through a text that is JSON, value by value.
pub(super) struct Reader<'j> {
    json: &'j str,
    at: usize,
}

impl<'j> Reader<'j> {
    pub(super) fn new(json: &'j str) -> Self {
        Self { json, at: 0 }
    }

    /// Nothing follows but white space.
    pub(super) fn end(&mut self) -> Result<(), Unreadable> {
        self.peek().is_none().then_some(()).ok_or(Unreadable)
    }

    /// The first byte after white space.
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = self.byte()?;
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Any value; says whether it was more than `null`. It may nest so deep.
    pub(super) fn skip(&mut self, names: &mut Names<'j>, depth: u8) -> Result<bool, Unreadable> {
        match self.peek().ok_or(Unreadable)? {
            b'"' if self.short_text().is_some() => {}
            b'"' => self.skip_text()?,
            b'-' | b'0'..=b'9' => self.number().map(|_| ())?,
            b'n' => return self.literal("null").map(|()| false),
            b't' => self.literal("true")?,
            b'f' => self.literal("false")?,
            b'[' => {
                let depth = depth.checked_sub(1).ok_or(Unreadable)?;
                self.array(|reader| reader.skip(names, depth).map(drop))?;
            }
            b'{' => {
                let depth = depth.checked_sub(1).ok_or(Unreadable)?;
                self.object(names, |reader, names, _| {
                    reader.skip(names, depth).map(drop)
                })?;
            }
            _ => return Err(Unreadable),
        }
        Ok(true)
    }

    /// An object, whose members have names that are unique in it. `value` reads the value.
    pub(super) fn object(
        &mut self,
        names: &mut Names<'j>,
        mut value: impl FnMut(&mut Self, &mut Names<'j>, &str) -> Result<(), Unreadable>,
    ) -> Result<(), Unreadable> {
        let start = names.begin();
        self.list(b'{', b'}', |reader| {
            if reader.peek() == Some(b'"')
                && let Some((name, head)) = reader.short_text()
            {
                names.insert_short(start, name, head)?;
                reader.take(b':')?;
                return value(reader, names, name);
            }
            let name = reader.text()?;
            names.insert(start, name.clone())?;
            reader.take(b':')?;
            value(reader, names, &name)
        })?;
        names.end(start)
    }

    /// An array. `value` reads a value of it.
    pub(super) fn array(
        &mut self,
        value: impl FnMut(&mut Self) -> Result<(), Unreadable>,
    ) -> Result<(), Unreadable> {
        self.list(b'[', b']', value)
    }

    fn list(
        &mut self,
        open: u8,
        close: u8,
        mut item: impl FnMut(&mut Self) -> Result<(), Unreadable>,
    ) -> Result<(), Unreadable> {
        self.take(open)?;
        if self.peek() == Some(close) {
            return self.take(close);
        }
        loop {
            item(self)?;
            if self.peek() != Some(b',') {
                return self.take(close);
            }
            self.at += 1;
        }
    }

    /// A string, borrowed where it has no escapes.
    pub(super) fn text(&mut self) -> Result<Cow<'j, str>, Unreadable> {
        self.take(b'"')?;
        let start = self.at;
        self.skip_plain();
        if self.byte() == Some(b'"') {
            let text = self.json.get(start..self.at).ok_or(Unreadable)?;
            self.at += 1;
            return Ok(Cow::Borrowed(text));
        }
        self.at = start - 1;
        self.skip_text()?;
        let written = self.json.get(start - 1..self.at).ok_or(Unreadable)?;
        let text: String = serde_json::from_str(written).map_err(|_| Unreadable)?;
        Ok(Cow::Owned(text))
    }

    /// A string of less than eight bytes that begins here, if each of them stands for itself, and
    /// all of them as a number.
    fn short_text(&mut self) -> Option<(&'j str, u64)> {
        let start = self.at + 1;
        let eight = self.json.as_bytes().get(start..)?.first_chunk()?;
        let bytes = u64::from_le_bytes(*eight);
        let length = special(bytes)?;
        if *eight.get(length)? != b'"' {
            return None;
        }
        let text = self.json.get(start..start + length)?;
        self.at = start + length + 1;
        Some((text, bytes & !(u64::MAX << (8 * length))))
    }

    /// A string that nobody asked for.
    fn skip_text(&mut self) -> Result<(), Unreadable> {
        self.take(b'"')?;
        loop {
            self.skip_plain();
            match self.byte() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                _ => return Err(Unreadable),
            }
        }
        self.at += 1;
        Ok(())
    }

    /// What stands in a string for itself: eight bytes at a time, as long as there are eight.
    fn skip_plain(&mut self) {
        let bytes = self.json.as_bytes();
        while let Some(eight) = bytes.get(self.at..).and_then(<[u8]>::first_chunk) {
            if let Some(length) = special(u64::from_le_bytes(*eight)) {
                self.at += length;
                return;
            }
            self.at += 8;
        }
        while self
            .byte()
            .is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..b' '))
        {
            self.at += 1;
        }
    }

    /// RFC 8259 §7, and no half of a surrogate pair, which no text has.
    fn escape(&mut self) -> Result<(), Unreadable> {
        let rest = self.json.as_bytes().get(self.at..).unwrap_or_default();
        self.at += match rest {
            [
                _,
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                ..,
            ] => 2,
            _ => match unit(rest) {
                Some(0xd800..0xdc00) => match rest.get(6..).and_then(unit) {
                    Some(0xdc00..0xe000) => 12,
                    _ => return Err(Unreadable),
                },
                Some(0xdc00..0xe000) | None => return Err(Unreadable),
                Some(_) => 6,
            },
        };
        Ok(())
    }

    /// A number of seconds.
    pub(super) fn number(&mut self) -> Result<Duration, Unreadable> {
        let first = self.peek();
        let start = self.at;
        let mut seconds = 0_u64;
        while let Some(digit @ b'0'..=b'9') = self.byte() {
            seconds = seconds.wrapping_mul(10).wrapping_add(u64::from(digit & 15));
            self.at += 1;
        }
        let few = match self.at - start {
            1 => true,
            // All that surely fit.
            digits => (2..20).contains(&digits) && first != Some(b'0'),
        };
        if few && !matches!(self.byte(), Some(b'+' | b'-' | b'.' | b'e' | b'E')) {
            return Ok(Duration::from_secs(seconds));
        }
        self.at = start;
        self.rare_number()
    }

    #[cold]
    fn rare_number(&mut self) -> Result<Duration, Unreadable> {
        let rest = self.json.get(self.at..).unwrap_or_default();
        let of_number = |c: char| matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E');
        let end = rest.find(|c| !of_number(c)).unwrap_or(rest.len());
        self.at += end;
        let number = rest.get(..end).ok_or(Unreadable)?;
        date::read(number).map_err(|_| Unreadable)
    }

    /// A value as it is written.
    #[cfg(feature = "jwks")]
    pub(super) fn raw(&mut self) -> Result<&'j serde_json::value::RawValue, Unreadable> {
        let rest = self.json.get(self.at..).unwrap_or_default();
        let mut values = serde_json::Deserializer::from_str(rest).into_iter();
        let Some(Ok(value)) = values.next() else {
            return Err(Unreadable);
        };
        self.at += values.byte_offset();
        Ok(value)
    }

    fn literal(&mut self, literal: &str) -> Result<(), Unreadable> {
        let rest = self.json.as_bytes().get(self.at..).unwrap_or_default();
        if !rest.starts_with(literal.as_bytes()) {
            return Err(Unreadable);
        }
        self.at += literal.len();
        Ok(())
    }

    fn take(&mut self, byte: u8) -> Result<(), Unreadable> {
        if self.peek() != Some(byte) {
            return Err(Unreadable);
        }
        self.at += 1;
        Ok(())
    }

    fn byte(&self) -> Option<u8> {
        self.json.as_bytes().get(self.at).copied()
    }
}

/// Which of eight bytes is the first one that is `"`, `\` or a control character.
fn special(bytes: u64) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let all = |byte: u8| ONES * u64::from(byte);
    // A subtraction borrows into the high bit of a byte that is too small for it, and from the
    // bytes above it, so that only the first one counts.
    let control = bytes.wrapping_sub(all(b' '));
    let quote = (bytes ^ all(b'"')).wrapping_sub(ONES);
    let escape = (bytes ^ all(b'\\')).wrapping_sub(ONES);
    let found = (control | quote | escape) & !bytes & all(0x80);
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

/// The UTF-16 code unit that stands here as `\u` and four digits.
fn unit(text: &[u8]) -> Option<u32> {
    let [b'\\', b'u', digits @ ..] = text.first_chunk::<6>()? else {
        return None;
    };
    let value = |unit, digit: &u8| Some(unit << 4 | char::from(*digit).to_digit(16)?);
    digits.iter().try_fold(0, value)
}
