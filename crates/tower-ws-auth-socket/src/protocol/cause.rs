use http::StatusCode;
use tower_ws_auth_core::revocation::DisconnectReason;
use tower_ws_auth_core::{Advice, Rejection, RejectionKind};

/// Why a client is refused or ended, as far as a [`ClientProtocol`] tells causes apart.
///
/// [`ClientProtocol`]: crate::protocol::ClientProtocol
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Refused: no credential, or an invalid one.
    Unauthenticated,
    /// Refused: the credential has expired, or its single use is over. A refusal for another reason
    /// may have used it up.
    Stale,
    /// Refused: the credential is not valid yet.
    NotYetValid,
    /// Refused: the request or its credential is malformed.
    Malformed,
    /// Refused: known, and not permitted.
    Forbidden,
    /// Refused: too many attempts.
    RateLimited,
    /// Refused: a store or a key set is unavailable.
    Unavailable,
    /// Refused: the service did not answer in time.
    TimedOut,
    /// Ended: the token has expired.
    TokenExpired,
    /// Ended: the session is over.
    SessionEnded,
    /// Ended: permitted no longer.
    Revoked,
    /// Ended: a newer connection has taken its place.
    TooManyConnections,
    /// Ended: the server goes down.
    GoingAway,
    /// Ended: a reason of the application.
    Application,
}

/// What a client should do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NextStep {
    /// Stop, until its user or its program decides otherwise.
    Stop,
    /// Get a new credential and come back.
    Refresh,
    /// Come back later with the same credential.
    ComeBack,
}

impl Cause {
    /// Every cause of a refusal.
    pub(crate) const REFUSALS: [Self; 8] = [
        Self::Unauthenticated,
        Self::Stale,
        Self::NotYetValid,
        Self::Malformed,
        Self::Forbidden,
        Self::RateLimited,
        Self::Unavailable,
        Self::TimedOut,
    ];

    /// Every cause of an ending.
    pub(crate) const ENDINGS: [Self; 6] = [
        Self::TokenExpired,
        Self::SessionEnded,
        Self::Revoked,
        Self::TooManyConnections,
        Self::GoingAway,
        Self::Application,
    ];

    pub(crate) const COUNT: usize = Self::REFUSALS.len() + Self::ENDINGS.len();

    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Self::REFUSALS.into_iter().chain(Self::ENDINGS)
    }

    /// The cause of this rejection.
    pub(crate) fn of_rejection(rejection: &Rejection) -> Self {
        match (rejection.kind(), rejection.advice()) {
            (RejectionKind::Forbidden | RejectionKind::OriginDenied, _) => Self::Forbidden,
            // No client library waits for a while and then refreshes by itself.
            (_, Advice::Refresh | Advice::RefreshLater) => Self::Stale,
            (RejectionKind::RateLimited, _) => Self::RateLimited,
            (RejectionKind::MessageTimeout, _) => Self::TimedOut,
            // None refreshes once and then stops.
            (_, Advice::LogIn | Advice::RefreshOnce) => Self::Unauthenticated,
            (_, Advice::Wait) => Self::NotYetValid,
            (_, Advice::BackOff) => Self::Unavailable,
            // What is not known here is no reason to come back.
            _ => Self::Malformed,
        }
    }

    /// The cause of a response with this status that was classified as this rejection.
    pub(crate) fn of_response(rejection: &Rejection, status: StatusCode) -> Self {
        match Self::of_rejection(rejection) {
            Self::Unavailable if is_timeout(rejection, status) => Self::TimedOut,
            cause => cause,
        }
    }

    /// The cause of this ending.
    pub(crate) fn of_reason(reason: &DisconnectReason) -> Self {
        match reason {
            DisconnectReason::TokenExpired => Self::TokenExpired,
            DisconnectReason::SessionEnded => Self::SessionEnded,
            DisconnectReason::TooManyConnections => Self::TooManyConnections,
            DisconnectReason::GoingAway => Self::GoingAway,
            DisconnectReason::Application(_) => Self::Application,
            // What is not known here is no reason to come back.
            _ => Self::Revoked,
        }
    }

    /// What the client should do now.
    pub fn next_step(self) -> NextStep {
        match self {
            Self::Stale | Self::TokenExpired => NextStep::Refresh,
            Self::NotYetValid
            | Self::RateLimited
            | Self::Unavailable
            | Self::TimedOut
            | Self::GoingAway => NextStep::ComeBack,
            Self::Unauthenticated
            | Self::Malformed
            | Self::Forbidden
            | Self::SessionEnded
            | Self::Revoked
            | Self::TooManyConnections
            | Self::Application => NextStep::Stop,
        }
    }

    /// Its place in tables of all causes.
    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

/// Whether another layer's 408 or 504 is behind this rejection.
pub(crate) fn is_timeout(rejection: &Rejection, status: StatusCode) -> bool {
    (status == StatusCode::REQUEST_TIMEOUT || status == StatusCode::GATEWAY_TIMEOUT)
        && rejection.kind() == RejectionKind::Unavailable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_its_own_place_in_a_table() {
        let places: Vec<_> = Cause::all().map(Cause::index).collect();
        assert_eq!(places, (0..Cause::COUNT).collect::<Vec<_>>());
    }

    #[test]
    fn a_client_is_asked_to_do_what_the_rejection_advises() {
        use RejectionKind as Kind;
        for (kind, next) in [
            (Kind::CredentialsMissing, NextStep::Stop),
            (Kind::CredentialsMalformed, NextStep::Stop),
            (Kind::TokenInvalid, NextStep::Stop),
            (Kind::TokenExpired, NextStep::Refresh),
            (Kind::TokenNotYetValid, NextStep::ComeBack),
            (Kind::TicketInvalid, NextStep::Refresh),
            (Kind::SessionInvalid, NextStep::Stop),
            (Kind::OriginDenied, NextStep::Stop),
            (Kind::Forbidden, NextStep::Stop),
            (Kind::RateLimited, NextStep::ComeBack),
            (Kind::Unavailable, NextStep::ComeBack),
        ] {
            let cause = Cause::of_rejection(&Rejection::new(kind, ""));
            assert_eq!(cause.next_step(), next, "{kind:?}");
        }
    }

    #[test]
    fn a_credential_that_is_used_up_is_not_shown_again() {
        use RejectionKind as Kind;
        for (kind, next) in [
            (Kind::RateLimited, NextStep::Refresh),
            (Kind::Unavailable, NextStep::Refresh),
            (Kind::TokenNotYetValid, NextStep::Refresh),
            (Kind::Forbidden, NextStep::Stop),
        ] {
            let spent = Rejection::new(kind, "").with_spent_credential();
            for status in [spent.status(), StatusCode::GATEWAY_TIMEOUT] {
                let cause = Cause::of_response(&spent, status);
                assert_eq!(cause.next_step(), next, "{kind:?} {status}");
            }
        }
        let spent = Rejection::new(Kind::RateLimited, "").with_spent_credential();
        let told = crate::protocol::ClientProtocol::centrifugo().rejection(&spent);
        assert_eq!(told.code().get(), 3014);
    }
}
