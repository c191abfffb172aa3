//! All credentials, built once from the options.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use serde_json::Value;
use tower_ws_auth::origin::OriginsError;
use tower_ws_auth::redis::{Redis, RedisRevocations, RedisSessions, RedisTickets};
use tower_ws_auth::session::{ConfigError, Secrets, Sessions};
use tower_ws_auth::ticket::{MemoryTickets, MintRequest, TicketRequest, TicketStore, Tickets};
use tower_ws_auth::{
    Authenticated, MemoryRevocations, Origins, Rejection, RejectionKind, Revocations,
};

use crate::forwarded;
use crate::identity::{User, in_record, revocation_key};
use crate::options::{Opaque, Options, SessionOptions, TicketOptions};

type Failure = Box<dyn Error + Send + Sync>;

/// Longer than a token should live. A token that lives longer passes again after it.
const REMEMBERED: Duration = Duration::from_secs(90 * 24 * 3600);

/// The entry of `--origin` for the host that a client asks for.
const SAME_AS_HOST: &str = "same-as-host";

/// The maximum number of outstanding tickets of a user.
const TICKETS_PER_USER: u32 = 1000;

pub(crate) fn origins(options: &Options) -> Result<Origins, Failure> {
    let is_own = |origin: &&String| *origin == SAME_AS_HOST;
    let listed: Vec<_> = options.origin.iter().filter(|o| !is_own(o)).collect();
    let mut origins = if listed.len() == options.origin.len() {
        listed_origins(&listed)?
    } else if listed.is_empty() {
        Origins::same_as(forwarded::own_origin)
    } else {
        listed_origins(&listed)?.and_same_as(forwarded::own_origin)
    };
    for kind in &options.dangerous_origin {
        origins = match kind {
            Opaque::Null => origins.and_dangerous_null(),
            Opaque::File => origins.and_dangerous_file(),
        };
    }
    Ok(origins)
}

fn listed_origins(listed: &[&String]) -> Result<Origins, String> {
    Origins::new(listed).map_err(|error| match error {
        OriginsError::Null => "--origin: `null` needs --dangerous-origin null".to_owned(),
        OriginsError::File => "--origin: `file://` needs --dangerous-origin file".to_owned(),
        error => format!("--origin: {error}"),
    })
}

/// Sessions of another application, in the Redis that both share.
pub(crate) fn sessions(
    options: &SessionOptions,
    redis: Option<&Redis>,
    revocations: Revocations,
) -> Result<Sessions<Value>, Failure> {
    if options.session_secret.is_empty() {
        return Err("a session needs --session-secret".into());
    }
    let redis = redis.ok_or("a session needs --redis, where its record is")?;
    let mut given = Vec::new();
    for secret in &options.session_secret {
        given.push(secret.read("--session-secret")?);
    }
    let secrets = if options.dangerous_short_session_secret {
        Secrets::dangerous_short_express(given)
    } else {
        Secrets::express(given)
    };
    let secrets = secrets.map_err(|error| {
        format!("--session-secret: {error} (here: --dangerous-short-session-secret)")
    })?;
    let store = RedisSessions::new(redis.clone()).prefix(&options.session_prefix);
    let key = user(options);
    let mut sessions = Sessions::builder(secrets, store)
        .cookie_name(&options.session_cookie)
        .revocations(revocations)
        .revocable_by(move |record| key(record).map(|user| revocation_key(&user)));
    if let Some(field) = &options.session_login {
        sessions = sessions.login_field(field);
    }
    Ok(sessions.build().map_err(|error| {
        let option = match &error {
            ConfigError::LoginField(_) => "--session-login",
            _ => "--session-cookie",
        };
        format!("{option}: {error}")
    })?)
}

/// Finds the user in a record.
pub(crate) fn user(
    options: &SessionOptions,
) -> impl Fn(&Value) -> Option<String> + Clone + Send + Sync + 'static {
    let pointer = options.session_user.clone();
    move |record: &Value| in_record(record, &pointer)
}

pub(crate) fn tickets(
    options: &TicketOptions,
    redis: Option<&Redis>,
) -> Result<Tickets<User>, Failure> {
    let ttl = options.ticket_ttl;
    let wrong = |error: &dyn Error| format!("--ticket-ttl: {error}");
    let store: Arc<dyn TicketStore> = if let Some(redis) = redis {
        Arc::new(RedisTickets::new(redis.clone()).per_subject(TICKETS_PER_USER))
    } else {
        let store = MemoryTickets::builder()
            .max_ttl(ttl)
            .per_subject(TICKETS_PER_USER);
        Arc::new(store.build().map_err(|error| wrong(&error))?)
    };
    let tickets = Tickets::builder(store).ttl(ttl).audience("gateway").build();
    Ok(tickets.map_err(|error| wrong(&error))?)
}

/// Decides about a ticket of the user whom another strategy has admitted.
pub(crate) fn order(
    head: &Parts,
    mint_request: MintRequest,
) -> Result<TicketRequest<User>, Rejection> {
    let forbidden = |detail| Rejection::new(RejectionKind::Forbidden, detail);
    if mint_request.channel.is_some() {
        return Err(forbidden("the gateway knows no channels"));
    }
    let user = head.extensions.get::<Authenticated<User>>();
    let user = user.ok_or_else(|| forbidden("nobody is authenticated"))?;
    let user = user.clone().into_inner();
    let subject = user.name().to_owned();
    Ok(TicketRequest::new(user, mint_request.into_purpose()).subject(subject))
}

pub(crate) async fn redis(options: &Options) -> Result<Option<Redis>, Failure> {
    let Some(url) = &options.redis else {
        return Ok(None);
    };
    let redis = Redis::connect(&url.read("--redis")?).await;
    Ok(Some(redis.map_err(|error| format!("--redis: {error}"))?))
}

/// Without Redis nothing can be revoked, but connections still end when their credentials expire.
pub(crate) fn revocations(redis: Option<&Redis>) -> Revocations {
    match redis {
        Some(redis) => Revocations::new(RedisRevocations::new(redis.clone(), REMEMBERED)),
        None => Revocations::new(MemoryRevocations::new(REMEMBERED, 0)),
    }
}
