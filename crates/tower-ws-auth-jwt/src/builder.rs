use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use tower_ws_auth_core::Clock;
use tower_ws_auth_core::credential::Carriers;

use crate::rules::{Horizon, Rules};
use crate::{ConfigError, Jwt, KeySource, UserClaim};

/// Configures a [`Jwt`]. Finish with [`build`](Self::build).
#[must_use]
pub struct JwtBuilder<C> {
    keys: KeySource,
    issuers: Option<Vec<String>>,
    audiences: Option<Vec<String>>,
    typ: Option<String>,
    clock: Clock,
    carriers: Option<Carriers>,
    long_leeway: bool,
    rules: Rules,
    claims: PhantomData<fn() -> C>,
}

/// The longest leeway that needs no frightening name.
const LEEWAY: Duration = Duration::from_secs(60);

impl<C> JwtBuilder<C> {
    pub(crate) fn new(keys: KeySource) -> Self {
        Self {
            keys,
            issuers: None,
            audiences: None,
            typ: None,
            clock: Clock::system(),
            carriers: None,
            long_leeway: false,
            rules: Rules::default(),
            claims: PhantomData,
        }
    }

    /// Demands this `iss`. Called again it adds another issuer that will do.
    pub fn issuer(self, issuer: impl Into<String>) -> Self {
        self.issuers([issuer])
    }

    /// Demands one of these as `iss`.
    pub fn issuers(mut self, issuers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let list = self.issuers.get_or_insert_default();
        list.extend(issuers.into_iter().map(Into::into));
        self
    }

    /// Demands that `aud` names this audience. Called again it adds another one that will do.
    ///
    /// Without an audience every token that has an `aud` is refused: it is meant for somebody
    /// (RFC 7519 §4.1.3).
    pub fn audience(self, audience: impl Into<String>) -> Self {
        self.audiences([audience])
    }

    /// Demands that `aud` names one of these audiences.
    pub fn audiences(mut self, audiences: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let list = self.audiences.get_or_insert_default();
        list.extend(audiences.into_iter().map(Into::into));
        self
    }

    /// Accepts a token for whatever audience.
    ///
    /// One that was issued for another service is then good here as well, so the operator of that
    /// service can come in with its users' tokens.
    pub fn dangerous_ignore_audience(mut self) -> Self {
        self.rules.ignore_audience = true;
        self
    }

    /// Demands this `sub`.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.rules.subject = Some(subject.into());
        self
    }

    /// Demands a claim that names the user. The application reads it from the claims with
    /// [`UserClaim::of`].
    pub fn user_claim(mut self, user: UserClaim) -> Self {
        self.rules.user = Some(user);
        self
    }

    /// Demands this `typ` in the header, such as `at+jwt` (RFC 9068): the issuer's other tokens
    /// are then none here (RFC 8725 §3.11). Case does not matter, `application/` may be left out.
    pub fn typ(mut self, typ: impl Into<String>) -> Self {
        self.typ = Some(typ.into());
        self
    }

    /// Demands a claim, such as `jti`, that is more than `null`.
    pub fn require_claim(mut self, name: impl Into<String>) -> Self {
        self.rules.required.push(name.into());
        self
    }

    /// By how much clocks may differ, at most 60 s. Unless it is set: not at all.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.rules.leeway = leeway;
        self.long_leeway = false;
        self
    }

    /// Like [`leeway`](Self::leeway), of any length: that long an expired token is still good.
    pub fn dangerous_long_leeway(mut self, leeway: Duration) -> Self {
        self.rules.leeway = leeway;
        self.long_leeway = true;
        self
    }

    /// Refuses a token that was issued for longer than this, or that is still good for longer.
    /// One whose `iat` lies in the future is refused then, too.
    pub fn max_lifetime(mut self, longest: Duration) -> Self {
        self.rules.max_lifetime = Some(longest);
        self
    }

    /// Refuses a token whose `exp` lies further ahead than this, 10 years unless set. Some issuers
    /// write milliseconds, and such a token would be good for thousands of years.
    pub fn max_exp_ahead(mut self, longest: Duration) -> Self {
        self.rules.horizon = Horizon(longest);
        self
    }

    /// Accepts a token without `exp`.
    ///
    /// It is good for as long as the key is, also for a thief.
    pub fn dangerous_allow_missing_exp(mut self) -> Self {
        self.rules.allow_missing_exp = true;
        self
    }

    /// The clock, for tests.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Where the token travels. Unless it is set: `?token=` and `Authorization: Bearer`.
    pub fn carriers(mut self, carriers: Carriers) -> Self {
        self.carriers = Some(carriers);
        self
    }

    /// Checks the configuration.
    ///
    /// # Errors
    ///
    /// Keys that cannot be used, empty lists and texts, a leeway beyond 60 s, rules that
    /// contradict each other.
    pub fn build(mut self) -> Result<Jwt<C>, ConfigError> {
        self.keys.check()?;
        self.check_texts()?;
        self.check_times()?;
        if self.rules.ignore_audience && self.audiences.is_some() {
            return Err(ConfigError::Conflict(
                "audience",
                "dangerous_ignore_audience",
            ));
        }
        let carriers = match self.carriers {
            Some(carriers) => carriers,
            None => Carriers::builder().query("token").bearer_header().build()?,
        };
        self.keys.longest = carriers.max_length();
        self.rules.issuers = self.issuers.unwrap_or_default();
        self.rules.audiences = self.audiences.unwrap_or_default();
        #[cfg(feature = "jwks")]
        self.rules.bind(&self.keys)?;
        self.rules.required.sort_unstable();
        self.rules.required.dedup();
        Ok(Jwt::new(
            self.keys, self.typ, self.rules, self.clock, carriers,
        ))
    }

    fn check_texts(&self) -> Result<(), ConfigError> {
        let hollow = |list: &[String]| list.is_empty() || list.iter().any(String::is_empty);
        let empty = [
            ("issuer", self.issuers.as_deref().is_some_and(hollow)),
            ("audience", self.audiences.as_deref().is_some_and(hollow)),
            ("subject", self.rules.subject.as_deref() == Some("")),
            ("typ", self.typ.as_deref() == Some("")),
            (
                "require_claim",
                self.rules.required.iter().any(String::is_empty),
            ),
        ];
        match empty.into_iter().find(|(_, empty)| *empty) {
            Some((setter, _)) => Err(ConfigError::Empty(setter)),
            None => Ok(()),
        }
    }

    fn check_times(&self) -> Result<(), ConfigError> {
        const ALLOW: &str = "dangerous_allow_missing_exp";
        let rules = &self.rules;
        if rules.leeway > LEEWAY && !self.long_leeway {
            return Err(ConfigError::Leeway);
        }
        if rules.max_lifetime == Some(Duration::ZERO) {
            return Err(ConfigError::MaxLifetime);
        }
        if rules.allow_missing_exp && rules.max_lifetime.is_some() {
            return Err(ConfigError::Conflict("max_lifetime", ALLOW));
        }
        if rules.allow_missing_exp && rules.required.iter().any(|claim| claim == "exp") {
            return Err(ConfigError::Conflict("require_claim(\"exp\")", ALLOW));
        }
        Ok(())
    }
}

impl<C> fmt::Debug for JwtBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtBuilder")
            .field("keys", &self.keys)
            .field("issuers", &self.issuers)
            .field("audiences", &self.audiences)
            .field("typ", &self.typ)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}
