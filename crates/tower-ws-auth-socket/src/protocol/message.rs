//! Messages with places for what is known only when they are sent.

use std::fmt::Write;

use crate::frame::{write_binary, write_text};
use crate::protocol::ClientProtocolError;

/// A message that a refused or an ended client is sent.
///
/// A text may hold places in `${…}`: `${reason}`, the public reason; `${code}`, the close code;
/// `${retry_after}`, whole seconds or `null`; `${random}`, sixteen hexadecimal digits; and the
/// names that a [`Pattern`](crate::protocol::Pattern) has captured before. What stands there is
/// escaped as in a JSON string, and bounded.
///
/// ```
/// use tower_ws_auth_socket::protocol::{ClientProtocol, Message, Refusal, Script};
///
/// let error = Message::text(r#"{"error":"${reason}"}"#);
/// let script = Script::new().send(error);
/// assert!(ClientProtocol::builder("acme").refusals(move |_| script.clone().into()).build().is_ok());
///
/// // A place that nothing fills is an error here, not in a request.
/// let script = Script::new().send(Message::text("${topic}"));
/// let protocol = ClientProtocol::builder("acme").refusals(move |_| Refusal::Script(script.clone()));
/// let error = protocol.build().unwrap_err();
/// assert_eq!(error.to_string(), "message \"${topic}\": nothing has captured `topic` before it");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Text(String),
    TextInBinary(String),
    Binary(Vec<u8>),
}

impl Message {
    /// The longest message, in bytes, before anything is put into its places.
    pub const MAX: usize = 4096;

    /// A text message.
    pub fn text(template: impl Into<String>) -> Self {
        Self(Kind::Text(template.into()))
    }

    /// A text with places in a binary message, for protocols of bytes such as NATS.
    pub fn text_in_binary(template: impl Into<String>) -> Self {
        Self(Kind::TextInBinary(template.into()))
    }

    /// A binary message, which has no places.
    pub fn binary(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Kind::Binary(bytes.into()))
    }

    /// With its places found, given what has been captured before.
    pub(crate) fn compile(
        &self,
        captured: &[&'static str],
    ) -> Result<Template, ClientProtocolError> {
        let length = match &self.0 {
            Kind::Text(text) | Kind::TextInBinary(text) => text.len(),
            Kind::Binary(bytes) => bytes.len(),
        };
        if length > Self::MAX {
            return Err(ClientProtocolError::LongMessage(length));
        }
        match &self.0 {
            Kind::Binary(bytes) => Ok(Template::Binary(bytes.clone())),
            Kind::Text(text) => places(text, captured).map(Template::Text),
            Kind::TextInBinary(text) => places(text, captured).map(Template::TextInBinary),
        }
    }
}

/// A message that is ready to be filled.
#[derive(Debug)]
pub(crate) enum Template {
    Text(Vec<Part>),
    TextInBinary(Vec<Part>),
    Binary(Vec<u8>),
}

#[derive(Clone, Debug)]
pub(crate) enum Part {
    Literal(String),
    Reason,
    Code,
    RetryAfter,
    Random,
    Captured(usize),
}

pub(crate) fn places(
    text: &str,
    captured: &[&'static str],
) -> Result<Vec<Part>, ClientProtocolError> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((literal, after)) = rest.split_once("${") {
        let open = || ClientProtocolError::OpenPlace(text.to_owned());
        let (name, behind) = after.split_once('}').ok_or_else(open)?;
        if !literal.is_empty() {
            parts.push(Part::Literal(literal.to_owned()));
        }
        parts.push(match name {
            "reason" => Part::Reason,
            "code" => Part::Code,
            "retry_after" => Part::RetryAfter,
            "random" => Part::Random,
            name => {
                let place = captured.iter().position(|captured| *captured == name);
                Part::Captured(place.ok_or_else(|| ClientProtocolError::UnknownPlace {
                    message: text.to_owned(),
                    name: name.to_owned(),
                })?)
            }
        });
        rest = behind;
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest.to_owned()));
    }
    Ok(parts)
}

/// What stands in the places of a message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    pub(crate) reason: String,
    pub(crate) code: u16,
    pub(crate) retry_after: Option<u64>,
    /// By the script's list of names.
    pub(crate) captured: Vec<String>,
}

impl Template {
    /// Appends the frame.
    pub(crate) fn write(&self, values: &Values, frames: &mut Vec<u8>) {
        match self {
            Self::Binary(bytes) => write_binary(bytes, frames),
            Self::Text(parts) => write_text(&fill(parts, values), frames),
            Self::TextInBinary(parts) => write_binary(fill(parts, values).as_bytes(), frames),
        }
    }
}

/// The text with its places filled.
pub(crate) fn fill(parts: &[Part], values: &Values) -> String {
    let mut text = String::new();
    for part in parts {
        part.write(values, &mut text);
    }
    text
}

impl Part {
    fn write(&self, values: &Values, text: &mut String) {
        let written = match self {
            Self::Literal(literal) => write!(text, "{literal}"),
            Self::Reason => {
                escape(&values.reason, text);
                Ok(())
            }
            Self::Code => write!(text, "{}", values.code),
            Self::RetryAfter => match values.retry_after {
                Some(seconds) => write!(text, "{seconds}"),
                None => write!(text, "null"),
            },
            Self::Random => write!(text, "{:016x}", random()),
            // Checked and escaped where it was captured.
            Self::Captured(place) => {
                let value = values.captured.get(*place).map_or("", String::as_str);
                write!(text, "{value}")
            }
        };
        // A `String` takes everything.
        debug_assert!(written.is_ok());
    }
}

/// Escapes what stands in a JSON string (RFC 8259 §7).
pub(crate) fn escape(value: &str, text: &mut String) {
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            control if u32::from(control) < 0x20 => {
                let written = write!(text, "\\u{:04x}", u32::from(control));
                // A `String` takes everything.
                debug_assert!(written.is_ok());
            }
            other => text.push(other),
        }
    }
}

/// Names a session that nobody resumes: it has to differ, and need not be secret.
fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};

    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(message: &Message, names: &[&'static str], values: &Values) -> String {
        let mut frames = Vec::new();
        message.compile(names).unwrap().write(values, &mut frames);
        String::from_utf8(frames[2..].to_vec()).unwrap()
    }

    #[test]
    fn places_are_filled_and_what_stands_there_is_escaped() {
        let values = Values {
            reason: "a\"b\\c\u{1}\n".to_owned(),
            code: 4401,
            retry_after: Some(3),
            captured: vec!["/admin,".to_owned()],
        };
        let message = Message::text(r#"44${ns}{"m":"${reason}","c":${code},"r":${retry_after}}"#);
        assert_eq!(
            written(&message, &["ns"], &values),
            r#"44/admin,{"m":"a\"b\\c\u0001\n","c":4401,"r":3}"#
        );
        let none = Values::default();
        let message = Message::text("${retry_after} $x {y}");
        assert_eq!(written(&message, &[], &none), "null $x {y}");
    }

    #[test]
    fn a_text_may_be_in_a_binary_message() {
        let values = Values {
            reason: "why".to_owned(),
            ..Values::default()
        };
        let mut frames = Vec::new();
        let message = Message::text_in_binary("-ERR '${reason}'\r\n");
        message.compile(&[]).unwrap().write(&values, &mut frames);
        assert_eq!(frames[0], 0x82);
        assert_eq!(frames[2..], *b"-ERR 'why'\r\n");
    }

    #[test]
    fn a_random_place_differs_each_time() {
        let message = Message::text("${random}");
        let one = written(&message, &[], &Values::default());
        assert_eq!(one.len(), 16);
        assert_ne!(one, written(&message, &[], &Values::default()));
    }

    #[test]
    fn bad_templates_are_errors() {
        for (message, error) in [
            (Message::text("${"), "message \"${\": a place has no `}`"),
            (
                Message::text("${Reason}"),
                "message \"${Reason}\": nothing has captured `Reason` before it",
            ),
            (
                Message::binary(vec![0; Message::MAX + 1]),
                "a message of 4097 bytes is too long: use at most 4096",
            ),
        ] {
            assert_eq!(message.compile(&[]).unwrap_err().to_string(), error);
        }
    }
}
