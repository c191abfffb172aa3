use tower_ws_auth_core::Rejection;
use tower_ws_auth_core::credential::MAX_CREDENTIAL;

use crate::compact::Compact;
use crate::header::Header;
use crate::keys;
use crate::seen::Seen;
use crate::{Key, KeyError, Keys};

#[cfg(feature = "jwks")]
use crate::Jwks;
#[cfg(feature = "rotation")]
use crate::RotatingKeys;
#[cfg(feature = "jwks")]
use crate::algorithm::Family;
#[cfg(feature = "jwks")]
use crate::jwks::Wanted;

/// Where a [`Jwt`](crate::Jwt) has its keys from: [`Keys`] that stay, `RotatingKeys`, a `Jwks`,
/// or a `Jwks` beside keys of one's own.
///
/// It is made by `From`, and `Jwks::beside`.
#[derive(Clone, Debug)]
pub struct KeySource {
    own: Own,
    #[cfg(feature = "jwks")]
    fetched: Option<Jwks>,
    seen: Seen,
    /// How long a token may be.
    pub(crate) longest: usize,
}

#[derive(Clone, Debug)]
enum Own {
    Fixed(Keys),
    #[cfg(feature = "rotation")]
    Rotating(RotatingKeys),
}

/// A token whose signature is good.
pub(crate) struct Verified<'t> {
    pub(crate) token: Compact<'t>,
    /// Whether a fetched key says so.
    #[cfg(feature = "jwks")]
    pub(crate) fetched: bool,
}

/// Why a token is not good now.
pub(crate) enum Failure {
    Refused(Rejection),
    /// The key for it is not here. It may be published.
    #[cfg(feature = "jwks")]
    Missing(Wanted),
}

impl KeySource {
    pub(crate) fn check(&self) -> Result<(), KeyError> {
        match &self.own {
            #[cfg(feature = "jwks")]
            Own::Fixed(keys) if self.fetched.is_some() && keys.is_empty() => Ok(()),
            Own::Fixed(keys) => keys.check(),
            #[cfg(feature = "rotation")]
            Own::Rotating(_) => Ok(()),
        }
    }

    /// A token whose signature is good. Nothing of its payload was looked at.
    pub(crate) fn verified<'t>(
        &self,
        token: &'t str,
        typ: Option<&str>,
    ) -> Result<Verified<'t>, Failure> {
        let token = Compact::split(token, self.longest)?;
        if let Some(header) = self.seen.header(token.header) {
            header.check_type(typ)?;
            return self.verify(header, token);
        }
        keys::read(token.header, typ, |header| {
            let verified = self.verify(header, token)?;
            self.seen.remember(token.header, header);
            Ok(verified)
        })?
    }

    fn verify<'t>(&self, header: &Header<'_>, token: Compact<'t>) -> Result<Verified<'t>, Failure> {
        let refused = match self.own.with(|keys| keys.verify(header, token)) {
            Ok(()) => {
                return Ok(Verified {
                    token,
                    #[cfg(feature = "jwks")]
                    fetched: false,
                });
            }
            Err(refused) => refused,
        };
        // No fetched key is a shared secret, and a `kid` of one's own stands for nothing else.
        #[cfg(feature = "jwks")]
        if let Some(jwks) = &self.fetched
            && header.algorithm.family() != Family::Hmac
            && !self.own.with(|keys| keys.names(header.kid.as_deref()))
        {
            jwks.verify(header, token)?;
            let fetched = true;
            return Ok(Verified { token, fetched });
        }
        Err(Failure::Refused(refused))
    }
}

impl Own {
    fn with<T>(&self, look: impl FnOnce(&Keys) -> T) -> T {
        match self {
            Self::Fixed(keys) => look(keys),
            #[cfg(feature = "rotation")]
            Self::Rotating(keys) => keys.with(look),
        }
    }
}

#[cfg(feature = "jwks")]
impl KeySource {
    pub(crate) fn fetched(&self) -> Option<&Jwks> {
        self.fetched.as_ref()
    }

    pub(crate) fn is_fetched_only(&self) -> bool {
        self.fetched.is_some() && self.own.with(Keys::is_empty)
    }

    /// Adds fetched keys; of two sets the last one counts.
    pub(crate) fn and(mut self, jwks: Jwks) -> Self {
        self.fetched = Some(jwks);
        self
    }
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        Self::Refused(rejection)
    }
}

impl From<Own> for KeySource {
    fn from(own: Own) -> Self {
        Self {
            own,
            #[cfg(feature = "jwks")]
            fetched: None,
            seen: Seen::default(),
            longest: MAX_CREDENTIAL,
        }
    }
}

impl From<Keys> for KeySource {
    fn from(keys: Keys) -> Self {
        Own::Fixed(keys).into()
    }
}

impl From<Key> for KeySource {
    fn from(key: Key) -> Self {
        Keys::from(key).into()
    }
}

#[cfg(feature = "rotation")]
impl From<RotatingKeys> for KeySource {
    fn from(keys: RotatingKeys) -> Self {
        Own::Rotating(keys).into()
    }
}

#[cfg(feature = "jwks")]
impl From<Jwks> for KeySource {
    fn from(jwks: Jwks) -> Self {
        Self::from(Keys::new()).and(jwks)
    }
}
