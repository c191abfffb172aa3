//! The grammar of the handshake's fields.

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::credential::Offered;

/// The value of a field that occurs exactly once.
pub(super) fn sole<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    // No field is repeated: the usual head.
    if headers.keys_len() == headers.len() {
        return headers.get(name);
    }
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// The elements of a comma-separated field over all its lines (RFC 9110 §5.6.1). A line that is not
/// visible ASCII has none.
pub(crate) fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(|element| element.trim_matches([' ', '\t']))
        .filter(|element| !element.is_empty())
}

/// Leaves this one of the offered subprotocols, for a service that is called once the handshake was
/// answered. A strategy further in still finds the credential that the list carries.
pub fn keep_subprotocol(head: &mut Parts, kept: Option<&str>) {
    Offered::put_aside(head, kept.map(str::to_owned));
}

/// Whether [`list`] has this element, in any case. `token` must be in lower case.
pub(crate) fn lists(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let mut lines = headers.get_all(name).iter();
    lines.any(|line| line_lists(line, token))
}

/// What Firefox sends before `Upgrade`.
const KEEP_ALIVE: &[u8] = b"keep-alive, ";

pub(super) fn line_lists(line: &HeaderValue, token: &str) -> bool {
    let same = |(a, b): (&u8, &u8)| a | 0x20 == *b;
    let is_ours = |element: &[u8]| {
        element.len() == token.len() && element.iter().zip(token.as_bytes()).all(same)
    };
    // `Upgrade`, `upgrade` or `websocket`, as clients write them.
    let is_usual = |element: &[u8]| match (element, token.as_bytes()) {
        ([first, rest @ ..], [first_of_token, rest_of_token @ ..]) => {
            first | 0x20 == *first_of_token && rest == rest_of_token
        }
        _ => false,
    };
    let bytes = line.as_bytes();
    // The only value, or the one behind `keep-alive`.
    if is_usual(bytes.strip_prefix(KEEP_ALIVE).unwrap_or(bytes)) {
        return true;
    }
    // Or one in a line that `list` reads.
    let mut elements = bytes.split(|&b| b == b',').map(<[u8]>::trim_ascii);
    elements.any(is_ours) && line.to_str().is_ok()
}

/// Whether this is a `token` (RFC 9110 §5.6.2).
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// 16 bytes in canonical base64 (RFC 4648 §4): 21 characters of six bits, one with four zero bits,
/// and the padding.
#[expect(
    clippy::needless_bitwise_bool,
    reason = "without branches the compiler looks at all of them at once"
)]
pub(super) fn is_key(key: &[u8]) -> bool {
    let Ok([body @ .., last, b'=', b'=']) = <&[u8; 24]>::try_from(key) else {
        return false;
    };
    let stray = |b: u8| {
        let letter = (b | 0x20).wrapping_sub(b'a') < 26;
        let digit = b.wrapping_sub(b'0') < 10;
        !(letter | digit | (b == b'+') | (b == b'/'))
    };
    let body: &[u8; 21] = body;
    matches!(last, b'A' | b'Q' | b'g' | b'w') && !body.iter().fold(false, |any, &b| any | stray(b))
}
