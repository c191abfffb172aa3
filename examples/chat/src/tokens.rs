use std::error::Error;
use std::fmt;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::json;
use tower_ws_auth::credential::{Carriers, SubprotocolFormat};
use tower_ws_auth::jwt::{Algorithm, Jwks, Jwt, JwtEncoder, Key, SigningKey};
use tower_ws_auth::{Clock, Validity};

use crate::options::Options;
use crate::user::revocation_key;

/// The claims that the chat needs.
#[derive(Clone, Debug, Deserialize)]
pub struct Claims {
    /// The user.
    pub sub: String,
    /// Seconds since the Unix epoch; a fraction is allowed.
    pub exp: f64,
}

/// Three tokens for trying the program out.
#[derive(Clone)]
pub struct DemoTokens {
    /// Valid for an hour.
    pub valid: String,
    /// Expired an hour ago.
    pub expired: String,
    /// Signed with another key.
    pub tampered: String,
}

/// Checks tokens, and mints them.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    options: Options,
    secret: Vec<u8>,
    jwks: Option<Jwks>,
    clock: Clock,
}

impl Tokens {
    /// The clock that checks them.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn new(
        options: &Options,
        clock: &Clock,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let secret = match &options.jwt_secret {
            Some(secret) => secret.as_bytes().to_owned(),
            None => random()?,
        };
        let tokens = Self {
            options: options.clone(),
            secret,
            jwks: options.jwks_url.as_deref().map(jwks).transpose()?,
            clock: clock.clone(),
        };
        // Wrong options fail here, not at the first request.
        tokens.strategy()?;
        Ok(tokens)
    }

    pub(crate) fn strategy(&self) -> Result<Jwt<Claims>, Box<dyn Error + Send + Sync>> {
        let carriers = Carriers::builder()
            .query("token")
            .query("access_token")
            .query_bearer("Authorization")
            .bearer_header()
            .subprotocol(SubprotocolFormat::Phoenix)
            .build()?;
        let key = if self.options.dangerous_short_jwt_secret {
            Key::dangerous_short_hmac(Algorithm::HS256, &self.secret)?
        } else {
            Key::hs256(&self.secret).map_err(|error| {
                format!("--jwt-secret: {error} (here: --dangerous-short-jwt-secret)")
            })?
        };
        let keys = match &self.jwks {
            Some(jwks) => jwks.clone().with_local_keys(key),
            None => key.into(),
        };
        let mut jwt = Jwt::builder(keys)
            .carriers(carriers)
            .require_claim("sub")
            .clock(self.clock.clone())
            .leeway(Duration::from_secs(self.options.jwt_leeway));
        if let Some(issuer) = &self.options.jwt_issuer {
            jwt = jwt.issuer(issuer);
        }
        if let Some(audience) = &self.options.jwt_audience {
            jwt = jwt.audience(audience);
        }
        Ok(jwt
            .build()?
            .revocable_by(|claims: &Claims| revocation_key(&claims.sub)))
    }

    /// A token for a user, limited by the validity of the session. Returns it with its expiry in
    /// seconds since the Unix epoch.
    pub(crate) fn issue(
        &self,
        user: &str,
        ttl: u64,
        validity: &Validity,
    ) -> Result<(String, u64), Box<dyn Error + Send + Sync>> {
        let exp = self.clock.unix_seconds() + ttl;
        let exp = match validity.end() {
            Some(end) => exp.min(end.duration_since(SystemTime::UNIX_EPOCH)?.as_secs()),
            None => exp,
        };
        Ok((self.token(user, exp, &self.secret, validity)?, exp))
    }

    pub(crate) fn demo(&self) -> Result<DemoTokens, Box<dyn Error + Send + Sync>> {
        const HOUR: u64 = 3600;
        let now = self.clock.unix_seconds();
        let token = |exp, secret: &[u8]| {
            let validity = Validity::since(self.clock.now());
            self.token("ada", exp, secret, &validity)
        };
        Ok(DemoTokens {
            valid: token(now + HOUR, &self.secret)?,
            expired: token(now.saturating_sub(HOUR), &self.secret)?,
            tampered: token(now + HOUR, &random()?)?,
        })
    }

    fn token(
        &self,
        user: &str,
        exp: u64,
        secret: &[u8],
        validity: &Validity,
    ) -> Result<String, Box<dyn Error + Send + Sync>> {
        let mut claims = json!({ "sub": user, "user": user, "exp": exp });
        if let Some(issuer) = &self.options.jwt_issuer {
            claims["iss"] = json!(issuer);
        }
        if let Some(audience) = &self.options.jwt_audience {
            claims["aud"] = json!(audience);
        }
        // The length of the secret was checked with the options.
        let key = SigningKey::dangerous_short_hmac(Algorithm::HS256, secret)?;
        // `iat` and the revocation keys are the session's.
        Ok(JwtEncoder::new(key).encode_inheriting(&claims, validity)?)
    }
}

fn jwks(url: &str) -> Result<Jwks, Box<dyn Error + Send + Sync>> {
    // An unknown `kid` is fetched at once, but no more often than this.
    let jwks = Jwks::builder(url).cooldown(Duration::from_secs(5)).start();
    Ok(jwks.map_err(|error| format!("--jwks-url: {error}"))?)
}

pub(crate) fn random() -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
    let mut bytes = vec![0; 32];
    getrandom::fill(&mut bytes).map_err(|error| format!("no randomness: {error}"))?;
    Ok(bytes)
}

impl fmt::Debug for DemoTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DemoTokens")
    }
}
