use std::error::Error;
use std::time::Duration;

use tower_ws_auth_core::{Rejection, RejectionKind, RevocationError};

use crate::StoreError;

/// Why [`Sessions`](crate::Sessions) could not do what it was asked. It never shows an id, a
/// secret or a record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The store failed, or is full.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store did not answer in time.
    #[error("the session store did not answer within {0:?}")]
    Timeout(Duration),
    /// The session ended meanwhile: logged out, or expired.
    #[error("the session is not there any more")]
    Gone,
    /// Others changed the record again and again meanwhile: nothing was written.
    #[error("the record was changed by others again and again: try it once more")]
    Contended,
    /// The revocations could not be asked, or not be told.
    #[error("the session's revocations failed")]
    Revocations(#[source] RevocationError),
    /// There are no revocations to tell: see
    /// [`SessionsBuilder::revocations`](crate::SessionsBuilder::revocations).
    #[error("no revocations were given to these sessions: call `SessionsBuilder::revocations`")]
    NoRevocations,
    /// The record is larger than the limit.
    #[error("the record has {length} bytes and may have {most}: see `max_record`")]
    TooLarge {
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        most: usize,
    },
    /// The record's type is not written as a JSON object, or writes a field `cookie` or `wsauth`.
    #[error(
        "the record must be written as a JSON object without a field `cookie` or `wsauth`: use a \
         struct with named fields"
    )]
    NotARecord,
    /// The record cannot be written as JSON.
    #[error("the record cannot be written as JSON")]
    Encode(#[source] Box<dyn Error + Send + Sync>),
    /// The operating system gave no randomness for a new id.
    #[error("the operating system gave no randomness for a session id")]
    Random(#[source] Box<dyn Error + Send + Sync>),
}

impl SessionError {
    /// The rejection for a request that needed it: 401 `session_invalid` if the session is
    /// gone, and 503 `unavailable` for everything else.
    pub fn into_rejection(self) -> Rejection {
        match self {
            Self::Gone => Rejection::new(
                RejectionKind::SessionInvalid,
                "the session ended while it was asked for",
            ),
            error => Rejection::new(
                RejectionKind::Unavailable,
                "the session could not be asked for",
            )
            .with_source(error),
        }
    }
}

/// Why [`SessionsBuilder::build`](crate::SessionsBuilder::build) failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A cookie name that RFC 6265 does not know.
    #[error("the cookie name {0:?} is empty or not a token (RFC 9110 §5.6.2): choose another")]
    Name(String),
    /// A path that is none.
    #[error("the cookie path {0:?} does not begin with `/` or has a character that ends it")]
    Path(String),
    /// A domain that is none.
    #[error("the cookie domain {0:?} is not a host name")]
    Domain(String),
    /// A name that begins with `__Secure-` on a cookie that browsers would not accept.
    #[error("a `__Secure-` cookie must be Secure: leave out `dangerous_without_secure`")]
    SecurePrefix,
    /// A name that begins with `__Host-` on a cookie that browsers would not accept.
    #[error("a `__Host-` cookie must be Secure, have the path `/` and no domain")]
    HostPrefix,
    /// `SameSite=None` on a cookie that browsers would not accept.
    #[error("`SameSite=None` must be Secure: leave out `dangerous_without_secure`")]
    SameSiteNone,
    /// A time or a size of zero.
    #[error("`{0}` is zero: choose more, or leave the call out")]
    Zero(&'static str),
    /// A field for the time of login that has another meaning.
    #[error("the login's field cannot be {0:?}: name a field of the record that holds its time")]
    LoginField(String),
    /// Revocations that are forgotten while a session lives, which would then be good again.
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
