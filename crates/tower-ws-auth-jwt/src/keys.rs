use std::collections::HashMap;
use std::slice;

use tower_ws_auth_core::Rejection;

use crate::compact::{self, Buffer, Compact};
use crate::header::{Header, MAX_KID};
use crate::{Key, KeyError, invalid};

/// The keys that tokens are verified with, found by `kid` where they have one.
///
/// - A token with a `kid` is verified with the key of that name, or, if there is none, with
///   those that have no name.
/// - A token without a `kid` is verified with those that have no name. If every key has one, it
///   must be a single key.
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
/// let twice = keys.with_kid("2025", Key::hs256([3; 32])?);
/// assert!(twice.check().is_err());
/// # Ok::<(), tower_ws_auth_jwt::KeyError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Keys {
    named: HashMap<Box<str>, Key>,
    unnamed: Vec<Key>,
    fault: Option<KeyError>,
}

/// How many keys a token is tried with.
const MAX_UNNAMED: usize = 8;

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
        let key = key.named(&kid);
        match self.named.insert(kid.as_str().into(), key) {
            None => self,
            Some(_) => self.with_fault(KeyError::DuplicateKid(kid)),
        }
    }

    /// Says what is wrong with the set. Building a [`Jwt`](crate::Jwt) asks this too; a set that
    /// fails here verifies nothing.
    ///
    /// # Errors
    ///
    /// No key, two of one `kid`, a `kid` longer than 256 bytes, more than eight without a name.
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
        let token = Compact::split(token)?;
        read(token.header, None, |header| self.verify(header, token))??;
        compact::decode(token.payload).ok_or_else(|| invalid("the payload is not base64url"))
    }

    pub(crate) fn verify(&self, header: &Header<'_>, token: Compact<'_>) -> Result<(), Rejection> {
        let mut fits = false;
        for key in self.candidates(header.kid.as_deref()) {
            if key.algorithm() != header.algorithm {
                continue;
            }
            fits = true;
            if key.verify(token.signed, token.signature) {
                return Ok(());
            }
        }
        Err(invalid(if fits {
            "the signature is not good"
        } else {
            "there is no key for the token's `kid` and `alg`"
        }))
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

    fn candidates(&self, kid: Option<&str>) -> &[Key] {
        if self.fault.is_some() {
            return &[];
        }
        if let Some(key) = kid.and_then(|kid| self.named.get(kid)) {
            return slice::from_ref(key);
        }
        let mut named = self.named.values();
        match (kid, named.next(), named.next()) {
            (None, Some(only), None) if self.unnamed.is_empty() => slice::from_ref(only),
            _ => &self.unnamed,
        }
    }

    /// The first one counts.
    fn with_fault(mut self, fault: KeyError) -> Self {
        self.fault.get_or_insert(fault);
        self
    }
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
