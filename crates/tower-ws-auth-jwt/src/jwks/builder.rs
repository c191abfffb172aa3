use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tower_ws_auth_core::Clock;

use super::document::Limits;
use super::fetch::Fetch;
use super::flight::{Shared, Times};
use super::refresh::{Location, Refresh};
use super::{Jwks, JwksError, Task, url};
use crate::Algorithm;
use crate::algorithm::Family;

/// Configures a [`Jwks`]. Finish with [`start`](Self::start).
#[must_use]
pub struct JwksBuilder {
    location: String,
    discover: bool,
    issuer: Option<String>,
    fetch: Option<Arc<dyn Fetch>>,
    plain: bool,
    limits: Limits,
    times: Times,
    clock: Option<Clock>,
}

impl JwksBuilder {
    pub(crate) fn at_url(location: String) -> Self {
        Self {
            location,
            discover: false,
            issuer: None,
            fetch: None,
            plain: false,
            limits: Limits {
                bytes: 256 * 1024,
                keys: 100,
                algorithms: None,
                rsa: Algorithm::RS256,
            },
            times: Times {
                refresh: Duration::from_secs(10 * 60),
                cooldown: Duration::from_secs(30),
                max_stale: Duration::from_secs(24 * 60 * 60),
                timeout: Duration::from_secs(10),
                wait: Duration::from_secs(3),
            },
            clock: None,
        }
    }

    pub(crate) fn of_issuer(issuer: String) -> Self {
        Self {
            discover: true,
            issuer: Some(issuer.clone()),
            ..Self::at_url(issuer)
        }
    }

    /// The HTTP client. Needed, unless the feature `jwks-reqwest` brings one.
    pub fn fetch(mut self, fetch: impl Fetch) -> Self {
        self.fetch = Some(Arc::new(fetch));
        self
    }

    /// Binds the keys to an issuer: a token that one of them verifies must have this `iss`,
    /// whatever other issuers the [`Jwt`](crate::Jwt) allows for other keys.
    ///
    /// After [`Jwks::discover`] it is that issuer already; another one is an error.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Uses keys for these algorithms only. Unless it is set: for each that has a public key.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.limits.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// The algorithm of an RSA key that names none, as some issuers publish them; RS256 unless
    /// set.
    pub fn rsa_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.limits.rsa = algorithm;
        self
    }

    /// How often the keys are fetched at least; every 10 minutes unless set. The answer's
    /// `Cache-Control` may say sooner. A key that the issuer withdraws is good for that long.
    pub fn refresh(mut self, every: Duration) -> Self {
        self.times.refresh = every;
        self
    }

    /// How long after a fetch no token makes another one; 30 s unless set.
    pub fn cooldown(mut self, cooldown: Duration) -> Self {
        self.times.cooldown = cooldown;
        self
    }

    /// How old keys may be that cannot be fetched again; 24 hours unless set.
    pub fn max_stale(mut self, age: Duration) -> Self {
        self.times.max_stale = age;
        self
    }

    /// How long a fetch may take; 10 s unless set.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.times.timeout = timeout;
        self
    }

    /// How long a token waits whose key is being fetched; 3 s unless set. No more than 1024 wait.
    pub fn wait(mut self, longest: Duration) -> Self {
        self.times.wait = longest;
        self
    }

    /// How large a document may be; 256 KiB unless set.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.limits.bytes = bytes;
        self
    }

    /// How many keys a set may have; 100 unless set.
    pub fn max_keys(mut self, keys: usize) -> Self {
        self.limits.keys = keys;
        self
    }

    /// The clock for the age of keys and the cooldown, for tests.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Accepts `http` to other machines.
    ///
    /// An attacker between then chooses the keys, and with them every identity.
    pub fn dangerous_plain_http(mut self) -> Self {
        self.plain = true;
        self
    }

    /// Checks the configuration and begins to fetch, on the tokio runtime that this is called in.
    /// It does not wait for keys: see [`Jwks::available`].
    ///
    /// # Errors
    ///
    /// A URL that is neither `https` nor of this machine, no HTTP client, no runtime, limits that
    /// nothing could keep to.
    pub fn start(self) -> Result<Jwks, JwksError> {
        self.check()?;
        let location = if self.discover {
            Location::Discovered {
                configuration: url::configuration(&self.location, self.plain)?,
                issuer: self.location,
                keys: None,
            }
        } else {
            Location::At(url::read(&self.location, self.plain)?)
        };
        let fetch = match self.fetch {
            Some(fetch) => fetch,
            None => default_fetch()?,
        };
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| JwksError::NoRuntime)?;
        let clock = self.clock.unwrap_or_else(Clock::steady);
        let shared = Arc::new(Shared::new(self.issuer, self.limits, self.times, clock));
        let refresh = Refresh {
            location,
            fetch,
            plain: self.plain,
            shared: Arc::clone(&shared),
            last: None,
        };
        let task = Task(runtime.spawn(refresh.run()).abort_handle());
        Ok(Jwks {
            shared,
            _task: Arc::new(task),
        })
    }

    fn check(&self) -> Result<(), JwksError> {
        let (times, limits) = (&self.times, &self.limits);
        let zero = [
            ("refresh", times.refresh.is_zero()),
            ("cooldown", times.cooldown.is_zero()),
            ("timeout", times.timeout.is_zero()),
            ("wait", times.wait.is_zero()),
            ("max_bytes", limits.bytes == 0),
            ("max_keys", limits.keys == 0),
        ];
        if let Some((setter, _)) = zero.into_iter().find(|(_, zero)| *zero) {
            return Err(JwksError::Zero(setter));
        }
        if times.max_stale < times.refresh.max(times.cooldown) {
            return Err(JwksError::MaxStale);
        }
        if self.issuer.as_deref() == Some("") {
            return Err(JwksError::Issuer);
        }
        if self.discover && self.issuer.as_ref() != Some(&self.location) {
            return Err(JwksError::Issuer);
        }
        if limits.rsa.family() != Family::Rsa {
            return Err(JwksError::Algorithms("rsa_algorithm", Some(limits.rsa)));
        }
        let list = limits.algorithms.as_deref();
        let secret = |list: &[Algorithm]| {
            let mut list = list.iter().copied();
            list.find(|algorithm| algorithm.family() == Family::Hmac)
        };
        match list.map(|list| (list.is_empty(), secret(list))) {
            None | Some((false, None)) => Ok(()),
            Some((_, found)) => Err(JwksError::Algorithms("algorithms", found)),
        }
    }
}

#[cfg(feature = "jwks-reqwest")]
fn default_fetch() -> Result<Arc<dyn Fetch>, JwksError> {
    Ok(Arc::new(super::Reqwest::new().map_err(JwksError::Client)?))
}

#[cfg(not(feature = "jwks-reqwest"))]
fn default_fetch() -> Result<Arc<dyn Fetch>, JwksError> {
    Err(JwksError::NoFetch)
}

impl fmt::Debug for JwksBuilder {
    // Not the location, whose query may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwksBuilder")
            .field("issuer", &self.issuer)
            .field("limits", &self.limits)
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}
