mod jwt;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Parser, ValueEnum, value_parser};
use http::HeaderValue;
use http::uri::Authority;

pub use self::jwt::{Hmac, JwtOptions, Offer};
use crate::upstream::{Upstream, host_and_port};

/// A reverse proxy that authenticates WebSockets in front of a server that need not know how.
#[derive(Clone, Debug, Parser)]
#[command(version, about)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, env = "GATEWAY_LISTEN", default_value = "127.0.0.1:4000")]
    pub listen: SocketAddr,

    /// The server behind it. A path is put before the path of every request.
    #[arg(long, env = "GATEWAY_UPSTREAM", value_name = "http://HOST:PORT/BASE")]
    pub upstream: Upstream,

    /// What a client has to show.
    #[arg(long, env = "GATEWAY_STRATEGY", value_enum, default_value_t = Strategy::Jwt)]
    pub strategy: Strategy,

    /// The origins whose pages may connect.
    #[arg(long, env = "GATEWAY_ORIGIN", value_delimiter = ',', required = true)]
    pub origin: Vec<String>,

    /// Allows pages without an origin of their own too.
    #[arg(
        long,
        env = "GATEWAY_DANGEROUS_ORIGIN",
        value_enum,
        value_delimiter = ',',
        value_name = "KIND"
    )]
    pub dangerous_origin: Vec<Opaque>,

    /// Which tokens are good.
    #[command(flatten)]
    pub jwt: JwtOptions,

    /// A secret that signs session cookies, at least 16 bytes; all verify.
    #[arg(long, env = "GATEWAY_SESSION_SECRET", hide_env_values = true)]
    pub session_secret: Vec<Secret>,

    /// Accepts a session secret of fewer than 16 bytes, such as `keyboard cat`, which can be guessed
    /// offline from one cookie.
    #[arg(long, env = "GATEWAY_DANGEROUS_SHORT_SESSION_SECRET", value_parser = BoolishValueParser::new())]
    pub dangerous_short_session_secret: bool,

    /// What the keys of sessions begin with in Redis: the `prefix` of connect-redis.
    #[arg(
        long,
        env = "GATEWAY_SESSION_PREFIX",
        default_value = "sess:",
        value_name = "PREFIX"
    )]
    pub session_prefix: String,

    /// The name of the session cookie.
    #[arg(
        long,
        env = "GATEWAY_SESSION_COOKIE",
        default_value = "connect.sid",
        value_name = "NAME"
    )]
    pub session_cookie: String,

    /// Where a session record keeps its user, text or a number (RFC 6901); without it nobody is
    /// logged in.
    #[arg(
        long,
        env = "GATEWAY_SESSION_USER",
        default_value = "/user",
        value_parser = pointer,
        value_name = "POINTER"
    )]
    pub session_user: String,

    /// The field of a session record that says when its login was: milliseconds since the Unix
    /// epoch, or a date as JavaScript writes it. Without it every session of a user whose key was
    /// revoked is refused, also one of a later login.
    #[arg(long, env = "GATEWAY_SESSION_LOGIN", value_name = "FIELD")]
    pub session_login: Option<String>,

    /// The Redis that keeps the sessions, as connect-redis writes them, and the revocations.
    #[arg(
        long,
        env = "GATEWAY_REDIS",
        hide_env_values = true,
        value_name = "redis://HOST:PORT"
    )]
    pub redis: Option<Secret>,

    /// Believes the `Forwarded` and `X-Forwarded-…` that a request comes with: another proxy of
    /// yours, and nobody else, can reach this one.
    #[arg(long, env = "GATEWAY_TRUST_FORWARDED", value_parser = BoolishValueParser::new())]
    pub trust_forwarded: bool,

    /// How long a refused browser waits for its answer, in milliseconds.
    #[arg(
        long,
        env = "GATEWAY_HOLD_MS",
        default_value_t = 300,
        value_name = "MS"
    )]
    pub hold_ms: u64,

    /// The `Host` that the upstream reads, in place of the one that the client asks for.
    #[arg(long, env = "GATEWAY_UPSTREAM_HOST", value_parser = host, value_name = "HOST")]
    pub upstream_host: Option<HeaderValue>,

    /// How long a client may take to send the head of its request.
    #[arg(long, env = "GATEWAY_HEAD_TIMEOUT", default_value = "10", value_parser = some_seconds, value_name = "SECONDS")]
    pub head_timeout: Duration,

    /// How long the upstream may take to answer a handshake, from the connecting on.
    #[arg(long, env = "GATEWAY_CONNECT_TIMEOUT", default_value = "10", value_parser = some_seconds, value_name = "SECONDS")]
    pub connect_timeout: Duration,

    /// How long a connection may pass no byte in either direction; 0 for ever.
    #[arg(long, env = "GATEWAY_IDLE_TIMEOUT", default_value = "300", value_parser = seconds, value_name = "SECONDS")]
    pub idle_timeout: Duration,

    /// How many connections may be open to the upstream at a time.
    #[arg(
        long,
        env = "GATEWAY_MAX_CONNECTIONS",
        default_value_t = 10_000,
        value_parser = value_parser!(u32).range(1..),
        value_name = "COUNT"
    )]
    pub max_connections: u32,

    /// How many of them may be one user's; 0 for all.
    #[arg(
        long,
        env = "GATEWAY_MAX_PER_USER",
        default_value_t = 0,
        value_name = "COUNT"
    )]
    pub max_per_user: usize,

    /// How long a shutdown waits for what is open.
    #[arg(long, env = "GATEWAY_GRACE", default_value = "6", value_parser = seconds, value_name = "SECONDS")]
    pub grace: Duration,
}

/// What a client has to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Strategy {
    /// A JWT.
    Jwt,
    /// A session cookie, and an `Origin`.
    Session,
    /// A JWT; without one the session cookie decides.
    Any,
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

/// Seconds, a fraction allowed, and no more than a year: what is longer is a slip.
fn seconds(text: &str) -> Result<Duration, String> {
    const YEAR: f64 = 365.0 * 24.0 * 3600.0;
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if !(0.0..=YEAR).contains(&seconds) {
        return Err("not between 0 and a year".to_owned());
    }
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// For what has no time at all in 0 seconds.
fn some_seconds(text: &str) -> Result<Duration, String> {
    match seconds(text)? {
        Duration::ZERO => Err("no time is left: write more than 0, 10 for example".to_owned()),
        some => Ok(some),
    }
}

/// What a `Host` may hold (RFC 9110 §7.2).
fn host(text: &str) -> Result<HeaderValue, String> {
    let authority = text.parse::<Authority>().ok();
    let named = authority.as_ref().and_then(host_and_port);
    // A URI, and so a `Host`, knows no zones (RFC 3986 §3.2.2).
    let (Some(_), false, Ok(host)) = (named, text.contains('%'), text.parse()) else {
        return Err("not a host: write HOST or HOST:PORT, an IPv6 address in brackets".to_owned());
    };
    Ok(host)
}

/// Every record is an object, and a user never all of it.
fn pointer(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err("it points nowhere: write /NAME, or /NAME/NAME for what is inside".to_owned());
    }
    Ok(text.to_owned())
}
