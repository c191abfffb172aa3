use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Why Redis did not do what it was asked.
///
/// It shows no key, no value and no URL: of what Redis itself answers only the code, such as
/// `OOM`, is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// A URL that is none, or asks for what this build has not.
    #[error(
        "not a Redis URL that this build understands; they look like \
         `redis://user:password@host:6379/0`, and `rediss://` wants the feature `tls-rustls`"
    )]
    Url,
    /// There is no Tokio runtime to connect in.
    #[error("called outside of a Tokio runtime")]
    NoRuntime,
    /// As many commands are in flight as may be, in total or of this kind.
    #[error("{0} commands of this kind wait for Redis already: see `max_in_flight`")]
    Busy(usize),
    /// No answer came in time. The command may have been carried out, or may yet be.
    #[error("Redis did not answer within {0:?}")]
    TimedOut(Duration),
    /// There is no connection, or it broke. The command may have been carried out.
    #[error("the connection to Redis failed: {0}")]
    Connection(io::ErrorKind),
    /// Redis refused the credentials of the URL, or wants some and there are none.
    #[error("Redis refused the user or the password")]
    Credentials,
    /// Redis refused the command with this code.
    #[error("Redis answered {0}")]
    Refused(String),
    /// Redis does not know a command that the stores need.
    #[error("Redis does not know a command: version 6.2 or later is needed")]
    TooOld,
    /// An answer that does not belong to the command.
    #[error("Redis gave an answer that is none to the command")]
    Unexpected,
}

impl RedisError {
    /// Whether Redis has no memory left, and evicts nothing.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Refused(code) if code == "OOM")
    }

    /// Whether the server is a replica now, or is none that serves.
    pub(crate) fn is_wrong_server(&self) -> bool {
        matches!(self, Self::Refused(code) if code == "READONLY" || code == "MASTERDOWN")
    }

    /// Whether a slot of a cluster is elsewhere, or on its way.
    pub(crate) fn is_about_a_slot(&self) -> bool {
        let codes = ["MOVED", "ASK", "TRYAGAIN"];
        matches!(self, Self::Refused(code) if codes.contains(&&**code))
    }

    /// Whether this is an answer of Redis, so that the connection is sound.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::TooOld | Self::Unexpected)
    }
}

impl From<redis::RedisError> for RedisError {
    fn from(error: redis::RedisError) -> Self {
        use redis::ErrorKind as Kind;

        match error.kind() {
            Kind::Io | Kind::ClusterConnectionNotFound => Self::Connection(io_kind(&error)),
            // What cannot be read is not in step with the questions any more.
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

/// A transaction that was aborted says why in the errors of its commands.
fn refused(error: redis::RedisError) -> RedisError {
    let errors = error.into_server_errors();
    let Some((_, error)) = errors.as_deref().and_then(<[_]>::first) else {
        return RedisError::Refused("EXECABORT".to_owned());
    };
    // The text goes on with the arguments, which are keys.
    let unknown = |text: &str| text.starts_with("unknown command");
    if error.details().is_some_and(unknown) {
        return RedisError::TooOld;
    }
    match error.code() {
        "NOAUTH" | "WRONGPASS" => RedisError::Credentials,
        code => RedisError::Refused(code.to_owned()),
    }
}
