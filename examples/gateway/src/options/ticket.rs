//! The flags about single-use tickets.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::some_seconds;

/// Where tickets are minted, and for whom.
#[derive(Clone, Debug, Args)]
pub struct TicketOptions {
    /// The path whose `POST` answers with a ticket: `{"ticket":"…","expires_at":…}`.
    #[arg(long, env = "GATEWAY_TICKET_PATH", default_value = "/ticket", value_parser = plain_path, value_name = "PATH")]
    pub ticket_path: String,

    /// What a client has to show there.
    #[arg(long, env = "GATEWAY_TICKET_FOR", value_enum, default_value_t)]
    pub ticket_for: TicketFor,

    /// By when a ticket must be used.
    #[arg(long, env = "GATEWAY_TICKET_TTL", default_value = "30", value_parser = some_seconds, value_name = "SECONDS")]
    pub ticket_ttl: Duration,
}

/// What a client has to show for a ticket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum TicketFor {
    /// A JWT.
    #[default]
    Jwt,
    /// A session cookie, and an `Origin`.
    Session,
    /// A JWT; without one the session cookie decides.
    Any,
}

pub(super) fn plain_path(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"%\\;?#*".contains(&byte);
    let fits = text.len() > 1 && text.starts_with('/') && text.bytes().all(is_plain);
    if !fits || crate::path::leads_upwards(text) {
        return Err("not a plain path: write /ticket for example".to_owned());
    }
    Ok(text.to_owned())
}
