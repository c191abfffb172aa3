use std::fmt;
use std::ops::Range;

use http::{HeaderValue, Uri};

use super::malformed;
use super::pairs::any;
use crate::Rejection;
use crate::credential::cookie_header::Found;

/// The longest accepted credential, in bytes, unless its carriers allow more.
pub const MAX_CREDENTIAL: usize = 8 * 1024;

/// The longest limit that carriers may have.
pub(super) const LONGEST: usize = 16 * 1024;

pub(super) const TOO_LONG: &str =
    "the credential is longer than its carrier allows (8 KiB by default)";

/// A presented credential: text that no `Debug` prints.
///
/// It keeps the URI or the header that it came in, so that nothing is copied.
#[derive(Clone)]
pub struct Credential {
    text: Text,
    carrier: &'static str,
}

#[derive(Clone)]
enum Text {
    Query(Uri, Range<usize>),
    Header(HeaderValue, Range<usize>),
    Owned(String),
}

impl Credential {
    /// The text: 1 to [`MAX_CREDENTIAL`] bytes of the b64token alphabet, or as many as its carriers
    /// allow.
    pub fn as_str(&self) -> &str {
        // Checked when it was made; an empty credential passes no strategy.
        match &self.text {
            Text::Query(uri, at) => uri.query().and_then(|query| query.get(at.clone())),
            Text::Header(..) => str::from_utf8(self.as_bytes()).ok(),
            Text::Owned(text) => Some(text.as_str()),
        }
        .unwrap_or_default()
    }

    /// Its length in bytes.
    pub(super) fn len(&self) -> usize {
        self.as_bytes().len()
    }

    fn as_bytes(&self) -> &[u8] {
        let (all, at) = match &self.text {
            Text::Query(uri, at) => (uri.query().unwrap_or_default().as_bytes(), at),
            Text::Header(value, at) => (value.as_bytes(), at),
            Text::Owned(text) => return text.as_bytes(),
        };
        all.get(at.clone()).unwrap_or_default()
    }

    /// The carrier: `query`, `header`, `subprotocol`, `message` or `cookie`.
    pub fn carrier(&self) -> &'static str {
        self.carrier
    }

    /// Whether the browser sent it by itself, for any page.
    pub fn is_ambient(&self) -> bool {
        self.carrier == COOKIE
    }

    pub(super) fn in_query(uri: Uri, range: Range<usize>) -> Result<Self, Rejection> {
        Self {
            text: Text::Query(uri, range),
            carrier: "query",
        }
        .checked()
    }

    /// One that [`needs_no_decoding`], in a query of no more than the longest credential.
    pub(super) fn plain_in_query(uri: Uri, range: Range<usize>) -> Self {
        Self {
            text: Text::Query(uri, range),
            carrier: "query",
        }
    }

    pub(super) fn decoded_query(text: String) -> Result<Self, Rejection> {
        Self {
            text: Text::Owned(text),
            carrier: "query",
        }
        .checked()
    }

    pub(super) fn in_header(value: HeaderValue, range: Range<usize>) -> Result<Self, Rejection> {
        Self {
            text: Text::Header(value, range),
            carrier: "header",
        }
        .checked()
    }

    pub(super) fn in_subprotocol(text: String) -> Result<Self, Rejection> {
        Self {
            text: Text::Owned(text),
            carrier: "subprotocol",
        }
        .checked()
    }

    pub(super) fn in_message(text: String) -> Result<Self, Rejection> {
        Self {
            text: Text::Owned(text),
            carrier: "message",
        }
        .checked()
    }

    pub(super) fn in_cookie(found: Found) -> Result<Self, Rejection> {
        let (line, at) = found.into_parts();
        Self {
            text: Text::Header(line, at),
            carrier: COOKIE,
        }
        .checked()
    }

    fn checked(self) -> Result<Self, Rejection> {
        let text = self.as_bytes();
        if text.is_empty() {
            return Err(malformed("the credential is empty"));
        }
        if text.len() > LONGEST {
            return Err(malformed(TOO_LONG));
        }
        if !is_b64token(text) {
            return Err(malformed(
                "the credential has a character outside the b64token alphabet",
            ));
        }
        Ok(self)
    }
}

const COOKIE: &str = "cookie";

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({}, redacted)", self.carrier)
    }
}

/// RFC 6750 §2.1: `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
#[expect(
    clippy::needless_bitwise_bool,
    reason = "without branches the compiler looks at sixteen bytes at a time"
)]
fn is_b64token(text: &[u8]) -> bool {
    let padding = text.iter().rev().take_while(|&&b| b == b'=').count();
    let body = &text[..text.len() - padding];
    let is_stray = |b: u8| is_rare(b) & (b != b'~') & (b != b'+');
    needs_no_decoding(body) || !body.is_empty() && !any(body, is_stray)
}

/// Whether it has only letters, digits and `-._/`, as most credentials have. They mean the same
/// wherever they stand in a URI.
pub(super) fn needs_no_decoding(text: &[u8]) -> bool {
    !text.is_empty() && !any(text, is_rare)
}

#[expect(
    clippy::needless_bitwise_bool,
    reason = "without branches the compiler looks at sixteen bytes at a time"
)]
fn is_rare(b: u8) -> bool {
    let letter = (b | 0x20).wrapping_sub(b'a') < 26;
    // `-`, `.` and `/` stand right before the digits.
    let digit_or_mark = b.wrapping_sub(b'-') <= b'9' - b'-';
    !(letter | digit_or_mark | (b == b'_'))
}
