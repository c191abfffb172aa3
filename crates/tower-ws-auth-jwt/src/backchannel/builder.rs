use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tower_ws_auth_core::{Clock, DisconnectReason, Revocations};
use tower_ws_auth_ticket::ReplayStore;

use crate::backchannel::logout_token::{Freshness, LogoutToken};
use crate::backchannel::service::{BackchannelLogout, Settings};
use crate::{ConfigError, Issuers, Jwt, JwtBuilder, KeySource};

/// Configures a [`BackchannelLogout`]. Finish with [`build`](Self::build).
#[must_use]
pub struct BackchannelLogoutBuilder {
    clients: Vec<String>,
    providers: Vec<(String, KeySource)>,
    clock: Clock,
    freshness: Freshness,
    allowed_skew: Duration,
    reason: DisconnectReason,
    body_timeout: Duration,
    security_events: bool,
}

impl BackchannelLogout {
    /// Starts with the id that this application has at its providers: the `aud` of their tokens.
    pub fn builder(client: impl Into<String>) -> BackchannelLogoutBuilder {
        BackchannelLogoutBuilder {
            clients: vec![client.into()],
            providers: Vec::new(),
            clock: Clock::system(),
            freshness: Freshness {
                max_age: Duration::from_secs(5 * 60),
                leeway: Duration::from_secs(60),
            },
            allowed_skew: Duration::from_secs(60),
            reason: DisconnectReason::SessionEnded,
            body_timeout: Duration::from_secs(10),
            security_events: false,
        }
    }
}

impl BackchannelLogoutBuilder {
    /// Adds another id of this application, at the same or another provider.
    pub fn client(mut self, client: impl Into<String>) -> Self {
        self.clients.push(client.into());
        self
    }

    /// Adds a provider by its exact `iss`, with the keys that sign its tokens, as a rule a
    /// [`Jwks`](crate::Jwks).
    pub fn provider(mut self, issuer: impl Into<String>, keys: impl Into<KeySource>) -> Self {
        self.providers.push((issuer.into(), keys.into()));
        self
    }

    /// How long after its issue (`iat`) a token is accepted. 5 minutes by default.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.freshness.max_age = age;
        self
    }

    /// By how much the clocks of the providers may differ, at most 60 s, which is the default.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.freshness.leeway = leeway;
        self
    }

    /// By how much the clocks of the nodes and of the store may differ. 60 s by default. The store
    /// remembers each token for so much longer.
    pub fn allowed_skew(mut self, skew: Duration) -> Self {
        self.allowed_skew = skew;
        self
    }

    /// The reason for the connections that end, in place of
    /// [`SessionEnded`](DisconnectReason::SessionEnded).
    pub fn reason(mut self, reason: DisconnectReason) -> Self {
        self.reason = reason;
        self
    }

    /// How long to wait for the body. 10 seconds by default.
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.body_timeout = timeout;
        self
    }

    /// Takes security events too, which a provider pushes to the same URI (Shared Signals Framework,
    /// RFC 8935): `session-revoked` of CAEP ends what it names, and other events are acknowledged.
    ///
    /// The event names its subject in `sub_id`, in the formats `iss_sub`, `opaque`, `email`, and
    /// `complex` of a `user`, a `session` or both. The connections of a user end on all devices, if it
    /// names a device too.
    ///
    /// | answer | |
    /// |---|---|
    /// | 202 | done; or it is the same event once more, and nothing is done |
    /// | 400 `{"err":"invalid_request"}`, `invalid_issuer`, `invalid_audience` or `invalid_key` | the event is invalid |
    /// | 503 | a store or the provider's keys are unavailable: the same event may come again |
    ///
    /// The rules are those of a [logout token](BackchannelLogout#rules), except that `typ` is
    /// `secevent+jwt`.
    pub fn security_events(mut self) -> Self {
        self.security_events = true;
        self
    }

    /// The clock, for tests.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Builds the service. `keys` names the revocation keys of a logout. The store remembers each
    /// token, so that none is used twice; the nodes share it.
    ///
    /// # Errors
    ///
    /// No provider, two with the same `iss`, an empty text, keys that cannot be used or that belong
    /// to another issuer, a leeway beyond 60 s, and a store that
    /// [forgets](ConfigError::ForgetfulStore) a token while it is accepted.
    pub fn build<K>(
        self,
        store: impl ReplayStore + 'static,
        revocations: Revocations,
        keys: impl Fn(&LogoutToken) -> K + Send + Sync + 'static,
    ) -> Result<BackchannelLogout, ConfigError>
    where
        K: IntoIterator<Item: Into<String>>,
    {
        let jwts = self.providers.into_iter().map(|(issuer, keys)| {
            let jwt: JwtBuilder<Value> = Jwt::builder(keys)
                .issuer(issuer)
                .audiences(&self.clients)
                .clock(self.clock.clone())
                .leeway(self.freshness.leeway)
                // Older providers write no `exp`; `iat` is demanded to be fresh.
                .dangerous_allow_missing_exp();
            jwt.build()
        });
        let issuers = Issuers::new(jwts.collect::<Result<Vec<_>, _>>()?)?;
        // From the earliest moment at which it is accepted to the last.
        let remembered = (self.freshness.max_age)
            .saturating_add(self.freshness.leeway.saturating_mul(2))
            .saturating_add(self.allowed_skew);
        if store.max_ttl().is_some_and(|longest| longest < remembered) {
            return Err(ConfigError::ForgetfulStore);
        }
        let keys = move |token: &LogoutToken| keys(token).into_iter().map(Into::into).collect();
        Ok(BackchannelLogout::new(Settings {
            issuers,
            store: Arc::new(store),
            revocations,
            keys: Box::new(keys),
            clock: self.clock,
            freshness: self.freshness,
            remembered,
            reason: self.reason,
            body_timeout: self.body_timeout,
            security_events: self.security_events,
        }))
    }
}

impl fmt::Debug for BackchannelLogoutBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackchannelLogoutBuilder")
            .field("clients", &self.clients)
            .field("providers", &self.providers)
            .field("freshness", &self.freshness)
            .finish_non_exhaustive()
    }
}
