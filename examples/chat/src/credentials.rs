//! Everything that says who somebody is, built once from the options.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tower_ws_auth::jwt::Jwt;
use tower_ws_auth::session::{MemorySessions, Secrets, Sessions};
use tower_ws_auth::ticket::{MemoryTickets, Tickets};

use crate::options::{Options, Secret};
use crate::tokens::{Claims, Tokens, random};
use crate::user::{Known, Record};

/// The strategies' sources. Clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) tokens: Tokens,
    pub(crate) sessions: Sessions<Record>,
    pub(crate) tickets: Tickets<Known>,
}

/// How many people can be logged in.
const SESSIONS: usize = 100_000;
/// How many tickets a user can have outstanding.
const TICKETS_PER_USER: u32 = 10_000;

impl Credentials {
    pub(crate) fn new(options: &Options) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let tokens = Tokens::new(options)?;
        // Whatever is wrong with the options is wrong now, not at the first request.
        tokens.strategy()?;
        Ok(Self {
            tokens,
            sessions: sessions(options)?,
            tickets: tickets(options)?,
        })
    }

    pub(crate) fn jwt(&self) -> Result<Jwt<Claims>, Box<dyn Error + Send + Sync>> {
        self.tokens.strategy()
    }
}

fn sessions(options: &Options) -> Result<Sessions<Record>, Box<dyn Error + Send + Sync>> {
    let secrets = if options.session_secret.is_empty() {
        Secrets::express([random()?])?
    } else {
        Secrets::express(options.session_secret.iter().map(Secret::as_bytes))
            .map_err(|error| format!("--session-secret: {error}"))?
    };
    let store = MemorySessions::new(SESSIONS);
    // The chat speaks plain HTTP. Yours does not: leave this line out.
    Ok(Sessions::builder(secrets, store)
        .dangerous_without_secure()
        .build()?)
}

fn tickets(options: &Options) -> Result<Tickets<Known>, Box<dyn Error + Send + Sync>> {
    let ttl = Duration::from_secs(options.ticket_ttl);
    let wrong = |error: &dyn Error| format!("--ticket-ttl: {error}");
    let store = MemoryTickets::builder()
        .max_ttl(ttl)
        .per_subject(TICKETS_PER_USER)
        .build();
    let store = store.map_err(|error| wrong(&error))?;
    let tickets = Tickets::builder(Arc::new(store)).ttl(ttl).build();
    Ok(tickets.map_err(|error| wrong(&error))?)
}
