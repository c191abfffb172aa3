mod jwt;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Parser, ValueEnum, value_parser};
use tower_ws_auth::close::ClientProtocol;

pub use self::jwt::{Hmac, JwtOptions, Offer};

/// A chat whose WebSockets are guarded by tower-ws-auth.
#[derive(Clone, Debug, Parser)]
#[command(version, about)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, env = "CHAT_LISTEN", default_value = "127.0.0.1:3000")]
    pub listen: SocketAddr,

    /// Which tokens are good.
    #[command(flatten)]
    pub jwt: JwtOptions,

    /// A secret that signs session cookies, at least 16 bytes; the first signs, all verify. Random
    /// by default.
    #[arg(long, env = "CHAT_SESSION_SECRET", hide_env_values = true)]
    pub session_secret: Vec<Secret>,

    /// Accepts a session secret of fewer than 16 bytes, such as `keyboard cat`, which can be guessed
    /// offline from one cookie.
    #[arg(long, env = "CHAT_DANGEROUS_SHORT_SESSION_SECRET", value_parser = BoolishValueParser::new())]
    pub dangerous_short_session_secret: bool,

    /// What the keys of sessions begin with in Redis: the `prefix` of connect-redis.
    #[arg(
        long,
        env = "CHAT_SESSION_PREFIX",
        default_value = "sess:",
        value_name = "PREFIX"
    )]
    pub session_prefix: String,

    /// By when a ticket must be used, in seconds.
    #[arg(
        long,
        env = "CHAT_TICKET_TTL",
        default_value_t = 30,
        value_name = "SECONDS"
    )]
    pub ticket_ttl: u64,

    /// The origins whose pages may connect; by default this server's own, by 127.0.0.1 and
    /// localhost.
    #[arg(long, env = "CHAT_ORIGIN", value_delimiter = ',')]
    pub origin: Vec<String>,

    /// Allows pages without an origin of their own too.
    #[arg(
        long,
        env = "CHAT_DANGEROUS_ORIGIN",
        value_enum,
        value_delimiter = ',',
        value_name = "KIND"
    )]
    pub dangerous_origin: Vec<Opaque>,

    /// A Redis that many of these share: sessions, tickets and revocations.
    #[arg(
        long,
        env = "CHAT_REDIS",
        hide_env_values = true,
        value_name = "redis://HOST:PORT"
    )]
    pub redis: Option<Secret>,

    /// A certificate chain in PEM, for HTTPS with HTTP/1.1 and HTTP/2.
    #[arg(long, env = "CHAT_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// Its private key in PEM.
    #[arg(long, env = "CHAT_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// In which language a refused or ended client is told.
    #[arg(
        long = "palette",
        alias = "client-protocol",
        env = "CHAT_PALETTE",
        value_enum,
        default_value_t
    )]
    pub client_protocol: Protocol,

    /// Sends a JSON message with the full reason before the close frame.
    #[arg(long, env = "CHAT_REJECT_MESSAGE", value_parser = BoolishValueParser::new())]
    pub reject_message: bool,

    /// How long a refused browser waits for its answer, in milliseconds.
    #[arg(long, env = "CHAT_HOLD_MS", default_value_t = 300, value_name = "MS")]
    pub hold_ms: u64,

    /// How many clients of one address may wait with their first message. One more takes the place
    /// of the one that has waited the longest.
    #[arg(
        long,
        env = "CHAT_FIRST_PER_ADDRESS",
        default_value_t = 256,
        value_parser = value_parser!(u16).range(1..),
        value_name = "COUNT"
    )]
    pub first_per_address: u16,

    /// Answers `GET /metrics` with what is counted, as Prometheus reads it.
    #[arg(long, env = "CHAT_METRICS", value_parser = BoolishValueParser::new())]
    pub metrics: bool,
}

/// The language of a kind of client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// Code 4000 and the HTTP status, such as 4401.
    #[default]
    #[value(alias = "plain")]
    Http,
    /// Codes that are registered at IANA, such as 3000.
    Iana,
    /// socket.io-client 4.
    SocketIo,
    /// phoenix.js up to 1.8.15.
    Phoenix,
    /// phoenix.js from 1.8.16 on, which stays connected for a minute.
    PhoenixHeld,
    /// graphql-ws 6 and Apollo Client.
    GraphqlWs,
    /// Apollo's former client.
    SubscriptionsTransportWs,
    /// @rails/actioncable and @anycable/web.
    ActionCable,
    /// @microsoft/signalr.
    Signalr,
    /// Clients of Centrifugo.
    #[value(alias = "centrifugo")]
    Centrifuge,
    /// pusher-js and Laravel Echo.
    Pusher,
    /// By what the handshake shows.
    Detect,
}

impl From<Protocol> for ClientProtocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Http => Self::plain(),
            Protocol::Iana => Self::iana(),
            Protocol::SocketIo => Self::socket_io(),
            Protocol::Phoenix => Self::phoenix(),
            Protocol::PhoenixHeld => Self::phoenix_held(),
            Protocol::GraphqlWs => Self::graphql_ws(),
            Protocol::SubscriptionsTransportWs => Self::subscriptions_transport_ws(),
            Protocol::ActionCable => Self::action_cable(),
            Protocol::Signalr => Self::signalr(),
            Protocol::Centrifuge => Self::centrifugo(),
            Protocol::Pusher => Self::pusher(),
            Protocol::Detect => Self::detect(),
        }
    }
}

/// What a page sends that has no origin of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Opaque {
    /// `null`: every page can make a frame with this origin.
    Null,
    /// `file://`, as some shells write it: a downloaded file is one as well.
    File,
}

/// Text that no `Debug` prints.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The secret itself.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The secret itself, as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("redacted")
    }
}
