use http::{HeaderValue, StatusCode};

use crate::handshake::HandshakeError;

/// The kinds of rejection, each with an HTTP status and a public reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectionKind {
    /// The request carries no credential.
    CredentialsMissing,
    /// The request is not a valid WebSocket handshake.
    HandshakeInvalid(HandshakeError),
    /// A credential that cannot be read, or several credentials.
    CredentialsMalformed,
    /// A token with a bad signature, issuer, audience, algorithm or claim.
    TokenInvalid,
    /// A token that has expired.
    TokenExpired,
    /// A token that is not yet valid.
    TokenNotYetValid,
    /// A single-use token that is unknown, used or expired.
    TicketInvalid,
    /// A session that is unknown, expired or not logged in.
    SessionInvalid,
    /// A request from a foreign origin, or without an origin if a cookie decides.
    OriginDenied,
    /// An authenticated client without permission, by scope, role or predicate.
    Forbidden,
    /// A first message that cannot be read, where it carries the credential.
    MessageMalformed,
    /// No first message in time, where it carries the credential.
    MessageTimeout,
    /// Too many attempts.
    RateLimited,
    /// A store or a key set that the decision needs is unavailable.
    Unavailable,
}

impl RejectionKind {
    /// The HTTP status (RFC 9110 §15.5, §15.6).
    pub fn status(self) -> StatusCode {
        match self {
            Self::CredentialsMissing
            | Self::TokenInvalid
            | Self::TokenExpired
            | Self::TokenNotYetValid
            | Self::TicketInvalid
            | Self::SessionInvalid => StatusCode::UNAUTHORIZED,
            Self::HandshakeInvalid(error) => error.status(),
            Self::CredentialsMalformed | Self::MessageMalformed => StatusCode::BAD_REQUEST,
            Self::MessageTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::OriginDenied | Self::Forbidden => StatusCode::FORBIDDEN,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The public reason: stable, lower case, from this fixed set.
    pub fn reason(self) -> &'static str {
        match self {
            Self::CredentialsMissing => "credentials_missing",
            Self::HandshakeInvalid(_) => "handshake_invalid",
            Self::CredentialsMalformed => "credentials_malformed",
            Self::TokenInvalid => "token_invalid",
            Self::TokenExpired => "token_expired",
            Self::TokenNotYetValid => "token_not_yet_valid",
            Self::TicketInvalid => "ticket_invalid",
            Self::SessionInvalid => "session_invalid",
            Self::OriginDenied => "origin_denied",
            Self::Forbidden => "forbidden",
            Self::MessageMalformed => "message_malformed",
            Self::MessageTimeout => "message_timeout",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
        }
    }

    /// Advice for the client.
    pub fn advice(self) -> Advice {
        match self {
            Self::CredentialsMissing | Self::SessionInvalid => Advice::LogIn,
            Self::HandshakeInvalid(_)
            | Self::CredentialsMalformed
            | Self::MessageMalformed
            | Self::OriginDenied
            | Self::Forbidden => Advice::Stop,
            Self::TokenInvalid => Advice::RefreshOnce,
            Self::TokenExpired | Self::TicketInvalid => Advice::Refresh,
            Self::TokenNotYetValid => Advice::Wait,
            Self::MessageTimeout | Self::RateLimited | Self::Unavailable => Advice::BackOff,
        }
    }

    /// The challenge of a 401 (RFC 9110 §11.6.1, RFC 6750 §3).
    pub(crate) fn challenge(self) -> Option<HeaderValue> {
        /// Built at compile time, not for each refusal.
        macro_rules! challenge {
            ($value:literal) => {
                Some(const { HeaderValue::from_static($value) })
            };
        }
        match self {
            Self::CredentialsMissing => challenge!("Bearer"),
            Self::TokenInvalid => {
                challenge!(r#"Bearer error="invalid_token", error_description="token_invalid""#)
            }
            Self::TokenExpired => {
                challenge!(r#"Bearer error="invalid_token", error_description="token_expired""#)
            }
            Self::TokenNotYetValid => challenge!(
                r#"Bearer error="invalid_token", error_description="token_not_yet_valid""#
            ),
            Self::TicketInvalid => {
                challenge!(r#"Bearer error="invalid_token", error_description="ticket_invalid""#)
            }
            Self::SessionInvalid => challenge!("Cookie"),
            Self::HandshakeInvalid(_)
            | Self::CredentialsMalformed
            | Self::MessageMalformed
            | Self::MessageTimeout
            | Self::OriginDenied
            | Self::Forbidden
            | Self::RateLimited
            | Self::Unavailable => None,
        }
    }
}

/// The action that a refused client should take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Advice {
    /// Ask the user to log in.
    LogIn,
    /// Get a new credential and come back.
    Refresh,
    /// Get a new credential and come back; if that is refused too, stop.
    RefreshOnce,
    /// Come back later with the same credential.
    Wait,
    /// Come back later with the same credential, more slowly each time.
    BackOff,
    /// Get a new credential and come back later, more slowly each time.
    RefreshLater,
    /// Give up: the same request will never pass.
    Stop,
}

impl Advice {
    /// Whether the same credential may pass later.
    pub fn retryable(self) -> bool {
        match self {
            Self::Wait | Self::BackOff => true,
            Self::LogIn | Self::Refresh | Self::RefreshOnce | Self::RefreshLater | Self::Stop => {
                false
            }
        }
    }
}
