use std::fmt;

use crate::Evidence;

/// A request to join a channel, on an open socket.
///
/// The application makes one from each such message. `identity` is the one that the handshake
/// authenticated: an `Authenticated<User>`, or the value in it. `message` is the rest of the
/// message, for the policies or the inner service. Pass the credential to
/// [`with_credential`](Self::with_credential) and nowhere else. There it is not printed and does
/// not reach the inner service.
pub struct Join<I, M> {
    identity: I,
    channel: String,
    message: M,
    credential: Option<String>,
    pass: Evidence,
}

impl<I, M> Join<I, M> {
    /// A join without a credential.
    pub fn new(identity: I, channel: impl Into<String>, message: M) -> Self {
        Self {
            identity,
            channel: channel.into(),
            message,
            credential: None,
            pass: Evidence::new(),
        }
    }

    /// Adds the credential that was presented with the join, if there was one.
    ///
    /// An empty credential counts as none: Pusher's clients send `"auth":""` for public channels.
    #[must_use]
    pub fn with_credential(mut self, credential: Option<String>) -> Self {
        self.credential = credential.filter(|text| !text.is_empty());
        self
    }

    /// The identity that joins.
    pub fn identity(&self) -> &I {
        &self.identity
    }

    /// The channel's name.
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// The rest of the message.
    pub fn message(&self) -> &M {
        &self.message
    }

    /// The presented credential, for policies. The layer removes it.
    pub fn credential(&self) -> Option<&str> {
        self.credential.as_deref()
    }

    /// The values that the policy learnt, such as the grant of a ticket. Empty before the layer.
    pub fn pass(&self) -> &Evidence {
        &self.pass
    }

    /// Takes the join apart.
    pub fn into_parts(self) -> JoinParts<I, M> {
        JoinParts {
            identity: self.identity,
            channel: self.channel,
            message: self.message,
            pass: self.pass,
        }
    }

    pub(crate) fn into_channel(self) -> String {
        self.channel
    }

    /// The join for the inner service: with the layer's evidence, and without the credential.
    pub(crate) fn admitted(mut self, pass: Evidence) -> Self {
        self.credential = None;
        self.pass = pass;
        self
    }
}

impl<I, M> fmt::Debug for Join<I, M> {
    // Without identity and message: applications keep secrets in both.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join")
            .field("channel", &self.channel)
            .field("has_credential", &self.credential.is_some())
            .finish_non_exhaustive()
    }
}

/// The parts of a [`Join`], without the credential.
#[non_exhaustive]
pub struct JoinParts<I, M> {
    /// The identity that joins.
    pub identity: I,
    /// The channel's name.
    pub channel: String,
    /// The rest of the message.
    pub message: M,
    /// The values that the policy learnt.
    pub pass: Evidence,
}

impl<I, M> fmt::Debug for JoinParts<I, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinParts")
            .field("channel", &self.channel)
            .finish_non_exhaustive()
    }
}
