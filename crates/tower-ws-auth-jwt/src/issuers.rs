use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use http::request::Parts;
use serde::de::{DeserializeOwned, MapAccess};
use tower_ws_auth_core::credential::{Carriers, Credential};
use tower_ws_auth_core::{Authenticate, Grant, Rejection};

use crate::compact::{Buffer, Compact};
use crate::deciding::VerifyFuture;
use crate::json::{self, Members, Unreadable, Value};
use crate::{ConfigError, Jwt, invalid};

/// Tokens of several issuers in one place, each decided by the [`Jwt`] of its issuer, with its
/// keys, audience and algorithms.
///
/// What a token says in `iss` chooses who decides, and nothing else: that one demands this `iss`
/// in a token that is signed with its own keys. A token of an issuer that nobody is configured for
/// is refused as `token_invalid`, without a signature being looked at.
///
/// ```
/// use tower_ws_auth_jwt::{Issuers, Jwt, JwtEncoder, Key, SigningKey};
///
/// type Claims = serde_json::Value;
/// let (ours, theirs) = ([1; 32], [2; 32]);
/// let issuers = Issuers::new([
///     Jwt::<Claims>::builder(Key::hs256(ours)?).issuer("https://we.example").build()?,
///     Jwt::<Claims>::builder(Key::hs256(theirs)?).issuer("https://they.example").build()?,
/// ])?;
/// let claims = serde_json::json!({ "iss": "https://we.example", "exp": 2_000_000_000_u64 });
///
/// let good = JwtEncoder::new(SigningKey::hs256(ours)?).encode(&claims)?;
/// assert!(issuers.verify_token(&good).is_ok());
/// // They sign a token in our name.
/// let forged = JwtEncoder::new(SigningKey::hs256(theirs)?).encode(&claims)?;
/// assert_eq!(issuers.verify_token(&forged).unwrap_err().reason(), "token_invalid");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Issuers<C> {
    jwts: Vec<Jwt<C>>,
    by_issuer: HashMap<Box<str>, usize>,
    others: Option<Jwt<C>>,
    carriers: Carriers,
    /// Whether they stand instead of those of each [`Jwt`].
    overrules: bool,
}

impl<C> Issuers<C> {
    /// One [`Jwt`] for each issuer, or for some that share their keys. The token travels where
    /// the first one says.
    ///
    /// # Errors
    ///
    /// None at all, one without an `issuer`, or two for the same.
    pub fn new(jwts: impl IntoIterator<Item = Jwt<C>>) -> Result<Self, ConfigError> {
        let jwts: Vec<_> = jwts.into_iter().collect();
        let first = jwts.first().ok_or(ConfigError::Empty("Issuers::new"))?;
        let carriers = first.carriers().clone();
        let mut by_issuer = HashMap::new();
        for (index, jwt) in jwts.iter().enumerate() {
            let issuers = &jwt.rules().issuers;
            if issuers.is_empty() {
                return Err(ConfigError::Issuers(
                    "a `Jwt` of several demands no `issuer`: name the one that it is for",
                ));
            }
            for issuer in issuers {
                if by_issuer.insert(issuer.as_str().into(), index).is_some() {
                    return Err(ConfigError::Issuers(
                        "two `Jwt`s are for one issuer: give it a single one with all its keys",
                    ));
                }
            }
        }
        Ok(Self {
            jwts,
            by_issuer,
            others: None,
            carriers,
            overrules: false,
        })
    }

    /// Lets this one decide about the tokens of every other issuer, and about those without `iss`.
    ///
    /// Its own keys must have signed them, so it accepts no token in the name of an issuer that
    /// another [`Jwt`] is for.
    #[must_use]
    pub fn others(mut self, mut jwt: Jwt<C>) -> Self {
        if self.overrules {
            jwt.limit(self.carriers.max_length());
        }
        self.others = Some(jwt);
        self
    }

    /// Where the token travels, instead of where the first [`Jwt`] says. How long it may be is said
    /// here too, for every [`Jwt`].
    #[must_use]
    pub fn carriers(mut self, carriers: Carriers) -> Self {
        for jwt in self.jwts.iter_mut().chain(&mut self.others) {
            jwt.limit(carriers.max_length());
        }
        self.carriers = carriers;
        self.overrules = true;
        self
    }

    fn of(&self, token: &str) -> Result<&Jwt<C>, Rejection> {
        if let (true, Some(only)) = (self.by_issuer.is_empty(), &self.others) {
            return Ok(only);
        }
        let mut place = Buffer::<PAYLOAD>::new();
        let payload = place
            .decode(Compact::split(token, self.carriers.max_length())?.payload)
            .ok_or_else(|| invalid("the payload is not UTF-8 in base64url"))?;
        let mut iss = Iss(None);
        json::read(payload, MAX_NAMES, &mut iss)
            .map_err(|_| invalid("the payload is not a JSON object in which `iss` is text"))?;
        let iss = iss.0.unwrap_or_default();
        let jwt = self.by_issuer.get(&*iss);
        jwt.and_then(|index| self.jwts.get(*index))
            .or(self.others.as_ref())
            .ok_or_else(|| invalid("`iss` is missing or not a configured issuer"))
    }
}

/// Longer payloads are decoded on the heap.
const PAYLOAD: usize = 1024;

/// How many names are remembered at a time: this is read before the signature is, so the work is
/// bounded.
const MAX_NAMES: usize = 256;

impl<C: DeserializeOwned> Issuers<C> {
    /// Decides about a token, as [`Jwt::verify_token`] does.
    ///
    /// # Errors
    ///
    /// As there, and [`TokenInvalid`](tower_ws_auth_core::RejectionKind::TokenInvalid) for an
    /// issuer that nobody is configured for.
    pub fn verify_token(&self, token: &str) -> Result<Grant<C>, Rejection> {
        self.of(token)?.verify_token(token)
    }

    /// Decides about a token, as [`Jwt::verify_token_or_wait`] does.
    pub fn verify_token_or_wait(&self, token: &str) -> VerifyFuture<C>
    where
        C: 'static,
    {
        match self.of(token) {
            Ok(jwt) => jwt.verify_token_or_wait(token),
            Err(rejection) => VerifyFuture::refused(rejection),
        }
    }
}

impl<C> Authenticate for Issuers<C>
where
    C: DeserializeOwned + Clone + Send + Sync + 'static,
{
    type Credential = Credential;
    type Verified = C;
    type Identity = C;
    type Future = VerifyFuture<C>;

    fn name(&self) -> &'static str {
        "jwt"
    }

    fn take(&self, head: &mut Parts) -> Result<Option<Credential>, Rejection> {
        self.carriers.take(head)
    }

    fn verify(&self, token: Credential, _head: &Parts) -> VerifyFuture<C> {
        self.verify_token_or_wait(token.as_str())
    }

    fn admit(&self, claims: C, _head: &Parts) -> Result<C, Rejection> {
        Ok(claims)
    }
}

/// It decides about every token.
impl<C> From<Jwt<C>> for Issuers<C> {
    fn from(jwt: Jwt<C>) -> Self {
        Self {
            jwts: Vec::new(),
            by_issuer: HashMap::new(),
            carriers: jwt.carriers().clone(),
            overrules: false,
            others: Some(jwt),
        }
    }
}

impl<C> fmt::Debug for Issuers<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuers")
            .field("jwts", &self.jwts)
            .field("carriers", &self.carriers)
            .finish_non_exhaustive()
    }
}

/// `iss` as it is claimed. Nobody may believe it.
struct Iss<'p>(Option<Cow<'p, str>>);

impl<'p> Members<'p> for Iss<'p> {
    fn member<A: MapAccess<'p>>(
        &mut self,
        name: &str,
        value: Value<'_, 'p, A>,
    ) -> Result<(), Unreadable> {
        if name == "iss" {
            self.0 = Some(value.text()?);
        } else {
            value.skip()?;
        }
        Ok(())
    }
}
