//! All credentials, built once from the options.

use std::error::Error;
use std::time::Duration;

use serde_json::Value;
use tower_ws_auth::origin::OriginsError;
use tower_ws_auth::redis::{Redis, RedisRevocations, RedisSessions};
use tower_ws_auth::session::{ConfigError, Secrets, Session, Sessions};
use tower_ws_auth::{MemoryRevocations, Origins, Revocations};

use crate::identity::{in_record, revocation_key};
use crate::options::{Opaque, Options, Secret};

type Failure = Box<dyn Error + Send + Sync>;

/// Longer than a token should live. A token that lives longer passes again after it.
const REMEMBERED: Duration = Duration::from_secs(90 * 24 * 3600);

pub(crate) fn origins(options: &Options) -> Result<Origins, Failure> {
    let origins = Origins::new(&options.origin);
    let mut origins = origins.map_err(|error| match error {
        OriginsError::Null => "--origin: `null` needs --dangerous-origin null".to_owned(),
        OriginsError::File => "--origin: `file://` needs --dangerous-origin file".to_owned(),
        error => format!("--origin: {error}"),
    })?;
    for kind in &options.dangerous_origin {
        origins = match kind {
            Opaque::Null => origins.and_dangerous_null(),
            Opaque::File => origins.and_dangerous_file(),
        };
    }
    Ok(origins)
}

/// A session of another application, in the Redis that both share.
pub(crate) fn session(
    options: &Options,
    origins: &Origins,
    redis: Option<&Redis>,
    revocations: Revocations,
) -> Result<Session<Value, String>, Failure> {
    if options.session_secret.is_empty() {
        return Err("a session needs --session-secret".into());
    }
    let redis = redis.ok_or("a session needs --redis, where its record is")?;
    let given = options.session_secret.iter().map(Secret::as_bytes);
    let secrets = if options.dangerous_short_session_secret {
        Secrets::dangerous_short_express(given)
    } else {
        Secrets::express(given)
    };
    let secrets = secrets.map_err(|error| {
        format!("--session-secret: {error} (here: --dangerous-short-session-secret)")
    })?;
    let store = RedisSessions::new(redis.clone()).prefix(&options.session_prefix);
    let pointer = options.session_user.clone();
    let user = move |record: &Value| in_record(record, &pointer);
    let key = user.clone();
    let mut sessions = Sessions::builder(secrets, store)
        .cookie_name(&options.session_cookie)
        .revocations(revocations)
        .revocable_by(move |record| key(record).map(|user| revocation_key(&user)));
    if let Some(field) = &options.session_login {
        sessions = sessions.login_field(field);
    }
    let sessions = sessions.build().map_err(|error| {
        let option = match &error {
            ConfigError::LoginField(_) => "--session-login",
            _ => "--session-cookie",
        };
        format!("{option}: {error}")
    })?;
    Ok(sessions.strategy(origins.clone(), user))
}

pub(crate) async fn redis(options: &Options) -> Result<Option<Redis>, Failure> {
    let Some(url) = &options.redis else {
        return Ok(None);
    };
    let redis = Redis::connect(url.as_str()).await;
    Ok(Some(redis.map_err(|error| format!("--redis: {error}"))?))
}

/// Without Redis nothing can be revoked, but connections still end when their credentials expire.
pub(crate) fn revocations(redis: Option<&Redis>) -> Revocations {
    match redis {
        Some(redis) => Revocations::new(RedisRevocations::new(redis.clone(), REMEMBERED)),
        None => Revocations::new(MemoryRevocations::new(REMEMBERED, 0)),
    }
}
