use std::fmt;

use crate::Evidence;

/// Somebody wants to join a channel, on a socket that is open.
///
/// The application makes one of each such message: `identity` is the one that the handshake
/// authenticated (an `Authenticated<User>` will do, or what it contains), `message` whatever
/// else the policies or the inner service need of the message. The credential that came with it
/// belongs into [`with_credential`](Self::with_credential) and nowhere else: from there it
/// neither prints nor reaches the inner service.
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
    /// An empty one is none: Pusher's clients send `"auth":""` with channels that ask for
    /// nothing.
    #[must_use]
    pub fn with_credential(mut self, credential: Option<String>) -> Self {
        self.credential = credential.filter(|text| !text.is_empty());
        self
    }

    /// Who joins.
    pub fn identity(&self) -> &I {
        &self.identity
    }

    /// The channel's name.
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// What else the message says.
    pub fn message(&self) -> &M {
        &self.message
    }

    /// The credential that was presented. For policies: behind the layer there is none.
    pub fn credential(&self) -> Option<&str> {
        self.credential.as_deref()
    }

    /// What the policy learnt, such as the grant of a ticket. Empty before the layer.
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

    /// What the inner service receives: with a pass of the layer's making, and no credential.
    pub(crate) fn admitted(mut self, pass: Evidence) -> Self {
        self.credential = None;
        self.pass = pass;
        self
    }
}

impl<I, M> fmt::Debug for Join<I, M> {
    // Identity and message stay out: applications keep secrets in both.
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
    /// Who joins.
    pub identity: I,
    /// The channel's name.
    pub channel: String,
    /// What else the message says.
    pub message: M,
    /// What the policy learnt.
    pub pass: Evidence,
}

impl<I, M> fmt::Debug for JoinParts<I, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinParts")
            .field("channel", &self.channel)
            .finish_non_exhaustive()
    }
}
