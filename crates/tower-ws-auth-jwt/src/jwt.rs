use std::fmt;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::time::{Duration, SystemTime};

use http::request::Parts;
use serde::de::DeserializeOwned;
use tower_ws_auth_core::carrier::{Carriers, Credential};
use tower_ws_auth_core::{AuthLayer, Authenticate, Clock, Grant, Rejection};

use crate::compact::Buffer;
use crate::rules::{Checked, Rules};
use crate::{JwtBuilder, Keys, invalid};

/// Lets a handshake through only with a good JSON Web Token; the identity is its claims.
pub type JwtLayer<C> = AuthLayer<Jwt<C>>;

/// The strategy: a JSON Web Token, whose claims deserialise into `C`. See the
/// [crate's documentation](crate) for its rules.
pub struct Jwt<C> {
    keys: Keys,
    typ: Option<String>,
    pub(crate) rules: Rules,
    clock: Clock,
    carriers: Carriers,
    claims: PhantomData<fn() -> C>,
}

impl<C> Jwt<C> {
    /// Starts with the keys.
    pub fn builder(keys: impl Into<Keys>) -> JwtBuilder<C> {
        JwtBuilder::new(keys.into())
    }

    pub(crate) fn new(
        keys: Keys,
        typ: Option<String>,
        rules: Rules,
        clock: Clock,
        carriers: Carriers,
    ) -> Self {
        Self {
            keys,
            typ,
            rules,
            clock,
            carriers,
            claims: PhantomData,
        }
    }
}

impl<C: DeserializeOwned> Jwt<C> {
    /// Decides about a token, without a layer and without a request.
    ///
    /// # Errors
    ///
    /// [`TokenExpired`] or [`TokenNotYetValid`] for a token that is good at another time, and
    /// [`TokenInvalid`] for everything else.
    ///
    /// [`TokenExpired`]: tower_ws_auth_core::RejectionKind::TokenExpired
    /// [`TokenNotYetValid`]: tower_ws_auth_core::RejectionKind::TokenNotYetValid
    /// [`TokenInvalid`]: tower_ws_auth_core::RejectionKind::TokenInvalid
    pub fn verify_token(&self, token: &str) -> Result<Grant<C>, Rejection> {
        self.decide(token, |_, _| ()).map(|(grant, ())| grant)
    }

    /// Decides, and notes something about the claims and the present time beside the grant.
    pub(crate) fn decide<T>(
        &self,
        token: &str,
        note: impl FnOnce(&Checked<'_>, Duration) -> T,
    ) -> Result<(Grant<C>, T), Rejection> {
        let token = self.keys.verified(token, self.typ.as_deref())?;
        let mut place = Buffer::<PAYLOAD>::new();
        let payload = place
            .decode(token.payload)
            .ok_or_else(|| invalid("the payload is not UTF-8 in base64url"))?;
        let now = self.clock.now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.unwrap_or_default();
        let checked = self.rules.check(payload, now)?;
        let claims = serde_json::from_str(payload).map_err(|error| {
            invalid("the claims do not fit the application's type").with_source(Misfit::of(&error))
        })?;
        let grant = Grant::new(claims);
        let grant = match checked.end {
            Some(end) => grant.until(Clock::at(end.as_secs())),
            None => grant,
        };
        Ok((grant, note(&checked, now)))
    }
}

/// Longer payloads are decoded on the heap.
const PAYLOAD: usize = 1024;

impl<C> Authenticate for Jwt<C>
where
    C: DeserializeOwned + Clone + Send + Sync + 'static,
{
    type Credential = Credential;
    type Verified = C;
    type Identity = C;
    type Future = Ready<Result<Grant<C>, Rejection>>;

    fn name(&self) -> &'static str {
        "jwt"
    }

    fn take(&self, head: &mut Parts) -> Result<Option<Credential>, Rejection> {
        self.carriers.take(head)
    }

    fn is_ambient(&self, token: &Credential) -> bool {
        token.is_ambient()
    }

    fn verify(&self, token: Credential, _head: &Parts) -> Self::Future {
        ready(self.verify_token(token.as_str()))
    }

    fn admit(&self, claims: C, _head: &Parts) -> Result<C, Rejection> {
        Ok(claims)
    }
}

impl<C> fmt::Debug for Jwt<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwt")
            .field("keys", &self.keys)
            .field("typ", &self.typ)
            .field("rules", &self.rules)
            .field("clock", &self.clock)
            .field("carriers", &self.carriers)
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
