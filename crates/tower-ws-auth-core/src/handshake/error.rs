use std::fmt;

use http::StatusCode;

/// The violated clause of the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandshakeError {
    /// Not GET (HTTP/1.1) or CONNECT (HTTP/2): 405.
    Method,
    /// Neither HTTP/1.1 nor HTTP/2, or HTTP/2 without the feature `http2`.
    HttpVersion,
    /// `Host` is missing or repeated.
    Host,
    /// `Upgrade` does not name `websocket`.
    Upgrade,
    /// `Connection` does not name `upgrade`.
    Connection,
    /// Not exactly one key of 16 bytes.
    Key,
    /// Not version 13: 426.
    Version,
    /// The request declares a body.
    Body,
    /// `:protocol` is not `websocket`.
    Protocol,
}

impl HandshakeError {
    /// The HTTP status of the refusal.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::HttpVersion
            | Self::Host
            | Self::Upgrade
            | Self::Connection
            | Self::Key
            | Self::Body
            | Self::Protocol => StatusCode::BAD_REQUEST,
        }
    }

    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Method => "the method is not GET",
            Self::HttpVersion => "the HTTP version is neither 1.1 nor (with `http2`) 2",
            Self::Host => "there is not exactly one `Host`",
            Self::Upgrade => "`Upgrade` does not list the token `websocket`",
            Self::Connection => "`Connection` does not list the token `upgrade`",
            Self::Key => "`Sec-WebSocket-Key` is not, exactly once, 16 bytes in canonical base64",
            Self::Version => "`Sec-WebSocket-Version` is not, exactly once, 13",
            Self::Body => "the request declares a body",
            Self::Protocol => "`:protocol` is not `websocket`",
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for HandshakeError {}
