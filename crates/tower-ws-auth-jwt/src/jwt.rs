use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use serde::de::DeserializeOwned;
use tower_ws_auth_core::credential::{Carriers, Credential};
use tower_ws_auth_core::{AuthLayer, Authenticate, Clock, Grant, Rejection, RevocationKey};

use crate::decider::Decider;
use crate::deciding::{DecideFuture, VerifyFuture};
use crate::rules::{Checked, Rules};
use crate::source::Failure;
use crate::{JwtBuilder, KeySource};

/// Lets a handshake through only with a good JSON Web Token; the identity is its claims.
pub type JwtLayer<C> = AuthLayer<Jwt<C>>;

/// The strategy: a JSON Web Token, whose claims deserialise into `C`. See the
/// [crate's documentation](crate) for its rules. A clone shares the keys.
pub struct Jwt<C> {
    decider: Arc<Decider<C>>,
    carriers: Carriers,
}

impl<C> Jwt<C> {
    /// Starts with the keys.
    pub fn builder(keys: impl Into<KeySource>) -> JwtBuilder<C> {
        JwtBuilder::new(keys.into())
    }

    pub(crate) fn new(
        keys: KeySource,
        typ: Option<String>,
        rules: Rules,
        clock: Clock,
        carriers: Carriers,
    ) -> Self {
        let decider = Decider::new(keys, typ, rules, clock);
        Self {
            decider: Arc::new(decider),
            carriers,
        }
    }

    /// Adds a key under which what a token opens can be revoked, such as `user:` and its subject,
    /// beside those that the token [inherits](crate::JwtEncoder::encode_inheriting). It is no
    /// secret. A token that does not say when it was issued (`iat`), or says a time in the
    /// future, by more than the leeway and a second, counts as older than every revocation.
    ///
    /// A key that names the token alone, such as its `jti`, is
    /// [final](RevocationKey::into_final). A token that you issue yourself can carry the key of its
    /// user [as it was then](tower_ws_auth_core::Revocations::key), in a claim of your own.
    #[must_use]
    pub fn revocable_by<K>(mut self, key: impl Fn(&C) -> K + Send + Sync + 'static) -> Self
    where
        K: Into<RevocationKey>,
    {
        let decider = Arc::make_mut(&mut self.decider);
        decider.revocable_by(Arc::new(move |claims| key(claims).into()));
        self
    }

    pub(crate) fn carriers(&self) -> &Carriers {
        &self.carriers
    }

    /// How long a token may be, instead of what its own carriers say.
    pub(crate) fn limit(&mut self, longest: usize) {
        Arc::make_mut(&mut self.decider).keys.longest = longest;
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.decider.rules
    }

    #[cfg(feature = "single-use")]
    pub(crate) fn clock(&self) -> &Clock {
        self.decider.clock()
    }

    #[cfg(feature = "single-use")]
    pub(crate) fn for_single_use(&mut self) {
        Arc::make_mut(&mut self.decider).for_single_use();
    }
}

impl<C: DeserializeOwned> Jwt<C> {
    /// Decides about a token, without a layer and without a request.
    ///
    /// # Errors
    ///
    /// [`TokenExpired`] or [`TokenNotYetValid`] for a token that is good at another time, and
    /// [`TokenInvalid`] for everything else. If the key has to be fetched, [`Unavailable`] now:
    /// this asks for it and does not wait, as [`verify_token_or_wait`] does.
    ///
    /// [`verify_token_or_wait`]: Self::verify_token_or_wait
    /// [`Unavailable`]: tower_ws_auth_core::RejectionKind::Unavailable
    /// [`TokenExpired`]: tower_ws_auth_core::RejectionKind::TokenExpired
    /// [`TokenNotYetValid`]: tower_ws_auth_core::RejectionKind::TokenNotYetValid
    /// [`TokenInvalid`]: tower_ws_auth_core::RejectionKind::TokenInvalid
    pub fn verify_token(&self, token: &str) -> Result<Grant<C>, Rejection> {
        match self.decider.decide(token, |_, _| ()) {
            Ok((grant, ())) => Ok(grant),
            Err(Failure::Refused(rejection)) => Err(rejection),
            #[cfg(feature = "jwks")]
            Err(Failure::Missing(wanted)) => Err(self.decider.ask_for_keys(wanted)),
        }
    }

    /// Like [`verify_token`](Self::verify_token), and waits if a fetch may bring the key, in a
    /// tokio runtime with its timer. With keys that are all here it is ready at once.
    pub fn verify_token_or_wait(&self, token: &str) -> VerifyFuture<C>
    where
        C: 'static,
    {
        VerifyFuture(self.deciding(token, |_, _| ()))
    }

    /// A decision that waits for a key if it has to, with a note as [`Decider::decide`] makes it.
    pub(crate) fn deciding<T: 'static>(
        &self,
        token: &str,
        note: fn(&Checked<'_>, Duration) -> T,
    ) -> DecideFuture<C, T>
    where
        C: 'static,
    {
        DecideFuture::new(&self.decider, token, note)
    }
}

impl<C> Authenticate for Jwt<C>
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

    fn verify(&self, token: Credential, _head: &Parts) -> Self::Future {
        self.verify_token_or_wait(token.as_str())
    }

    fn admit(&self, claims: C, _head: &Parts) -> Result<C, Rejection> {
        Ok(claims)
    }
}

// Not derived, because that asks for `C: Clone`.
impl<C> Clone for Jwt<C> {
    fn clone(&self) -> Self {
        Self {
            decider: Arc::clone(&self.decider),
            carriers: self.carriers.clone(),
        }
    }
}

impl<C> fmt::Debug for Jwt<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwt")
            .field("decider", &self.decider)
            .field("carriers", &self.carriers)
            .finish_non_exhaustive()
    }
}
