//! The flags about credentials that come after the handshake.

use std::str::FromStr;
use std::time::Duration;

use clap::{Args, value_parser};
use http::HeaderName;
use tower_ws_auth::MessageFormat;

use super::protocol::Protocol;
use super::some_seconds;
use super::ticket::plain_path;

/// Where credentials come after the handshake.
#[derive(Clone, Debug, Args)]
pub struct MessageOptions {
    /// Takes the token or ticket from the first message of a client whose handshake carries none:
    /// `json:FIELD` (such as `json:payload.token`), `plain`, `graphql-ws:FIELD`, `socket-io:FIELD`,
    /// `phoenix:FIELD`, `centrifugo` or `stomp:HEADER`.
    #[arg(long, env = "GATEWAY_FIRST_MESSAGE", value_name = "FORMAT")]
    pub first_message: Option<Format>,

    /// The subprotocols of the upstream, best first, beside that of the format. The first that a
    /// client offers is selected before the upstream is asked.
    #[arg(
        long,
        env = "GATEWAY_FIRST_MESSAGE_SUBPROTOCOL",
        value_delimiter = ',',
        value_parser = subprotocol,
        value_name = "NAME"
    )]
    pub first_message_subprotocol: Vec<String>,

    /// How long a client may take for its message, from its handshake on.
    #[arg(long, env = "GATEWAY_FIRST_MESSAGE_TIMEOUT", default_value = "5", value_parser = some_seconds, value_name = "SECONDS")]
    pub first_message_timeout: Duration,

    /// How many clients of one address may wait with their message. One more takes the place of the
    /// one that has waited the longest.
    #[arg(
        long,
        env = "GATEWAY_FIRST_MESSAGE_PER_ADDRESS",
        default_value_t = 256,
        value_parser = value_parser!(u16).range(1..),
        value_name = "COUNT"
    )]
    pub first_message_per_address: u16,

    /// The path whose `POST` gives an open connection a fresh credential: `{"connection":"…"}`.
    #[arg(long, env = "GATEWAY_RENEW_PATH", value_parser = plain_path, value_name = "PATH")]
    pub renew_path: Option<String>,

    /// The query key by which a client names its connection in the handshake: a UUID, for example.
    /// Without it only the upstream reads the name, in `X-Auth-Connection`.
    #[arg(long, env = "GATEWAY_RENEW_QUERY", value_name = "KEY")]
    pub renew_query: Option<String>,
}

/// How a first message carries its credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// The whole message is the credential.
    Plain,
    /// At this path of members of a JSON message.
    Json(String),
    /// In this member of the payload of `connection_init`.
    GraphqlWs(String),
    /// In this member of `auth`, which the CONNECT packet carries.
    SocketIo(String),
    /// In this member of the parameters of `phx_join`.
    Phoenix(String),
    /// In the `connect` command.
    Centrifugo,
    /// In this header of the `CONNECT` frame.
    Stomp(String),
}

impl Format {
    /// Whether the upstream has to read the message, because its protocol acknowledges it.
    pub(crate) fn is_for_the_upstream_too(&self) -> bool {
        !matches!(self, Self::Plain | Self::Json(_))
    }

    /// The language of the clients that send it.
    pub(crate) fn protocol(&self) -> Protocol {
        match self {
            Self::GraphqlWs(_) => Protocol::GraphqlWs,
            Self::SocketIo(_) => Protocol::SocketIo,
            Self::Phoenix(_) => Protocol::Phoenix,
            Self::Centrifugo => Protocol::Centrifuge,
            Self::Plain | Self::Json(_) | Self::Stomp(_) => Protocol::Http,
        }
    }
}

impl From<&Format> for MessageFormat {
    fn from(format: &Format) -> Self {
        match format {
            Format::Plain => Self::plain(),
            Format::Json(field) => Self::json(field),
            Format::GraphqlWs(field) => Self::graphql_ws(field),
            Format::SocketIo(field) => Self::socket_io(field),
            Format::Phoenix(field) => Self::phoenix(field),
            Format::Centrifugo => Self::centrifugo(),
            Format::Stomp(header) => Self::stomp(header),
        }
    }
}

impl FromStr for Format {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        const INSTEAD: &str = "write json:FIELD, plain, graphql-ws:FIELD, socket-io:FIELD, \
                               phoenix:FIELD, centrifugo or stomp:HEADER";
        let (kind, field) = match text.split_once(':') {
            None => (text, None),
            Some((_, "")) => return Err(INSTEAD),
            Some((kind, field)) => (kind, Some(field)),
        };
        let is_path = |field: &str| field.split('.').all(|name| !name.is_empty());
        let or = |usual: &str| field.unwrap_or(usual).to_owned();
        match (kind, field) {
            ("plain", None) => Ok(Self::Plain),
            ("centrifugo", None) => Ok(Self::Centrifugo),
            ("json", Some(field)) if is_path(field) => Ok(Self::Json(field.to_owned())),
            ("graphql-ws", _) => Ok(Self::GraphqlWs(or("Authorization"))),
            ("socket-io", field) if field.is_none_or(is_path) => Ok(Self::SocketIo(or("token"))),
            ("phoenix", _) => Ok(Self::Phoenix(or("token"))),
            ("stomp", _) => Ok(Self::Stomp(or("passcode"))),
            _ => Err(INSTEAD),
        }
    }
}

/// RFC 6455 §4.1: a token, as the name of a field is.
fn subprotocol(text: &str) -> Result<String, &'static str> {
    let is_token = HeaderName::from_str(text).is_ok();
    is_token
        .then(|| text.to_owned())
        .ok_or("not a subprotocol: write a name without blanks, such as chat.v1")
}
