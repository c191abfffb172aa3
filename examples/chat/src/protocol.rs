//! What is said on an open socket, as JSON text messages.

use serde::{Deserialize, Serialize};

/// The longest name of a channel and the longest text, in bytes.
pub(crate) const MAX_NAME: usize = 64;
const MAX_TEXT: usize = 4096;

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
    /// A fixed token that says what was wrong with the message.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let message: Self = serde_json::from_str(text).map_err(|_| "message_invalid")?;
        match &message {
            Self::Join { channel, .. } | Self::Say { channel, .. } if channel.len() > MAX_NAME => {
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

/// What it takes to join a channel.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Open,
    /// A ticket that was minted for this channel.
    Ticket,
    Closed,
}

/// Who may join what: `lobby` and `room-*` everybody, `private-<user>` that user, `ticket-*`
/// whoever has a ticket for it.
pub(crate) fn door(user: &str, channel: &str) -> Door {
    let named = |prefix| {
        channel
            .strip_prefix(prefix)
            .is_some_and(|name: &str| !name.is_empty())
    };
    let own = channel
        .strip_prefix("private-")
        .filter(|name| !name.is_empty())
        == Some(user);
    if channel == "lobby" || named("room-") || own {
        Door::Open
    } else if named("ticket-") {
        Door::Ticket
    } else {
        Door::Closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lobby_and_rooms_are_for_everybody_and_a_private_channel_for_its_user() {
        for open in ["lobby", "room-1", "room-x-y", "private-ada"] {
            assert_eq!(door("ada", open), Door::Open, "{open}");
        }
        assert_eq!(door("", "private-"), Door::Closed);
        assert_eq!(door("ada", "ticket-1"), Door::Ticket);
        for closed in [
            "",
            "Lobby",
            "room-",
            "room",
            "private-eve",
            "private-",
            "ticket-",
            "x",
        ] {
            assert_eq!(door("ada", closed), Door::Closed, "{closed}");
        }
    }

    #[test]
    fn what_is_not_a_message_is_named_by_a_fixed_token() {
        let long = format!(
            r#"{{"type":"say","channel":"lobby","text":"{}"}}"#,
            "x".repeat(5000)
        );
        for (text, token) in [
            ("", "message_invalid"),
            ("[]", "message_invalid"),
            (r#"{"type":"shout"}"#, "message_invalid"),
            (r#"{"type":"say","channel":"lobby"}"#, "message_invalid"),
            (long.as_str(), "text_too_long"),
        ] {
            assert_eq!(FromClient::parse(text).unwrap_err(), token);
        }
    }
}
