//! The request's `Cookie` field: reads one cookie and removes it.
//!
//! Read as Express reads it: pairs end at `;`, SP and HTAB around names and values do not count,
//! one pair of quotes is stripped, and the first of two equal names wins. Nothing is decoded, and
//! never a name: `%73id` is not `sid`.
//!
//! By hand, because the crate `cookie` trims Unicode space, so that a disguised `__Host-` name
//! passes, and cannot leave one cookie out of the field.
//!
//! ```
//! use http::HeaderMap;
//! use tower_ws_auth_core::private::cookie;
//!
//! let mut headers = HeaderMap::new();
//! headers.insert("cookie", "theme=dark; sid=abc".parse()?);
//! let found = cookie::take(&mut headers, "sid").expect("there is one");
//! assert_eq!(found.value(), b"abc");
//! assert_eq!(headers["cookie"], "theme=dark");
//! assert!(cookie::take(&mut headers, "SID").is_none());
//! # Ok::<(), http::header::InvalidHeaderValue>(())
//! ```

use std::borrow::Borrow;
use std::fmt;
use std::mem;
use std::ops::Range;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

/// A cookie's value, inside the line that it came in. Nothing is copied.
pub struct Found<V = HeaderValue> {
    line: V,
    at: Range<usize>,
    repeated: bool,
}

impl<V: Borrow<HeaderValue>> Found<V> {
    /// The value, without the blanks and quotes around it.
    pub fn value(&self) -> &[u8] {
        let line = self.line.borrow().as_bytes();
        line.get(self.at.clone()).unwrap_or_default()
    }

    /// Whether there are several cookies of this name.
    pub fn is_repeated(&self) -> bool {
        self.repeated
    }
}

impl Found {
    /// The line, and the value's position in it.
    pub(crate) fn into_parts(self) -> (HeaderValue, Range<usize>) {
        (self.line, self.at)
    }
}

impl<V> fmt::Debug for Found<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Found(redacted)")
    }
}

/// The first cookie of this name. The field may be split over several lines (RFC 9113 §8.2.3).
pub fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<Found<&'a HeaderValue>> {
    let mut found: Option<Found<&HeaderValue>> = None;
    for line in headers.get_all(COOKIE) {
        for pair in pairs(line.as_bytes()) {
            let Some(at) = value_of(line.as_bytes(), pair, name) else {
                continue;
            };
            if let Some(first) = &mut found {
                first.repeated = true;
                return found;
            }
            let repeated = false;
            found = Some(Found { line, at, repeated });
        }
    }
    found
}

/// Removes every cookie of this name. The others stay as they were written.
pub fn take(headers: &mut HeaderMap, name: &str) -> Option<Found> {
    let Found { line, at, repeated } = find(headers, name)?;
    let is_sole_line = headers.get_all(COOKIE).iter().nth(1).is_none();
    if is_sole_line
        && !repeated
        && let Some(others) = before_the_last(line.as_bytes(), &at)
    {
        let line = match kept(HeaderValue::from_bytes(others)) {
            Some(others) => mem::replace(headers.get_mut(COOKIE)?, others),
            None => headers.remove(COOKIE)?,
        };
        return Some(Found { line, at, repeated });
    }
    let in_first_line = headers
        .get(COOKIE)
        .is_some_and(|first| std::ptr::eq(first, line));
    let later_line = (!in_first_line).then(|| line.clone());
    let rest = without(headers, name);
    let first_line = headers.remove(COOKIE);
    if let Some(rest) = rest {
        headers.insert(COOKIE, rest);
    }
    let line = later_line.or(first_line)?;
    Some(Found { line, at, repeated })
}

/// The other cookies, in one line.
fn without(headers: &HeaderMap, name: &str) -> Option<HeaderValue> {
    let mut kept = Vec::new();
    for line in headers.get_all(COOKIE) {
        let line = line.as_bytes();
        for pair in pairs(line) {
            if pair.is_empty() || value_of(line, pair.clone(), name).is_some() {
                continue;
            }
            if !kept.is_empty() {
                kept.extend_from_slice(b"; ");
            }
            kept.extend_from_slice(&line[pair]);
        }
    }
    self::kept(HeaderValue::try_from(kept))
}

/// What stands before the cookie with this value, if that is the line's last one.
fn before_the_last<'a>(line: &'a [u8], value: &Range<usize>) -> Option<&'a [u8]> {
    if line.get(value.end..)?.contains(&b';') {
        return None;
    }
    let end = line.get(..value.start)?.iter().rposition(|&b| b == b';');
    let others = &line[..end.unwrap_or_default()];
    let ends = |b: &u8| matches!(b, b';' | b' ' | b'\t');
    let start = others.iter().take_while(|b| ends(b)).count();
    let after = others.iter().rev().take_while(|b| ends(b)).count();
    Some(others.get(start..others.len() - after).unwrap_or_default())
}

/// The line of the other cookies, unless there are none.
fn kept<E>(line: Result<HeaderValue, E>) -> Option<HeaderValue> {
    let mut line = line.ok().filter(|line| !line.is_empty())?;
    line.set_sensitive(true);
    Some(line)
}

fn pairs(line: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut next = 0;
    line.split(|&b| b == b';').map(move |pair| {
        let start = next;
        next += pair.len() + 1;
        trim(line, start..start + pair.len())
    })
}

fn value_of(line: &[u8], pair: Range<usize>, name: &str) -> Option<Range<usize>> {
    if !line[pair.clone()].starts_with(name.as_bytes()) {
        return None;
    }
    let equals = pair.start + line[pair.clone()].iter().position(|&b| b == b'=')?;
    if line[trim(line, pair.start..equals)] != *name.as_bytes() {
        return None;
    }
    let value = trim(line, equals + 1..pair.end);
    Some(match line[value.clone()] {
        [b'"', .., b'"'] => value.start + 1..value.end - 1,
        _ => value,
    })
}

/// Trims SP and HTAB only. With Unicode's white space `\u{2000}__Host-x` would pass for `__Host-x`.
fn trim(line: &[u8], at: Range<usize>) -> Range<usize> {
    let blank = |b: &&u8| matches!(b, b' ' | b'\t');
    let start = at.start + line[at.clone()].iter().take_while(blank).count();
    let end = at.end - line[start..at.end].iter().rev().take_while(blank).count();
    start..end
}

#[cfg(test)]
mod cookie_rfc6265_4_2 {
    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        headers
    }

    fn take_from(lines: &[&str]) -> (Option<String>, Option<String>) {
        let mut headers = headers(lines);
        let text = |bytes: &[u8]| String::from_utf8(bytes.into()).unwrap();
        let found = take(&mut headers, "sid").map(|found| text(found.value()));
        let left = headers.get(COOKIE).map(|left| {
            assert!(left.is_sensitive() || found.is_none());
            text(left.as_bytes())
        });
        (found, left)
    }

    #[test]
    fn the_pair_is_taken_and_the_others_stay_as_they_were_written() {
        for (lines, value, left) in [
            (&["sid=x"][..], "x", None),
            (&["a=1; sid=x ; b=\"2\""], "x", Some("a=1; b=\"2\"")),
            (&["a=1;sid=x;;b"], "x", Some("a=1; b")),
            (&["\tsid\t= x\t"], "x", None),
            (&["sid=a=b="], "a=b=", None),
            (&[" ; ;sid=x; "], "x", None),
            (&["a=1;b=2; sid=x"], "x", Some("a=1;b=2")),
            (&[" a=1; ;sid=\"x\" "], "x", Some("a=1")),
            (&["sid="], "", None),
            (&["sid=\""], "\"", None),
            (&["sid=\"x\"; c=\u{e9}"], "x", Some("c=\u{e9}")),
            (&["sid=\"\"x\"\""], "\"x\"", None),
        ] {
            let expected = (Some(value.to_owned()), left.map(str::to_owned));
            assert_eq!(take_from(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn several_fields_are_one_as_http2_may_send_them() {
        assert_eq!(
            take_from(&["a=1", "sid=x", "b=2; c=3"]),
            (Some("x".into()), Some("a=1; b=2; c=3".into()))
        );
    }

    #[test]
    fn names_are_compared_exactly_and_never_decoded_or_trimmed_of_more_than_blanks() {
        for other in [
            "SID=x",
            "%73id=x",
            "\u{2000}sid=x",
            "sid\u{a0}=x",
            "xsid=x",
            "sid",
            "a=sid=x",
            "",
            ";",
        ] {
            assert_eq!(take_from(&[other]), (None, Some(other.into())), "{other}");
        }
        assert_eq!(take_from(&[]), (None, None));
    }

    #[test]
    fn the_first_of_two_wins_even_if_it_is_empty_and_both_are_removed() {
        for (lines, first) in [
            (&["sid=a; x=1; sid=b; sid=c"][..], "a"),
            (&["sid=; sid=b; x=1"], ""),
            (&["sid=a", "x=1", "sid=b"], "a"),
        ] {
            assert!(find(&headers(lines), "sid").unwrap().is_repeated());
            assert_eq!(take_from(lines), (Some(first.into()), Some("x=1".into())));
        }
        assert!(!find(&headers(&["sid=a"]), "sid").unwrap().is_repeated());
    }

    #[test]
    fn the_crate_cookie_finds_the_same_first_one() {
        proptest::proptest!(|(line in "(sid|SID|a|=|;|; | |\t|\"|x|%73|,|sid=|; sid=){0,12}")| {
            let mut all = cookie::Cookie::split_parse(line.as_str()).flatten();
            let theirs = all.find(|cookie| cookie.name() == "sid");
            let expected = theirs.map(|cookie| cookie.value_trimmed().to_owned());
            assert_eq!(take_from(&[line.as_str()]).0, expected, "{line:?}");
        });
    }
}
