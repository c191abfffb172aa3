//! All credentials, built once from the options.

use std::error::Error;
use std::time::Duration;

use serde_json::Value;
use tower_ws_auth::credential::{Carriers, SubprotocolFormat};
use tower_ws_auth::jwt::{Jwks, Jwt, Key};
use tower_ws_auth::redis::{Redis, RedisRevocations, RedisSessions};
use tower_ws_auth::session::{ConfigError, Secrets, Session, Sessions};
use tower_ws_auth::{MemoryRevocations, Origins, Revocations};

use crate::identity::{Claims, in_record, revocation_key};
use crate::options::{Options, Secret};

type Failure = Box<dyn Error + Send + Sync>;

/// Longer than a token should live. A token that lives longer passes again after it.
const REMEMBERED: Duration = Duration::from_secs(90 * 24 * 3600);

/// A JWT with the user in `sub`.
pub(crate) fn jwt(options: &Options) -> Result<Jwt<Claims>, Failure> {
    let carriers = Carriers::builder()
        .query("token")
        .query("access_token")
        .query_bearer("Authorization")
        .bearer_header()
        .subprotocol(SubprotocolFormat::Phoenix)
        .build()?;
    let wrong = |option: &'static str| move |error: &dyn Error| format!("{option}: {error}");
    let key = match &options.jwt_secret {
        Some(secret) => {
            let key = Key::hs256(secret.as_bytes());
            Some(key.map_err(|error| wrong("--jwt-secret")(&error))?)
        }
        None => None,
    };
    let jwks = match &options.jwks_url {
        Some(url) => {
            let jwks = Jwks::builder(url.as_str()).start();
            Some(jwks.map_err(|error| wrong("--jwks-url")(&error))?)
        }
        None => None,
    };
    let keys = match (jwks, key) {
        (Some(jwks), Some(key)) => jwks.with_local_keys(key),
        (Some(jwks), None) => jwks.into(),
        (None, Some(key)) => key.into(),
        (None, None) => return Err("a JWT needs --jwt-secret or --jwks-url".into()),
    };
    let mut jwt = Jwt::builder(keys)
        .carriers(carriers)
        .require_claim("sub")
        .leeway(options.jwt_leeway);
    if let Some(issuer) = &options.jwt_issuer {
        jwt = jwt.issuer(issuer);
    }
    if let Some(audience) = &options.jwt_audience {
        jwt = jwt.audience(audience);
    }
    let jwt = jwt.build()?;
    Ok(jwt.revocable_by(|claims: &Claims| revocation_key(&claims.sub)))
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
    let secrets = Secrets::express(options.session_secret.iter().map(Secret::as_bytes))
        .map_err(|error| format!("--session-secret: {error}"))?;
    let pointer = options.session_user.clone();
    let user = move |record: &Value| in_record(record, &pointer);
    let key = user.clone();
    let mut sessions = Sessions::builder(secrets, RedisSessions::new(redis.clone()))
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
