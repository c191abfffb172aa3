use std::fmt;

pub(super) type Own = dyn Fn(&str) -> Option<FirstMessage> + Send + Sync;

/// What a closure has read from a first message.
#[derive(Clone)]
pub struct FirstMessage {
    pub(super) credential: Option<String>,
}

impl FirstMessage {
    /// A message with this credential.
    pub fn with_credential(credential: impl Into<String>) -> Self {
        Self {
            credential: Some(credential.into()),
        }
    }

    /// A message without one. The strategy decides, as about a handshake without one.
    pub const fn without_credential() -> Self {
        Self { credential: None }
    }
}

impl<T: Into<String>> From<T> for FirstMessage {
    fn from(credential: T) -> Self {
        Self::with_credential(credential)
    }
}

impl fmt::Debug for FirstMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FirstMessage(redacted)")
    }
}
