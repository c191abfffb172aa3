use std::error::Error;
use std::time::Duration;

use tower_ws_auth_core::{Rejection, RejectionKind, StoreError};

/// Why an operation of [`Sessions`](crate::Sessions) failed. It never shows an id, a secret or a
/// record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The store failed, or is full.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store did not answer in time.
    #[error("the session store did not answer within {0:?}")]
    TimedOut(Duration),
    /// The session has ended meanwhile: logged out, or expired.
    #[error("the session has ended meanwhile")]
    Gone,
    /// Other writers changed the record on every attempt. Nothing was written.
    #[error("other writers changed the record on every attempt: try again")]
    Contended,
    /// A revocation could not be read or written.
    #[error("the revocations of the session: {0}")]
    Revocations(#[source] StoreError),
    /// No revocations were configured: see
    /// [`SessionsBuilder::revocations`](crate::SessionsBuilder::revocations).
    #[error("these sessions have no revocations: call `SessionsBuilder::revocations`")]
    NoRevocations,
    /// The record is larger than the limit.
    #[error("the record has {length} bytes, more than {most}: raise `max_record` or store less")]
    TooLarge {
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        most: usize,
    },
    /// The record's type does not serialize as a JSON object, or it has a field `cookie` or
    /// `wsauth`.
    #[error(
        "the record must be written as a JSON object without a field `cookie` or `wsauth`: use a \
         struct with named fields"
    )]
    NotARecord,
    /// The record cannot be serialized as JSON.
    #[error("the record cannot be serialized as JSON")]
    Json(#[source] Box<dyn Error + Send + Sync>),
    /// The operating system gave no randomness for a new id.
    #[error("the operating system gave no randomness for a session id")]
    Random(#[source] Box<dyn Error + Send + Sync>),
}

impl SessionError {
    /// The rejection for a request that needed the session: 401 `session_invalid` if the session is
    /// gone, and 503 `unavailable` for everything else.
    pub fn into_rejection(self) -> Rejection {
        match self {
            Self::Gone => Rejection::new(
                RejectionKind::SessionInvalid,
                "the session ended while it was read",
            ),
            error => Rejection::new(RejectionKind::Unavailable, "the session is unavailable")
                .with_source(error),
        }
    }
}

/// Of [`into_rejection`](SessionError::into_rejection), for handlers: 401 `session_invalid` or 503
/// `unavailable`, without a detail.
#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for SessionError {
    fn into_response(self) -> axum_core::response::Response {
        axum_core::response::IntoResponse::into_response(self.into_rejection())
    }
}

/// Why [`SessionsBuilder::build`](crate::SessionsBuilder::build) failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A cookie name that is invalid by RFC 6265.
    #[error("the cookie name {0:?} is empty or not a token (RFC 9110 §5.6.2): choose another")]
    Name(String),
    /// An invalid path.
    #[error("the cookie path {0:?} does not begin with `/` or has a character that ends it")]
    Path(String),
    /// An invalid domain.
    #[error("the cookie domain {0:?} is not a host name")]
    Domain(String),
    /// A `__Secure-` name on a cookie that browsers would not accept.
    #[error("a `__Secure-` cookie must be Secure: leave out `dangerous_without_secure`")]
    SecurePrefix,
    /// A `__Host-` name on a cookie that browsers would not accept.
    #[error("a `__Host-` cookie must be Secure, have the path `/` and no domain")]
    HostPrefix,
    /// `SameSite=None` on a cookie that browsers would not accept.
    #[error("`SameSite=None` must be Secure: leave out `dangerous_without_secure`")]
    SameSiteNone,
    /// A time or a size of zero.
    #[error("`{0}` is zero: choose more, or leave the call out")]
    Zero(&'static str),
    /// A login field that has another meaning.
    #[error(
        "the login field cannot be {0:?}: name a field of the record that holds the time of login"
    )]
    LoginField(String),
    /// Revocations that are forgotten while a session lives, which would then be valid again.
    #[error(
        "revocations are kept for {retention:?} and a session lives for {life:?}: make the \
         retention as long, or `ttl` and `max_age` shorter"
    )]
    ForgetfulRevocations {
        /// How long the store of revocations keeps them.
        retention: Duration,
        /// How long a session lives without being touched.
        life: Duration,
    },
}
