mod check;
mod http;
mod jwt;
mod message;
mod protocol;
mod secret;
mod session;
#[cfg(test)]
mod tests;
mod ticket;

use std::net::SocketAddr;
use std::time::Duration;

use ::http::HeaderValue;
use ::http::uri::Authority;
use clap::{Parser, ValueEnum, value_parser};

pub(crate) use self::http::NEEDED;
pub use self::http::{HttpOptions, PathPolicy, Policy, Trust};
pub use self::jwt::{ClaimHeader, Hmac, JwtOptions, Offer};
pub use self::message::{Format, MessageOptions};
pub use self::protocol::Protocol;
pub use self::secret::Secret;
pub use self::session::SessionOptions;
pub use self::ticket::{TicketFor, TicketOptions};
use crate::upstream::{Upstream, host_and_port};

/// A reverse proxy that authenticates WebSockets in front of a server that need not know how.
#[derive(Clone, Debug, Parser)]
#[command(version, about)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, env = "GATEWAY_LISTEN", default_value = "127.0.0.1:4000", value_parser = address, value_name = "ADDRESS:PORT")]
    pub listen: SocketAddr,

    /// Where `/healthz`, `/readyz` and `/metrics` are answered. No client may reach it.
    #[arg(long, env = "GATEWAY_ADMIN_LISTEN", value_parser = address, value_name = "ADDRESS:PORT")]
    pub admin_listen: Option<SocketAddr>,

    /// The server behind it. A path is put before the path of every request.
    #[arg(long, env = "GATEWAY_UPSTREAM", value_name = "http://HOST:PORT/BASE")]
    pub upstream: Upstream,

    /// What a client has to show.
    #[arg(long, env = "GATEWAY_STRATEGY", value_enum, default_value_t = Strategy::Jwt)]
    pub strategy: Strategy,

    /// The origins whose pages may connect. `same-as-host` is that of the host that the client asks
    /// for: with `http`, or with what a proxy says under `--trust-forwarded`.
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

    /// What happens to requests that are no handshakes, and which fields are believed.
    #[command(flatten)]
    pub http: HttpOptions,

    /// Which tokens are good.
    #[command(flatten)]
    pub jwt: JwtOptions,

    /// Which sessions are good.
    #[command(flatten)]
    pub session: SessionOptions,

    /// Where tickets are minted, and for whom.
    #[command(flatten)]
    pub ticket: TicketOptions,

    /// Where credentials come after the handshake.
    #[command(flatten)]
    pub message: MessageOptions,

    /// The Redis that keeps the sessions, as connect-redis writes them, the tickets and the
    /// revocations. `@FILE` reads its URL from a file, at the start alone.
    #[arg(
        long,
        env = "GATEWAY_REDIS",
        hide_env_values = true,
        value_name = "redis://HOST:PORT"
    )]
    pub redis: Option<Secret>,

    /// In which language a refused or ended client is told.
    #[arg(long, env = "GATEWAY_CLIENT_PROTOCOL", value_enum, default_value_t)]
    pub client_protocol: Protocol,

    /// Tells a page the upstream's refusals too: its 401, 403, 429 and 503 become 4401 and so on.
    #[arg(long, env = "GATEWAY_CONVERT_UPSTREAM_ERRORS", value_parser = clap::builder::BoolishValueParser::new())]
    pub convert_upstream_errors: bool,

    /// How long a refused browser waits for its answer, in milliseconds, a minute at most.
    #[arg(
        long,
        env = "GATEWAY_HOLD_MS",
        default_value_t = 300,
        value_parser = value_parser!(u64).range(..=60_000),
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

    /// How many connections of users may be open to the upstream at a time, and as many requests
    /// that pass without a user.
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

    /// Over which time a shutdown ends the open connections, one after the other.
    #[arg(long, env = "GATEWAY_DRAIN", default_value = "0", value_parser = seconds, value_name = "SECONDS")]
    pub drain: Duration,

    /// How long a shutdown waits after that for what is still open.
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
    /// A ticket of `--ticket-path`, once, in `?ticket=`.
    Ticket,
}

/// What a page sends that has no origin of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Opaque {
    /// `null`: every page can make a frame with this origin.
    Null,
    /// `file://`, as some shells write it: a downloaded file is one as well.
    File,
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

/// An address and a port. A name would have several addresses.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "not an address and a port: write 127.0.0.1:4000, 0.0.0.0:4000 or [::]:4000 for example"
            .to_owned()
    })
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
