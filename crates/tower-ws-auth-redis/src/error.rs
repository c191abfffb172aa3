use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tower_ws_auth_core::StoreError;

/// Why an operation on Redis failed.
///
/// It shows no key, no value and no URL. Of an answer by Redis it keeps only the code, such as
/// `OOM`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// An invalid URL, or one that needs a feature that is not enabled.
    #[error(
        "not a Redis URL that this build understands; they look like \
         `redis://user:password@host:6379/0`, and `rediss://` wants the feature `redis-tls`"
    )]
    Url,
    /// There is no Tokio runtime to connect in.
    #[error("called outside of a Tokio runtime")]
    NoRuntime,
    /// The maximum number of commands is in flight, in total or of this kind.
    #[error("{0} commands of this kind are already waiting for Redis: see `max_in_flight`")]
    Busy(usize),
    /// No answer came in time. The command may have been carried out, or may still be.
    #[error("Redis did not answer within {0:?}")]
    TimedOut(Duration),
    /// There is no connection, or it broke. The command may have been carried out.
    #[error("the connection to Redis failed: {0}")]
    Connection(io::ErrorKind),
    /// Redis refused the credentials of the URL, or the URL has none and Redis requires some.
    #[error("Redis refused the user or the password")]
    Credentials,
    /// Redis refused the command with this code.
    #[error("Redis answered {0}")]
    Refused(String),
    /// Redis does not know a command that the stores need.
    #[error("Redis does not know a command: version 6.2 or later is needed")]
    TooOld,
    /// A reply that does not match the command.
    #[error("Redis gave an unexpected reply")]
    Unexpected,
}

impl RedisError {
    /// Whether Redis is out of memory and evicts nothing.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Refused(code) if code == "OOM")
    }

    /// Whether the server is a replica now, or cannot serve.
    pub(crate) fn is_wrong_server(&self) -> bool {
        matches!(self, Self::Refused(code) if code == "READONLY" || code == "MASTERDOWN")
    }

    /// Whether a slot of a cluster is on another node, or being moved.
    pub(crate) fn is_about_a_slot(&self) -> bool {
        let codes = ["MOVED", "ASK", "TRYAGAIN"];
        matches!(self, Self::Refused(code) if codes.contains(&&**code))
    }

    /// Whether no answer came in time. The client has a limit of its own, which may end first.
    #[cfg(feature = "redis-cluster")]
    pub(crate) fn is_timeout(&self) -> bool {
        matches!(
            self,
            Self::TimedOut(_) | Self::Connection(io::ErrorKind::TimedOut)
        )
    }

    /// Whether this is an answer of Redis, so that the connection is sound.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::TooOld | Self::Unexpected)
    }
}

impl From<RedisError> for StoreError {
    fn from(error: RedisError) -> Self {
        if error.is_full() {
            Self::Full
        } else {
            Self::new(error)
        }
    }
}

impl From<redis::RedisError> for RedisError {
    fn from(error: redis::RedisError) -> Self {
        use redis::ErrorKind as Kind;

        match error.kind() {
            Kind::Io | Kind::ClusterConnectionNotFound => Self::Connection(io_kind(&error)),
            // After an unreadable reply, replies no longer match their commands.
            Kind::Parse => Self::Connection(io::ErrorKind::InvalidData),
            Kind::MasterNameNotFoundBySentinel => Self::Connection(io::ErrorKind::NotFound),
            Kind::AuthenticationFailed => Self::Credentials,
            Kind::InvalidClientConfig | Kind::EmptySentinelList => Self::Url,
            Kind::RESP3NotSupported => Self::TooOld,
            Kind::Server(_) | Kind::Extension => refused(error),
            _ => Self::Unexpected,
        }
    }
}

fn io_kind(error: &redis::RedisError) -> io::ErrorKind {
    if error.is_timeout() {
        return io::ErrorKind::TimedOut;
    }
    let source = error.source();
    let source = source.and_then(|source| source.downcast_ref::<Arc<dyn Error + Send + Sync>>());
    source
        .and_then(|source| source.downcast_ref::<io::Error>())
        .map_or(io::ErrorKind::NotConnected, io::Error::kind)
}

/// For an aborted transaction the errors of its commands give the reason.
fn refused(error: redis::RedisError) -> RedisError {
    let errors = error.into_server_errors();
    let Some((_, error)) = errors.as_deref().and_then(<[_]>::first) else {
        return RedisError::Refused("EXECABORT".to_owned());
    };
    // The rest of the text has the arguments, which are keys.
    let unknown = |text: &str| text.starts_with("unknown command");
    if error.details().is_some_and(unknown) {
        return RedisError::TooOld;
    }
    match error.code() {
        "NOAUTH" | "WRONGPASS" => RedisError::Credentials,
        code => RedisError::Refused(code.to_owned()),
    }
}
