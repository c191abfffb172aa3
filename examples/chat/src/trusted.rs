//! Which tokens are good, built once from the options.

use std::error::Error;
use std::fs;
use std::time::Duration;

use axum::http::HeaderName;
use serde_json::Value;
use tower_ws_auth::Clock;
use tower_ws_auth::credential::{Carriers, CarriersError};
use tower_ws_auth::jwt::{
    Algorithm, ConfigError, Issuers, Jwks, JwksError, Jwt, JwtBuilder, Key, KeyError, KeySource,
    Keys, UserClaim,
};

use crate::logout;
use crate::options::JwtOptions;
use crate::user::revocation_key;

type Failure = Box<dyn Error + Send + Sync>;

/// An unknown `kid` is looked for at once, and then no more often than this.
const COOLDOWN: Duration = Duration::from_secs(5);

/// What decides about tokens. Each `--oidc-issuer` decides about its own.
pub(crate) fn strategy(
    options: &JwtOptions,
    secrets: &[Vec<u8>],
    providers: &[(String, Jwks)],
    clock: &Clock,
) -> Result<Issuers<Value>, Failure> {
    let user = options.user()?;
    let rules = |keys: KeySource| {
        let mut jwt = Jwt::builder(keys)
            .user_claim(user.clone())
            .clock(clock.clone())
            .leeway(options.jwt_leeway);
        if !options.jwt_audience.is_empty() {
            jwt = jwt.audiences(&options.jwt_audience);
        }
        jwt
    };
    let mut discovered = Vec::new();
    for (issuer, jwks) in providers {
        let jwt = build(rules(jwks.clone().into()), &user)?;
        // Their users log out there too.
        let (of_session, of_subject) = (issuer.clone(), issuer.clone());
        let jwt = jwt
            .revocable_by(move |claims: &Value| logout::session_of(&of_session, claims))
            .revocable_by(move |claims: &Value| logout::subject_of(&of_subject, claims));
        discovered.push(jwt);
    }
    let mut jwt = rules(own(options, secrets)?);
    if !options.jwt_issuer.is_empty() {
        jwt = jwt.issuers(&options.jwt_issuer);
    }
    let own = build(jwt, &user)?;
    let issuers = if discovered.is_empty() {
        own.into()
    } else {
        let issuers = Issuers::new(discovered).map_err(|error| wrong(&error))?;
        issuers.others(own)
    };
    Ok(issuers.carriers(carriers(options)?))
}

/// The keys of each `--oidc-issuer`.
pub(crate) fn providers(options: &JwtOptions) -> Result<Vec<(String, Jwks)>, Failure> {
    let discover = |issuer: &String| {
        let jwks = Jwks::discover(issuer).cooldown(COOLDOWN).start();
        let jwks = jwks.map_err(|error| format!("--oidc-issuer: {}", without_risk(&error)))?;
        Ok((issuer.clone(), jwks))
    };
    options.oidc_issuer.iter().map(discover).collect()
}

fn build(jwt: JwtBuilder<Value>, user: &UserClaim) -> Result<Jwt<Value>, Failure> {
    let user = user.clone();
    // Called for tokens that name their user.
    let key = move |claims: &_| revocation_key(&user.of(claims).unwrap_or_default());
    let jwt = jwt.build().map_err(|error| wrong(&error))?;
    Ok(jwt.revocable_by(key))
}

/// The text in the words of the command line.
fn wrong(error: &ConfigError) -> String {
    match error {
        ConfigError::Leeway => "--jwt-leeway: write a number from 0 to 60".to_owned(),
        ConfigError::Empty("issuer") => "--jwt-issuer: a name is empty: leave it out".to_owned(),
        ConfigError::Empty("audience") => {
            "--jwt-audience: a name is empty: leave it out".to_owned()
        }
        ConfigError::Issuers(_) => "--oidc-issuer: two are the same: write it once".to_owned(),
        ConfigError::Keys(KeyError::TooManyUnnamed) => {
            "--jwt-secret and --jwt-public-key: there are more than 8 keys: leave the oldest out"
                .to_owned()
        }
        error => format!("the flags about JWTs: {error}"),
    }
}

fn carriers(options: &JwtOptions) -> Result<Carriers, Failure> {
    let mut carriers = Carriers::builder().max_length(options.jwt_max_length);
    for scheme in options.jwt_scheme.iter().cloned() {
        carriers = carriers.header_scheme(scheme);
    }
    for name in &options.jwt_header_name {
        let name = HeaderName::try_from(name.as_str());
        carriers = carriers.header_field(name.map_err(|_| "--jwt-header-name: no field name")?);
    }
    for format in options.jwt_subprotocol.iter().copied() {
        carriers = carriers.subprotocol(format.into());
    }
    for key in options.jwt_query.iter().cloned() {
        carriers = if key.eq_ignore_ascii_case("authorization") {
            carriers.query_bearer(key)
        } else {
            carriers.query(key)
        };
    }
    if let Some(name) = options.jwt_cookie.clone() {
        carriers = carriers.cookie(name);
    }
    Ok(carriers.build().map_err(|error| match error {
        CarriersError::QueryKey(_) => format!("--jwt-query: {error}"),
        CarriersError::CookieName(_) => format!("--jwt-cookie: {error}"),
        CarriersError::Scheme(_) => format!("--jwt-scheme: {error}"),
        CarriersError::Field(name) => format!(
            "--jwt-header-name: {name} has a flag of its own: use --jwt-scheme, --jwt-cookie or \
             --jwt-subprotocol"
        ),
        _ => "--jwt-max-length: write a number from 1 to 16384".to_owned(),
    })?)
}

/// The keys that belong to no `--oidc-issuer`.
fn own(options: &JwtOptions, secrets: &[Vec<u8>]) -> Result<KeySource, Failure> {
    let mut keys = Keys::new();
    for secret in secrets {
        keys = keys.with(shared(options, secret)?);
    }
    for file in &options.jwt_public_key {
        keys = keys.with(public_key(file)?);
    }
    let Some(url) = &options.jwks_url else {
        return Ok(keys.into());
    };
    let jwks = Jwks::builder(url).cooldown(COOLDOWN).start();
    let jwks = jwks.map_err(|error| format!("--jwks-url: {}", without_risk(&error)))?;
    Ok(jwks.with_local_keys(keys))
}

/// There is no flag for that risk here.
fn without_risk(error: &JwksError) -> String {
    let error = error.to_string();
    error.replace(", or accept the risk with `dangerous_plain_http`", "")
}

fn shared(options: &JwtOptions, secret: &[u8]) -> Result<Key, Failure> {
    let algorithm = options.jwt_algorithm.into();
    let key = if options.dangerous_short_jwt_secret {
        Key::dangerous_short_hmac(algorithm, secret)
    } else {
        Key::hmac(algorithm, secret)
    };
    Ok(key.map_err(|error| match error {
        KeyError::ShortSecret { length, least, .. } => format!(
            "--jwt-secret: it has {length} bytes and {algorithm} wants {least}: take a random one \
             of that length, or accept the risk with --dangerous-short-jwt-secret"
        ),
        error => format!("--jwt-secret: {error}"),
    })?)
}

/// `FILE`, or `ALG=FILE` for an RSA key.
fn public_key(option: &str) -> Result<Key, Failure> {
    const RSA: [Algorithm; 6] = [
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::PS384,
        Algorithm::PS512,
    ];
    let named = option.split_once('=').and_then(|(name, file)| {
        let algorithm = RSA.into_iter().find(|algorithm| algorithm.name() == name)?;
        Some((algorithm, file))
    });
    let (rsa, file) = named.unwrap_or((Algorithm::RS256, option));
    let wrong = |error: &dyn Error| format!("--jwt-public-key {file}: {error}");
    let pem = fs::read(file).map_err(|error| wrong(&error))?;
    let mut key = Key::from_pem(rsa, &pem);
    // The curve of another key names its algorithm.
    for algorithm in [
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::ES512,
        Algorithm::EdDSA,
    ] {
        if let Err(KeyError::WrongKind { .. }) = key {
            key = Key::from_pem(algorithm, &pem);
        }
    }
    Ok(key.map_err(|error| wrong(&error))?)
}
