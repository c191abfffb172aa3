use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use tower_ws_auth_core::{Clock, Grant, RevocationKey, Validity};
#[cfg(feature = "jwks")]
use tower_ws_auth_core::{Rejection, RejectionKind};

use crate::compact::Buffer;
#[cfg(feature = "jwks")]
use crate::jwks::{Asked, Wanted};
use crate::rules::{Checked, Rules};
use crate::source::Failure;
use crate::{KeySource, invalid};

/// What decides about a token, shared with the decisions that wait for a key.
pub(crate) struct Decider<C> {
    pub(crate) keys: KeySource,
    typ: Option<String>,
    pub(crate) rules: Rules,
    /// Instead of `rules` for a token that a fetched key verified, if those keys belong to an
    /// issuer.
    #[cfg(feature = "jwks")]
    fetched_rules: Option<Rules>,
    clock: Clock,
    revocable_by: Vec<KeyOf<C>>,
}

pub(crate) type KeyOf<C> = Arc<dyn Fn(&C) -> RevocationKey + Send + Sync>;

impl<C> Decider<C> {
    pub(crate) fn new(keys: KeySource, typ: Option<String>, rules: Rules, clock: Clock) -> Self {
        Self {
            #[cfg(feature = "jwks")]
            fetched_rules: rules.of_fetched(&keys),
            keys,
            typ,
            rules,
            clock,
            revocable_by: Vec::new(),
        }
    }

    pub(crate) fn revocable_by(&mut self, key: KeyOf<C>) {
        self.revocable_by.push(key);
    }

    #[cfg(feature = "single-use")]
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    #[cfg(feature = "single-use")]
    pub(crate) fn for_single_use(&mut self) {
        self.rules.single_use = true;
        #[cfg(feature = "jwks")]
        if let Some(rules) = &mut self.fetched_rules {
            rules.single_use = true;
        }
    }
}

impl<C: DeserializeOwned> Decider<C> {
    /// Decides, and notes something about the claims and the present time beside the grant.
    pub(crate) fn decide<T>(
        &self,
        token: &str,
        note: impl FnOnce(&Checked<'_>, Duration) -> T,
    ) -> Result<(Grant<C>, T), Failure> {
        let verified = self.keys.verified(token, self.typ.as_deref())?;
        #[cfg(feature = "jwks")]
        let rules = match &self.fetched_rules {
            Some(rules) if verified.fetched => rules,
            _ => &self.rules,
        };
        #[cfg(feature = "jwks")]
        let ours = !verified.fetched;
        #[cfg(not(feature = "jwks"))]
        let (rules, ours) = (&self.rules, true);
        let token = verified.token;
        let mut place = Buffer::<PAYLOAD>::new();
        let payload = place
            .decode(token.payload)
            .ok_or_else(|| invalid("the payload is not UTF-8 in base64url"))?;
        let now = self.clock.now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.unwrap_or_default();
        let checked = rules.check(payload, now, ours)?;
        let claims = serde_json::from_str(payload).map_err(|error| {
            invalid("the claims do not fit the application's type").with_source(Misfit::of(&error))
        })?;
        let keys = self.revocation_keys(&claims, &checked);
        let mut grant = Grant::new(claims);
        for key in keys {
            grant = grant.revocable_by(key);
        }
        if let Some(end) = checked.end {
            grant = grant.until(moment(end));
        }
        // What lies in the future is no time of issue, and would survive every revocation.
        let latest = now.saturating_add(rules.leeway).saturating_add(AHEAD);
        if let Some(issued) = checked.issued.filter(|issued| *issued <= latest) {
            grant = grant.issued_at(moment(issued));
        }
        Ok((grant, note(&checked, now)))
    }

    /// Those of its claims, and those that it inherits.
    fn revocation_keys(&self, claims: &C, checked: &Checked<'_>) -> Vec<RevocationKey> {
        let own = self.revocable_by.iter().map(|key| key(claims));
        if checked.inherited.is_empty() {
            return own.collect();
        }
        let of = Validity::of_unknown_age;
        let inherited = (checked.inherited.iter().cloned()).fold(of(), Validity::revocable_by);
        let all = own.fold(of(), Validity::revocable_by);
        all.inherit(&inherited).revocation_keys().to_vec()
    }
}

/// By how much an issuer's clock may be ahead of ours, beside the leeway.
const AHEAD: Duration = Duration::from_secs(1);

pub(crate) fn moment(since_epoch: Duration) -> SystemTime {
    let latest = Clock::at(u64::MAX);
    let moment = SystemTime::UNIX_EPOCH.checked_add(since_epoch);
    moment.map_or(latest, |moment| moment.min(latest))
}

/// Longer payloads are decoded on the heap.
const PAYLOAD: usize = 1024;

#[cfg(feature = "jwks")]
impl<C> Decider<C> {
    /// Asks for the keys that a token wants, and says what is to be said at once.
    pub(crate) fn ask_for_keys(&self, wanted: Wanted) -> Rejection {
        match self.keys.fetched().map(|jwks| jwks.ask(wanted)) {
            Some(Asked::Refused(rejection)) => rejection,
            Some(Asked::Coming(_)) | None => Rejection::new(
                RejectionKind::Unavailable,
                "the key for the token is being fetched",
            ),
        }
    }

    /// What a token is told whose key the fetch did not bring.
    pub(crate) fn verdict_on_missing(&self) -> Rejection {
        let jwks = self.keys.fetched();
        jwks.map_or_else(|| invalid("there is no key"), crate::Jwks::verdict)
    }
}

// Not derived, because that asks for `C: Clone`.
impl<C> Clone for Decider<C> {
    fn clone(&self) -> Self {
        Self {
            keys: self.keys.clone(),
            typ: self.typ.clone(),
            rules: self.rules.clone(),
            #[cfg(feature = "jwks")]
            fetched_rules: self.fetched_rules.clone(),
            clock: self.clock.clone(),
            revocable_by: self.revocable_by.clone(),
        }
    }
}

impl<C> fmt::Debug for Decider<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decider")
            .field("keys", &self.keys)
            .field("typ", &self.typ)
            .field("rules", &self.rules)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

/// What may be said about claims that do not fit. serde's own words quote values, except about
/// a field that is not there.
#[derive(Debug, thiserror::Error)]
enum Misfit {
    #[error("{0}")]
    Missing(String),
    #[error("a claim does not fit, at line {line} column {column} of the payload")]
    At { line: usize, column: usize },
}

impl Misfit {
    fn of(error: &serde_json::Error) -> Self {
        let text = error.to_string();
        if text.starts_with("missing field") {
            return Self::Missing(text);
        }
        Self::At {
            line: error.line(),
            column: error.column(),
        }
    }
}
