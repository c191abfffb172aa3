//! The messages on an open socket, as JSON text.

use serde::{Deserialize, Serialize};

/// The longest name of a channel and the longest text, in bytes. A private channel's name is longer
/// for a long user name, which a token may have.
pub(crate) const MAX_NAME: usize = 64;
pub(crate) const MAX_PRIVATE_NAME: usize = 8192;
const MAX_TEXT: usize = 4096;

/// Reads a JSON object only: serde accepts an array for one too.
pub(crate) fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    let is_object = json.trim_ascii_start().starts_with(b"{");
    is_object.then(|| serde_json::from_slice(json).ok())?
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum FromClient {
    Join {
        channel: String,
        auth: Option<String>,
    },
    Say {
        channel: String,
        text: String,
    },
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum FromServer<'a> {
    Welcome {
        user: &'a str,
        via: &'a str,
        expires_at: Option<i64>,
        /// By which `POST /ws/renew` names the connection.
        connection: &'a str,
    },
    Joined {
        channel: &'a str,
    },
    Denied {
        channel: &'a str,
        reason: &'a str,
    },
    Message {
        channel: &'a str,
        user: &'a str,
        text: &'a str,
    },
    Error {
        reason: &'a str,
    },
}

impl FromClient {
    /// # Errors
    ///
    /// A fixed text that names the fault of the message.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let message: Self = object(text.as_bytes()).ok_or("message_invalid")?;
        match &message {
            Self::Join { channel, .. } | Self::Say { channel, .. }
                if channel.len() > MAX_PRIVATE_NAME =>
            {
                Err("channel_too_long")
            }
            Self::Say { text, .. } if text.len() > MAX_TEXT => Err("text_too_long"),
            _ => Ok(message),
        }
    }
}

impl FromServer<'_> {
    pub(crate) fn to_json(&self) -> String {
        // Strings and numbers always serialize.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_message_is_named_by_a_fixed_token() {
        let long = format!(
            r#"{{"type":"say","channel":"lobby","text":"{}"}}"#,
            "x".repeat(5000)
        );
        for (text, token) in [
            ("", "message_invalid"),
            ("[]", "message_invalid"),
            (r#"["join","lobby",null]"#, "message_invalid"),
            (r#"["say","lobby","hi"]"#, "message_invalid"),
            (r#"{"type":"shout"}"#, "message_invalid"),
            (r#"{"type":"say","channel":"lobby"}"#, "message_invalid"),
            (long.as_str(), "text_too_long"),
        ] {
            assert_eq!(FromClient::parse(text).unwrap_err(), token);
        }
    }
}
