use std::fmt;

use tower_ws_auth_core::{Advice, Rejection, RejectionKind};

/// The layer's answer to a join: the inner service's response, or a denial.
///
/// A denial is no error. Errors are the inner service's own, and the socket stays open.
#[derive(Clone, Debug)]
pub enum JoinOutcome<R> {
    /// The response of the inner service.
    Admitted(R),
    /// The join was denied. The inner service never saw it.
    Denied(Denial),
}

impl<R> JoinOutcome<R> {
    /// Whether the join was admitted.
    pub fn is_admitted(&self) -> bool {
        matches!(self, Self::Admitted(_))
    }

    /// The denial, if there was one.
    pub fn denial(&self) -> Option<&Denial> {
        match self {
            Self::Admitted(_) => None,
            Self::Denied(denial) => Some(denial),
        }
    }

    /// As a [`Result`], for `?` and its combinators.
    ///
    /// # Errors
    ///
    /// The denial, if there was one.
    pub fn into_result(self) -> Result<R, Denial> {
        match self {
            Self::Admitted(response) => Ok(response),
            Self::Denied(denial) => Err(denial),
        }
    }
}

/// Why a join was denied, and to which channel.
///
/// The client may read [`reason`](Self::reason), which `Display` prints too. It is from core's
/// fixed set, so it can be put into JSON unescaped. Only the log may read the
/// [`rejection`](Self::rejection).
#[derive(Clone)]
pub struct Denial {
    channel: String,
    rejection: Rejection,
}

impl Denial {
    pub(crate) fn new(channel: String, rejection: Rejection) -> Self {
        Self { channel, rejection }
    }

    /// The public reason, such as `forbidden`.
    pub fn reason(&self) -> &'static str {
        self.rejection.reason()
    }

    /// The kind, to match on.
    pub fn kind(&self) -> RejectionKind {
        self.rejection.kind()
    }

    /// Advice for the client.
    pub fn advice(&self) -> Advice {
        self.rejection.advice()
    }

    /// The channel's name, as the client wrote it.
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// The whole rejection, for the log.
    pub fn rejection(&self) -> &Rejection {
        &self.rejection
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl fmt::Debug for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Denial")
            .field("channel", &self.channel)
            .field("rejection", &self.rejection)
            .finish()
    }
}

impl std::error::Error for Denial {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.rejection)
    }
}
