use std::borrow::Cow;
use std::time::Duration;

use serde::de::MapAccess;
use tower_ws_auth_core::{Rejection, RejectionKind, RevocationKey};

use crate::json::{self, Members, Unreadable, Value};
use crate::{UserClaim, invalid};

/// What is demanded of the registered claims (RFC 7519 §4.1).
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) issuers: Vec<String>,
    pub(crate) audiences: Vec<String>,
    pub(crate) ignore_audience: bool,
    pub(crate) subject: Option<String>,
    pub(crate) user: Option<UserClaim>,
    /// Each once.
    pub(crate) required: Vec<String>,
    pub(crate) leeway: Duration,
    pub(crate) max_lifetime: Option<Duration>,
    /// How far ahead `exp` may lie.
    pub(crate) horizon: Horizon,
    pub(crate) allow_missing_exp: bool,
    /// Whether a token needs an id (`jti`), because it is good for one use.
    pub(crate) single_use: bool,
}

/// How far ahead an `exp` is believed: 10 years, which no token in milliseconds keeps to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Horizon(pub(crate) Duration);

impl Default for Horizon {
    fn default() -> Self {
        Self(Duration::from_secs(10 * 365 * 24 * 60 * 60))
    }
}

/// What is left to know of claims that keep the rules.
pub(crate) struct Checked<'p> {
    /// When they end, leeway included, as the time since the Unix epoch.
    pub(crate) end: Option<Duration>,
    /// When the issuer says that it was issued, as the time since the Unix epoch.
    pub(crate) issued: Option<Duration>,
    /// Issuer and `jti` of a token for a single use.
    #[cfg_attr(
        not(feature = "single-use"),
        expect(dead_code, reason = "for `single_use`")
    )]
    pub(crate) id: Option<(Cow<'p, str>, Cow<'p, str>)>,
    /// The revocation keys that it inherits from the grant that it was minted for.
    pub(crate) inherited: Vec<RevocationKey>,
}

/// The claim in which a token carries the revocation keys that it inherits.
pub(crate) const INHERITED: &str = "wsauth_keys";

impl Rules {
    /// Decides about the claims at the time `now`, and says when they end.
    ///
    /// The issuer comes before the time, so that a stranger's expired token is a stranger's. The
    /// time comes before the rest, so that an expired token of our issuer says that it has expired.
    ///
    /// Only `ours` inherit revocation keys: another issuer's claim of that name means nothing.
    pub(crate) fn check<'p>(
        &self,
        payload: &'p str,
        now: Duration,
        ours: bool,
    ) -> Result<Checked<'p>, Rejection> {
        let claims = Claims::read(payload, self, ours)?;
        self.check_issuer(&claims)?;
        self.check_time(&claims, now)?;
        self.check_parties(&claims)?;
        if claims.required != self.required.len() {
            return Err(invalid("a required claim is missing or null"));
        }
        if claims.exp.is_none() && !self.allow_missing_exp {
            return Err(invalid("`exp` is missing"));
        }
        self.check_lifetime(&claims, now)?;
        if let Some(user) = &self.user {
            user.demand(payload)?;
        }
        let end = claims.exp.map(|exp| exp.saturating_add(self.leeway));
        let id = claims.jti.map(|jti| (claims.iss.unwrap_or_default(), jti));
        if self.single_use && id.as_ref().is_none_or(|(_, jti)| jti.is_empty()) {
            return Err(invalid("a single-use token needs a `jti`"));
        }
        Ok(Checked {
            end,
            issued: claims.iat,
            id,
            inherited: claims.inherited,
        })
    }

    fn check_issuer(&self, claims: &Claims<'_, '_>) -> Result<(), Rejection> {
        let issued_by = |iss: &Cow<'_, str>| self.issuers.iter().any(|issuer| issuer == iss);
        if !self.issuers.is_empty() && !claims.iss.as_ref().is_some_and(issued_by) {
            return Err(invalid("`iss` is missing or not a configured issuer"));
        }
        Ok(())
    }

    fn check_parties(&self, claims: &Claims<'_, '_>) -> Result<(), Rejection> {
        match claims.for_us {
            _ if self.ignore_audience => {}
            None if self.audiences.is_empty() => {}
            Some(true) => {}
            // RFC 7519 §4.1.3: a service that is not in the audience must refuse, also one without a name.
            Some(false) if self.audiences.is_empty() => {
                return Err(invalid(
                    "the token has an `aud` and no audience is configured",
                ));
            }
            Some(false) => return Err(invalid("`aud` is not a configured audience")),
            None => return Err(invalid("`aud` is missing")),
        }
        if self.subject.is_some() && self.subject.as_deref() != claims.sub.as_deref() {
            return Err(invalid("`sub` is missing or not the configured subject"));
        }
        Ok(())
    }

    fn check_lifetime(&self, claims: &Claims<'_, '_>, now: Duration) -> Result<(), Rejection> {
        let Some(exp) = claims.exp else {
            return Ok(());
        };
        if exp.saturating_sub(now) > self.horizon.0 {
            return Err(invalid(
                "`exp` lies further ahead than `max_exp_ahead`: is it in milliseconds?",
            ));
        }
        let Some(longest) = self.max_lifetime else {
            return Ok(());
        };
        // Both times in the first comparison are by the issuer's clock, so no leeway there.
        let from_issue = claims
            .iat
            .is_some_and(|iat| exp.saturating_sub(iat) > longest);
        let from_now = exp.saturating_sub(now) > longest.saturating_add(self.leeway);
        if from_issue || from_now {
            return Err(invalid("the token lives longer than `max_lifetime`"));
        }
        let latest = now.saturating_add(self.leeway);
        if claims.iat.is_some_and(|iat| latest < iat) {
            let kind = RejectionKind::TokenNotYetValid;
            return Err(Rejection::new(kind, "`iat` lies in the future"));
        }
        Ok(())
    }

    fn check_time(&self, claims: &Claims<'_, '_>, now: Duration) -> Result<(), Rejection> {
        let latest = now.saturating_add(self.leeway);
        if claims
            .exp
            .is_some_and(|exp| now >= exp.saturating_add(self.leeway))
        {
            let kind = RejectionKind::TokenExpired;
            return Err(Rejection::new(kind, "`exp` has passed"));
        }
        if claims.nbf.is_some_and(|nbf| latest < nbf) {
            let kind = RejectionKind::TokenNotYetValid;
            return Err(Rejection::new(kind, "`nbf` lies in the future"));
        }
        Ok(())
    }
}

/// The registered claims, as far as the rules ask for them.
struct Claims<'p, 'r> {
    rules: &'r Rules,
    exp: Option<Duration>,
    nbf: Option<Duration>,
    iat: Option<Duration>,
    iss: Option<Cow<'p, str>>,
    sub: Option<Cow<'p, str>>,
    jti: Option<Cow<'p, str>>,
    /// Whether an audience is configured that the token names; `None` if it names none at all.
    for_us: Option<bool>,
    /// How many of the required claims are there and not null.
    required: usize,
    ours: bool,
    inherited: Vec<RevocationKey>,
    /// What is wrong if reading ends here.
    fault: &'static str,
}

const MALFORMED: &str = "the payload is not a JSON object with unique names";

impl<'p, 'r> Claims<'p, 'r> {
    fn read(payload: &'p str, rules: &'r Rules, ours: bool) -> Result<Self, Rejection> {
        let mut claims = Self {
            rules,
            exp: None,
            nbf: None,
            iat: None,
            iss: None,
            sub: None,
            jti: None,
            for_us: None,
            required: 0,
            ours,
            inherited: Vec::new(),
            fault: MALFORMED,
        };
        match json::read(payload, usize::MAX, &mut claims) {
            Ok(()) => Ok(claims),
            Err(Unreadable) => Err(invalid(claims.fault)),
        }
    }
}

impl<'p> Members<'p> for Claims<'p, '_> {
    #[inline]
    fn member<A: MapAccess<'p>>(
        &mut self,
        name: &str,
        value: Value<'_, 'p, A>,
    ) -> Result<(), Unreadable> {
        let mut present = true;
        match name {
            "exp" => {
                self.fault = "`exp` is not a number";
                self.exp = Some(value.date()?);
            }
            "nbf" => {
                self.fault = "`nbf` is not a number";
                self.nbf = value.optional_date()?;
                present = self.nbf.is_some();
            }
            "iat" => {
                self.fault = "`iat` is not a number";
                self.iat = value.optional_date()?;
                present = self.iat.is_some();
            }
            "iss" if !self.rules.issuers.is_empty() || self.rules.single_use => {
                self.fault = "`iss` is not text";
                self.iss = Some(value.text()?);
            }
            "sub" if self.rules.subject.is_some() => {
                self.fault = "`sub` is not text";
                self.sub = Some(value.text()?);
            }
            "jti" if self.rules.single_use => {
                self.fault = "`jti` is not text";
                self.jti = Some(value.text()?);
            }
            "aud" if !self.rules.audiences.is_empty() => {
                self.fault = "`aud` is neither text nor a list of texts";
                let ours = &self.rules.audiences;
                // Of an empty list, as of `null`, nothing is left: the token names no audience.
                value.optional_texts(&mut |aud| {
                    let known = ours.iter().any(|our| our == aud);
                    self.for_us = Some(known || self.for_us == Some(true));
                })?;
                present = self.for_us.is_some();
            }
            "aud" => {
                present = value.skip_list()?;
                self.for_us = present.then_some(false);
            }
            INHERITED if self.ours => {
                self.fault = "`wsauth_keys` is not a list of revocation keys";
                let mut readable = true;
                value.texts(&mut |text| match RevocationKey::decode(text) {
                    Some(key) => self.inherited.push(key),
                    None => readable = false,
                })?;
                readable.then_some(()).ok_or(Unreadable)?;
            }
            _ => present = value.skip()?,
        }
        self.fault = MALFORMED;
        if present && self.rules.required.iter().any(|required| required == name) {
            self.required += 1;
        }
        Ok(())
    }
}
