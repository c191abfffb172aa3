use std::fmt;
use std::sync::Arc;

use http::StatusCode;

/// Why an open connection is ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The token that opened it has expired.
    TokenExpired,
    /// The session that opened it has ended: it expired, or its user logged out.
    SessionEnded,
    /// The credential that opened it was revoked.
    Revoked,
    /// Its user lost a permission that the connection needs.
    Forbidden,
    /// Its user has more open connections than allowed.
    TooManyConnections,
    /// The server shuts down.
    GoingAway,
    /// The application's own reason. Made by [`DisconnectReason::application`].
    Application(ApplicationReason),
}

impl DisconnectReason {
    /// The application's own reason: a close code from 3000 to 4999, and a text of at most 123
    /// bytes for the client.
    ///
    /// # Errors
    ///
    /// A code or a reason outside of these limits (RFC 6455 §5.5, §7.4.2).
    pub fn application(
        code: u16,
        reason: impl Into<Arc<str>>,
    ) -> Result<Self, DisconnectReasonError> {
        let reason = reason.into();
        if !(3000..=4999).contains(&code) {
            return Err(DisconnectReasonError::Code(code));
        }
        if reason.len() > MAX_REASON {
            return Err(DisconnectReasonError::Reason(reason.len()));
        }
        Ok(Self::Application(ApplicationReason { code, reason }))
    }

    /// The public reason, such as `revoked`.
    pub fn reason(&self) -> &str {
        match self {
            Self::TokenExpired => "token_expired",
            Self::SessionEnded => "session_ended",
            Self::Revoked => "revoked",
            Self::Forbidden => "forbidden",
            Self::TooManyConnections => "too_many_connections",
            Self::GoingAway => "going_away",
            Self::Application(own) => &own.reason,
        }
    }

    /// The HTTP status with the same meaning; `None` if there is none.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::TokenExpired | Self::SessionEnded => Some(StatusCode::UNAUTHORIZED),
            Self::Revoked | Self::Forbidden => Some(StatusCode::FORBIDDEN),
            Self::TooManyConnections => Some(StatusCode::TOO_MANY_REQUESTS),
            Self::GoingAway | Self::Application(_) => None,
        }
    }

    /// The default close code: 4000 + the status, 1001 for [`GoingAway`](Self::GoingAway), and the
    /// application's own.
    pub fn code(&self) -> u16 {
        match self {
            Self::TokenExpired | Self::SessionEnded => 4401,
            Self::Revoked | Self::Forbidden => 4403,
            Self::TooManyConnections => 4429,
            Self::GoingAway => 1001,
            Self::Application(own) => own.code,
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

/// The room in a close frame beside its code, in bytes.
const MAX_REASON: usize = 123;

/// A close code and a reason of the application's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ApplicationReason {
    code: u16,
    reason: Arc<str>,
}

impl ApplicationReason {
    /// The close code, 3000 to 4999.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The reason, at most 123 bytes.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// Why [`DisconnectReason::application`] failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DisconnectReasonError {
    /// The code is outside of an application's range.
    #[error("close code {0} is outside of an application's range: use 3000-4999")]
    Code(u16),
    /// The reason is too long for a close frame.
    #[error("a reason of {0} bytes does not fit into a close frame: use at most 123")]
    Reason(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_4000_and_the_status_where_there_is_one() {
        for reason in [
            DisconnectReason::TokenExpired,
            DisconnectReason::SessionEnded,
            DisconnectReason::Revoked,
            DisconnectReason::Forbidden,
            DisconnectReason::TooManyConnections,
        ] {
            assert_eq!(reason.code(), 4000 + reason.status().unwrap().as_u16());
        }
        assert_eq!(DisconnectReason::GoingAway.code(), 1001);
    }

    #[test]
    fn an_applications_reason_keeps_to_the_limits_of_a_close_frame() {
        let own = DisconnectReason::application(4999, "x".repeat(123)).unwrap();
        assert_eq!(own.reason().len(), 123);
        assert_eq!(own.status(), None);
        assert_eq!(own.code(), 4999);
        for code in [0, 1000, 2999, 5000] {
            assert_eq!(
                DisconnectReason::application(code, "moved"),
                Err(DisconnectReasonError::Code(code))
            );
        }
        let long = DisconnectReason::application(4000, "x".repeat(124));
        assert_eq!(long, Err(DisconnectReasonError::Reason(124)));
    }
}
