//! All credentials, built once from the options.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tower_ws_auth::redis::{Redis, RedisRelay, RedisRevocations, RedisSessions, RedisTickets};
use tower_ws_auth::session::{MemorySessions, Secrets, Sessions};
use tower_ws_auth::ticket::{MemoryTickets, TicketStore, Tickets};
use tower_ws_auth::{Clock, MemoryRevocations, Revocations};

use crate::account::BODY_TIMEOUT;
use crate::logout::Logouts;
use crate::options::{Options, Secret};
use crate::tokens::{Tokens, random};
use crate::user::{Known, Record, revocation_key};

/// The sources of the strategies. Clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) tokens: Tokens,
    pub(crate) sessions: Sessions<Record>,
    pub(crate) tickets: Tickets<Known>,
    pub(crate) revocations: Revocations,
    /// The logout tokens that were used.
    pub(crate) logouts: Logouts,
    /// To the other nodes.
    pub(crate) relay: Option<RedisRelay>,
}

/// The maximum number of sessions.
const SESSIONS: usize = 100_000;
/// The maximum number of outstanding tickets of a user.
const TICKETS_PER_USER: u32 = 10_000;
/// The maximum number of revoked users.
const REVOKED: usize = 100_000;
/// Longer than a logout token is accepted.
const LOGOUTS: Duration = Duration::from_secs(15 * 60);
/// Longer than the life of any token that this program mints. After it, a longer-lived token from
/// elsewhere passes again.
const REMEMBERED: Duration = Duration::from_secs(90 * 24 * 3600);

impl Credentials {
    pub(crate) async fn new(
        options: &Options,
        clock: &Clock,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let tokens = Tokens::new(&options.jwt, clock)?;
        let redis = match &options.redis {
            Some(url) => Some(redis(url).await?),
            None => None,
        };
        let redis = redis.as_ref();
        let revocations = revocations(redis, clock);
        Ok(Self {
            tokens,
            sessions: sessions(options, redis, revocations.clone(), clock)?,
            tickets: tickets(options, redis, clock)?,
            logouts: logouts(redis)?,
            relay: redis.cloned().map(RedisRelay::new).transpose()?,
            revocations,
        })
    }
}

async fn redis(url: &Secret) -> Result<Redis, Box<dyn Error + Send + Sync>> {
    let redis = Redis::connect(url.as_str()).await;
    Ok(redis.map_err(|error| format!("--redis: {error}"))?)
}

fn revocations(redis: Option<&Redis>, clock: &Clock) -> Revocations {
    let builder = match redis {
        Some(redis) => Revocations::builder(RedisRevocations::new(redis.clone(), REMEMBERED)),
        None => Revocations::builder(MemoryRevocations::new(REMEMBERED, REVOKED)),
    };
    builder.clock(clock.clone()).build()
}

fn sessions(
    options: &Options,
    redis: Option<&Redis>,
    revocations: Revocations,
    clock: &Clock,
) -> Result<Sessions<Record>, Box<dyn Error + Send + Sync>> {
    let secrets = if options.session_secret.is_empty() {
        Secrets::express([random()?])?
    } else {
        let given = options.session_secret.iter().map(Secret::as_bytes);
        let secrets = if options.dangerous_short_session_secret {
            Secrets::dangerous_short_express(given)
        } else {
            Secrets::express(given)
        };
        secrets.map_err(|error| {
            format!("--session-secret: {error} (here: --dangerous-short-session-secret)")
        })?
    };
    let sessions = match redis {
        Some(redis) => Sessions::builder(
            secrets,
            RedisSessions::new(redis.clone()).prefix(&options.session_prefix),
        ),
        None => Sessions::builder(secrets, MemorySessions::new(SESSIONS)),
    };
    // A logout is then one call, and revoking a user ends the user's sessions too.
    let sessions = sessions
        .clock(clock.clone())
        .revocations(revocations)
        .revocable_by(|record: &Record| record.user.as_deref().map(revocation_key));
    // Your application speaks HTTPS only: leave this out.
    let sessions = if options.tls_cert.is_none() {
        sessions.dangerous_without_secure()
    } else {
        sessions
    };
    Ok(sessions.build()?)
}

fn logouts(redis: Option<&Redis>) -> Result<Logouts, Box<dyn Error + Send + Sync>> {
    Ok(Logouts(match redis {
        Some(redis) => Arc::new(RedisTickets::new(redis.clone()).prefix("wsauth:logout:")),
        None => Arc::new(MemoryTickets::builder().max_ttl(LOGOUTS).build()?),
    }))
}

fn tickets(
    options: &Options,
    redis: Option<&Redis>,
    clock: &Clock,
) -> Result<Tickets<Known>, Box<dyn Error + Send + Sync>> {
    let ttl = Duration::from_secs(options.ticket_ttl);
    let wrong = |error: &dyn Error| format!("--ticket-ttl: {error}");
    let store: Arc<dyn TicketStore> = if let Some(redis) = redis {
        Arc::new(RedisTickets::new(redis.clone()).per_subject(TICKETS_PER_USER))
    } else {
        let store = MemoryTickets::builder()
            .max_ttl(ttl)
            .per_subject(TICKETS_PER_USER);
        Arc::new(store.build().map_err(|error| wrong(&error))?)
    };
    let tickets = Tickets::builder(store)
        .ttl(ttl)
        .body_timeout(BODY_TIMEOUT)
        .clock(clock.clone())
        .build();
    Ok(tickets.map_err(|error| wrong(&error))?)
}
