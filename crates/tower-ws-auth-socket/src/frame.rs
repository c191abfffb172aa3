//! Frames as a server sends them (RFC 6455 §5): unmasked, one fragment, no extension.
//!
//! The types carry the limits, so that encoding cannot fail.

use std::borrow::Cow;
use std::fmt;

use http::StatusCode;

pub(crate) mod messages;
pub(crate) mod scanner;

/// A close code that an endpoint may send (RFC 6455 §7.4): 1000–1003, 1007–1014 and 3000–4999.
///
/// 1005, 1006 and 1015 are reserved for what an endpoint reports to itself; 1004 and 1016–2999
/// have no meaning yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the server goes down.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1008: a message violates the server's policy.
    pub const POLICY: Self = Self(1008);

    /// A code by its number.
    ///
    /// # Errors
    ///
    /// A number that may not be sent.
    pub const fn new(code: u16) -> Result<Self, CloseCodeError> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Ok(Self(code)),
            _ => Err(CloseCodeError(code)),
        }
    }

    /// 4000 + an HTTP status, such as 4401.
    pub fn from_status(status: StatusCode) -> Self {
        // `StatusCode` is 100 to 999.
        Self(4000 + status.as_u16())
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Whether every browser shows this code to its page: WebKit reports 1012, 1013 and 1014 as
    /// 1006.
    pub const fn is_portable(self) -> bool {
        !matches!(self.0, 1012..=1014)
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A close code that may not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "close code {0} may not be sent: use 1000-1003, 1007-1014 or, for an application, 3000-4999"
)]
pub struct CloseCodeError(u16);

/// The reason in a close frame: at most 123 bytes of UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(Cow<'static, str>);

impl Reason {
    /// The longest reason, in bytes.
    pub const MAX: usize = 123;

    /// A reason; a longer text is cut after the last character that fits.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        let text = text.into();
        let end = (0..=Self::MAX.min(text.len()))
            .rev()
            .find(|&end| text.is_char_boundary(end))
            .unwrap_or_default();
        Self(match text {
            Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
            Cow::Owned(mut text) => {
                text.truncate(end);
                Cow::Owned(text)
            }
        })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A close frame: a code and a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    code: CloseCode,
    reason: Reason,
}

impl Close {
    /// A close frame; a reason of more than 123 bytes is cut after the last character that fits.
    pub fn new(code: CloseCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            reason: Reason::new(reason),
        }
    }

    /// The code.
    pub fn code(&self) -> CloseCode {
        self.code
    }

    /// The reason.
    pub fn reason(&self) -> &str {
        self.reason.as_str()
    }

    /// The frame, at most 127 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(4 + self.reason().len());
        self.write_to(&mut bytes);
        bytes
    }

    /// Appends the frame.
    pub(crate) fn write_to(&self, bytes: &mut Vec<u8>) {
        begin(FIN_CLOSE, self.payload_length(), bytes);
        self.write_payload(bytes);
    }

    /// The frame as a client would send it. The mask is zero: it protects proxies, and this frame
    /// meets none.
    pub(crate) fn to_masked_bytes(&self) -> Vec<u8> {
        const MASKED: u8 = 0x80;
        let mut bytes = Vec::with_capacity(8 + self.reason().len());
        begin(FIN_CLOSE, self.payload_length(), &mut bytes);
        bytes[1] |= MASKED;
        bytes.extend_from_slice(&[0; 4]);
        self.write_payload(&mut bytes);
        bytes
    }

    fn payload_length(&self) -> usize {
        2 + self.reason().len()
    }

    fn write_payload(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.code.get().to_be_bytes());
        bytes.extend_from_slice(self.reason().as_bytes());
    }
}

const FIN_CLOSE: u8 = 0x88;

/// Appends a text frame.
pub fn write_text(text: &str, bytes: &mut Vec<u8>) {
    const FIN_TEXT: u8 = 0x81;
    begin(FIN_TEXT, text.len(), bytes);
    bytes.extend_from_slice(text.as_bytes());
}

/// Appends a binary frame.
pub(crate) fn write_binary(payload: &[u8], bytes: &mut Vec<u8>) {
    const FIN_BINARY: u8 = 0x82;
    begin(FIN_BINARY, payload.len(), bytes);
    bytes.extend_from_slice(payload);
}

fn begin(first: u8, length: usize, bytes: &mut Vec<u8>) {
    bytes.push(first);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => bytes.push(short),
        (_, Ok(medium)) => {
            bytes.push(126);
            bytes.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            bytes.push(127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod frames_rfc6455_5 {
    use super::*;

    #[test]
    fn a_close_frame_is_final_unmasked_and_holds_code_and_reason() {
        let close = Close::new(CloseCode::new(4401).unwrap(), "token_expired");
        assert_eq!(close.to_bytes(), b"\x88\x0f\x11\x31token_expired");
        assert_eq!(
            close.to_masked_bytes(),
            b"\x88\x8f\0\0\0\0\x11\x31token_expired"
        );
        let silent = Close::new(CloseCode::NORMAL, "");
        assert_eq!(silent.to_bytes(), b"\x88\x02\x03\xe8");
    }

    #[test]
    fn a_reason_is_cut_at_a_character_so_that_a_control_frame_stays_within_125_bytes() {
        for (text, kept) in [
            ("x".repeat(200), 123),
            ("é".repeat(100), 122),
            ("€".repeat(60), 123),
        ] {
            let close = Close::new(CloseCode::NORMAL, text);
            assert_eq!(close.reason().len(), kept);
            assert!(close.to_bytes().len() <= 127);
        }
        assert_eq!(Reason::new("🦀".repeat(31)).as_str().len(), 120);
    }

    #[test]
    fn lengths_are_written_in_the_shortest_form() {
        for (length, head) in [
            (125, &b"\x81\x7d"[..]),
            (126, b"\x81\x7e\x00\x7e"),
            (65_535, b"\x81\x7e\xff\xff"),
            (65_536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
        ] {
            let mut bytes = Vec::new();
            write_text(&"x".repeat(length), &mut bytes);
            assert!(bytes.starts_with(head), "{length}");
            assert_eq!(bytes.len(), head.len() + length);
        }
    }

    #[test]
    fn codes_that_nobody_may_send_cannot_be_made() {
        for bad in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
            assert_eq!(CloseCode::new(bad), Err(CloseCodeError(bad)));
        }
        for good in [1000, 1003, 1007, 1014, 3000, 4401, 4999] {
            assert_eq!(CloseCode::new(good).unwrap().get(), good);
        }
        assert!(!CloseCode::new(1013).unwrap().is_portable());
    }

    #[test]
    fn every_http_status_has_a_code() {
        for status in 100..=999 {
            let code = CloseCode::from_status(StatusCode::from_u16(status).unwrap());
            assert_eq!(CloseCode::new(code.get()), Ok(code));
        }
    }
}
