use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Map, Value, json};
use tower_ws_auth::jwt::{Issuers, Jwks, JwtEncoder, SigningKey, UserClaim};
use tower_ws_auth::{Clock, Validity};

use crate::options::JwtOptions;
use crate::trusted;

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
    options: JwtOptions,
    /// The first one signs.
    secrets: Vec<Vec<u8>>,
    /// Each `--oidc-issuer`, with its keys.
    providers: Vec<(String, Jwks)>,
    /// Clones share what was fetched.
    strategy: Arc<Issuers<Value>>,
    clock: Clock,
}

impl Tokens {
    /// The clock that checks them.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Each `--oidc-issuer`, with its keys.
    pub(crate) fn providers(&self) -> &[(String, Jwks)] {
        &self.providers
    }

    pub(crate) fn new(
        options: &JwtOptions,
        clock: &Clock,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let secrets = match options.jwt_secret.as_slice() {
            [] => vec![random()?],
            given => given.iter().map(|it| it.as_bytes().to_owned()).collect(),
        };
        let providers = trusted::providers(options)?;
        Ok(Self {
            strategy: Arc::new(trusted::strategy(options, &secrets, &providers, clock)?),
            providers,
            options: options.clone(),
            secrets,
            clock: clock.clone(),
        })
    }

    fn signing_secret(&self) -> &[u8] {
        self.secrets.first().map_or(&[], Vec::as_slice)
    }

    pub(crate) fn strategy(&self) -> Arc<Issuers<Value>> {
        Arc::clone(&self.strategy)
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
        Ok((self.token(user, exp, self.signing_secret(), validity)?, exp))
    }

    pub(crate) fn demo(&self) -> Result<DemoTokens, Box<dyn Error + Send + Sync>> {
        const HOUR: u64 = 3600;
        let now = self.clock.unix_seconds();
        let token = |exp, secret: &[u8]| {
            let validity = Validity::since(self.clock.now());
            self.token("ada", exp, secret, &validity)
        };
        Ok(DemoTokens {
            valid: token(now + HOUR, self.signing_secret())?,
            expired: token(now.saturating_sub(HOUR), self.signing_secret())?,
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
        let mut claims = json!({ "sub": user, "user": user });
        name(&mut claims, &self.options.user()?, user);
        claims["exp"] = json!(exp);
        if let Some(issuer) = self.options.jwt_issuer.first() {
            claims["iss"] = json!(issuer);
        }
        if let Some(audience) = self.options.jwt_audience.first() {
            claims["aud"] = json!(audience);
        }
        // The length of the secret was judged when the options were.
        let key = SigningKey::dangerous_short_hmac(self.options.jwt_algorithm.into(), secret)?;
        // `iat` and the keys by which it is revoked are the session's.
        Ok(JwtEncoder::new(key).encode_inheriting(&claims, validity)?)
    }
}

/// Names the user where a token of this program is expected to.
fn name(claims: &mut Value, claim: &UserClaim, user: &str) {
    let mut place = claims;
    for name in claim.path() {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place = &mut place[name];
    }
    *place = json!(user);
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
