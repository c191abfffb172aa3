use std::collections::HashMap;

use tower_ws_auth_core::Rejection;
use tower_ws_auth_core::credential::MAX_CREDENTIAL;

use crate::compact::{self, Buffer, Compact};
use crate::header::{Header, MAX_KID};
use crate::{Algorithm, Key, KeyError, invalid};

/// The keys that tokens are verified with, found by `kid` where they have one.
///
/// - A token with a `kid` is verified with the keys of that name, or, if there is none, with
///   those that have no name. Up to four keys for one algorithm may share a name (RFC 7517 §4.5).
/// - A token without a `kid` is verified with those that have no name. If none of them fits, it is
///   verified with those that have one, unless more than four fit.
/// - In each case only keys count whose algorithm the token names in `alg`.
///
/// ```
/// use tower_ws_auth_jwt::{Algorithm, Key, Keys};
///
/// let keys = Keys::new()
///     .with_kid("2024", Key::hs256([1; 32])?)
///     .with_kid("2025", Key::hmac(Algorithm::HS512, [2; 64])?);
/// assert!(keys.check().is_ok());
///
/// // The same name for another algorithm.
/// let keys = keys.with_kid("2025", Key::hs256([3; 32])?);
/// assert!(keys.check().is_ok());
/// # Ok::<(), tower_ws_auth_jwt::KeyError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Keys {
    /// Each with at most [`MAX_NAMED`] keys for an algorithm.
    named: HashMap<Box<str>, Vec<Key>>,
    unnamed: Vec<Key>,
    fault: Option<KeyError>,
}

/// How many keys without a name a token is tried with.
const MAX_UNNAMED: usize = 8;

/// How many keys with a name a token is tried with.
const MAX_NAMED: usize = 4;

impl Keys {
    /// No key yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key under the `kid` of its JWK, or without a name.
    pub fn with(mut self, key: Key) -> Self {
        match key.kid() {
            Some(kid) => {
                let kid = kid.to_owned();
                self.with_kid(kid, key)
            }
            None if self.unnamed.len() == MAX_UNNAMED => self.with_fault(KeyError::TooManyUnnamed),
            None => {
                self.unnamed.push(key);
                self
            }
        }
    }

    /// Adds a key under this `kid`.
    pub fn with_kid(mut self, kid: impl Into<String>, key: Key) -> Self {
        let kid = kid.into();
        if kid.len() > MAX_KID {
            return self.with_fault(KeyError::LongKid);
        }
        if self.is_crowded(&kid, key.algorithm()) {
            return self.with_fault(KeyError::DuplicateKid(kid));
        }
        let key = key.named(&kid);
        self.named.entry(kid.into()).or_default().push(key);
        self
    }

    /// Says what is wrong with the set. Building a [`Jwt`](crate::Jwt) asks this too; a set that
    /// fails here verifies nothing.
    ///
    /// # Errors
    ///
    /// No key, more than four of one `kid` and algorithm, a `kid` longer than 256 bytes, more than eight without a name.
    pub fn check(&self) -> Result<(), KeyError> {
        match &self.fault {
            Some(fault) => Err(fault.clone()),
            None if self.named.is_empty() && self.unnamed.is_empty() => Err(KeyError::NoKey),
            None => Ok(()),
        }
    }

    /// Verifies a compact JWS (RFC 7515 §5.2) and returns its payload, whatever that is.
    ///
    /// This is the lower half of [`Jwt::verify_token`](crate::Jwt::verify_token): size, form,
    /// header, algorithm and signature are checked, and **nothing of the claims**, not even
    /// whether the token has expired. Who gets its payload from here decides about it alone.
    ///
    /// # Errors
    ///
    /// [`TokenInvalid`](tower_ws_auth_core::RejectionKind::TokenInvalid).
    pub fn open(&self, token: &str) -> Result<Vec<u8>, Rejection> {
        let token = Compact::split(token, MAX_CREDENTIAL)?;
        read(token.header, None, |header| self.verify(header, token))??;
        compact::decode(token.payload).ok_or_else(|| invalid("the payload is not base64url"))
    }

    pub(crate) fn verify(&self, header: &Header<'_>, token: Compact<'_>) -> Result<(), Rejection> {
        if self.fault.is_some() {
            return Err(invalid(NO_KEY));
        }
        let fits = |key: &&Key| key.algorithm() == header.algorithm;
        let good = |key: &Key| key.verify(token.signed, token.signature);
        let found = match header.kid.as_deref().and_then(|kid| self.named.get(kid)) {
            Some(named) => try_each(named.iter().filter(fits), good),
            None => match try_each(self.unnamed.iter().filter(fits), good) {
                // In no order, so that all of them are tried or none.
                None if header.kid.is_none() => {
                    let named = || self.named.values().flatten().filter(fits);
                    if named().nth(MAX_NAMED).is_some() {
                        return Err(invalid(
                            "the token has no `kid`, and more than four keys fit its `alg`",
                        ));
                    }
                    try_each(named(), good)
                }
                found => found,
            },
        };
        match found {
            Some(true) => Ok(()),
            Some(false) => Err(invalid("the signature is not good")),
            None => Err(invalid(NO_KEY)),
        }
    }

    /// Whether there is no room for another key of this name and algorithm.
    pub(crate) fn is_crowded(&self, kid: &str, algorithm: Algorithm) -> bool {
        let named = self.named.get(kid).map_or(&[][..], Vec::as_slice);
        let alike = named.iter().filter(|key| key.algorithm() == algorithm);
        alike.count() >= MAX_NAMED
    }

    #[cfg(feature = "jwks")]
    pub(crate) fn is_empty(&self) -> bool {
        self.fault.is_none() && self.named.is_empty() && self.unnamed.is_empty()
    }

    /// Whether there is no room for another key without a name.
    #[cfg(feature = "jwks")]
    pub(crate) fn is_full(&self) -> bool {
        self.unnamed.len() >= MAX_UNNAMED
    }

    /// Whether a key has this name.
    #[cfg(feature = "jwks")]
    pub(crate) fn names(&self, kid: Option<&str>) -> bool {
        kid.is_some_and(|kid| self.named.contains_key(kid))
    }

    /// The first one counts.
    fn with_fault(mut self, fault: KeyError) -> Self {
        self.fault.get_or_insert(fault);
        self
    }
}

pub(crate) const NO_KEY: &str = "there is no key for the token's `kid` and `alg`";

/// Whether one of the keys is good; `None` if there is none.
fn try_each<'k>(
    keys: impl Iterator<Item = &'k Key>,
    good: impl FnMut(&Key) -> bool,
) -> Option<bool> {
    let mut keys = keys.peekable();
    keys.peek()?;
    Some(keys.any(good))
}

/// Shows what the header of a token says.
pub(crate) fn read<T>(
    header: &str,
    typ: Option<&str>,
    show: impl FnOnce(&Header<'_>) -> T,
) -> Result<T, Rejection> {
    let mut place = Buffer::<HEADER>::new();
    let header = place
        .decode(header)
        .ok_or_else(|| invalid("the header is not UTF-8 in base64url"))?;
    let header = Header::read(header)?;
    header.check_type(typ)?;
    Ok(show(&header))
}

/// Longer headers are decoded on the heap.
const HEADER: usize = 256;

impl From<Key> for Keys {
    fn from(key: Key) -> Self {
        Self::new().with(key)
    }
}
