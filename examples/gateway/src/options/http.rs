//! The flags about requests that are no handshakes, and about the fields of all requests.

use std::str::FromStr;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use http::HeaderName;

use super::{Secret, some_seconds};

/// What happens to requests that are no handshakes, and which fields are believed.
#[derive(Clone, Debug, Args)]
pub struct HttpOptions {
    /// What happens to a request that is no WebSocket handshake.
    #[arg(long, env = "GATEWAY_HTTP", value_enum, default_value_t)]
    pub http: Policy,

    /// Another decision for the paths below a prefix, as in `/socket.io=authenticate`. The longest
    /// prefix counts.
    #[arg(
        long,
        env = "GATEWAY_PATH",
        value_delimiter = ',',
        value_name = "PREFIX=POLICY"
    )]
    pub path: Vec<PathPolicy>,

    /// Where servers of Engine.IO are, as that of Socket.IO. Below these prefixes a `sid` is good for
    /// the user who opened its session, if the path is one of `authenticate`.
    #[arg(
        long,
        env = "GATEWAY_SOCKET_IO_PATH",
        value_delimiter = ',',
        default_value = "/socket.io",
        value_parser = prefix,
        value_name = "PREFIX"
    )]
    pub socket_io_path: Vec<String>,

    /// A secret of at least 32 bytes, which several gateways share: each then knows the sessions
    /// that were opened at another one. Random by default. `@FILE` reads it from a file.
    #[arg(long, env = "GATEWAY_SOCKET_IO_SECRET", hide_env_values = true)]
    pub socket_io_secret: Option<Secret>,

    /// How long an answer to such a request may take to begin, and how long a body may stand still.
    #[arg(long, env = "GATEWAY_HTTP_TIMEOUT", default_value = "120", value_parser = some_seconds, value_name = "SECONDS")]
    pub http_timeout: Duration,

    /// Passes the credential on, for a server that checks it as well. The server and its logs then
    /// see it.
    #[arg(long, env = "GATEWAY_KEEP_CREDENTIAL", value_parser = BoolishValueParser::new())]
    pub keep_credential: bool,

    /// Believes what another proxy of yours says about the client: `x-forwarded` is
    /// `X-Forwarded-For`, `-Proto` and `-Host`, `forwarded` is `Forwarded`. Nobody else may reach the
    /// gateway then.
    #[arg(
        long,
        env = "GATEWAY_TRUST_FORWARDED",
        value_enum,
        default_value_t,
        num_args = 0..=1,
        default_missing_value = "x-forwarded",
        value_name = "KIND"
    )]
    pub trust_forwarded: Trust,

    /// A header field that no client may set, in any spelling. A final `*` stands for the rest of
    /// the name.
    #[arg(
        long,
        env = "GATEWAY_STRIP",
        value_delimiter = ',',
        value_parser = strip,
        value_name = "NAME"
    )]
    pub strip: Vec<String>,
}

/// What happens to a request that is no handshake. The stricter one is the greater one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Policy {
    /// It passes as it came, without a user.
    Pass,
    /// It passes with a credential, as a handshake does.
    Authenticate,
    /// It is refused.
    #[default]
    Refuse,
}

/// A policy for the paths below a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPolicy {
    /// It ends with a segment.
    pub prefix: String,
    /// What happens below it.
    pub policy: Policy,
}

impl FromStr for PathPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const INSTEAD: &str = "write /PREFIX=authenticate, /PREFIX=pass or /PREFIX=refuse";
        let (prefix, policy) = text.rsplit_once('=').ok_or(INSTEAD)?;
        let policy = Policy::from_str(policy, false).map_err(|_| INSTEAD)?;
        if !prefix.starts_with('/') {
            return Err(INSTEAD.to_owned());
        }
        let prefix = self::prefix(prefix)?;
        Ok(Self { prefix, policy })
    }
}

/// Without a final slash.
fn prefix(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err("a prefix begins with a slash: write /socket.io for example".to_owned());
    }
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"%\\;?#*".contains(&byte);
    if !text.bytes().all(is_plain) || crate::path::leads_upwards(text) {
        return Err("the prefix is a plain path: write it without escapes and `..`".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Whose word about the client is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Trust {
    /// Nobody's.
    #[default]
    #[value(alias = "false")]
    None,
    /// That of `X-Forwarded-For`, `-Proto` and `-Host`.
    #[value(alias = "true")]
    XForwarded,
    /// That of `Forwarded` (RFC 7239).
    Forwarded,
}

/// The fields without which there is no handshake.
pub(crate) const NEEDED: [&str; 6] = [
    "host",
    "connection",
    "upgrade",
    "sec-websocket-key",
    "sec-websocket-version",
    "origin",
];

/// In small letters.
fn strip(text: &str) -> Result<String, String> {
    let name = text.strip_suffix('*').unwrap_or(text);
    if HeaderName::from_str(name).is_err() {
        return Err("not a field name: write NAME, or NAME* for all that begin so".to_owned());
    }
    let text = text.to_ascii_lowercase();
    if NEEDED
        .iter()
        .any(|needed| crate::strip::names(&text, needed))
    {
        return Err("a handshake needs this field".to_owned());
    }
    Ok(text)
}
