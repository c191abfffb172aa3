use std::borrow::Cow;

use http::Uri;
use serde::de::MapAccess;
use serde_json::value::RawValue;

use super::address::may_be_public;
use super::error::Failed;
use super::url;
use crate::json::{self, Members, Unreadable, Value};
use crate::key::jwk::kid_of;
use crate::{Algorithm, Key, KeyError, Keys};

/// What is taken from a document.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) bytes: usize,
    pub(crate) keys: usize,
    pub(crate) algorithms: Option<Vec<Algorithm>>,
    /// Of an RSA key that does not name its own.
    pub(crate) rsa: Algorithm,
}

/// A key that is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Skipped {
    pub(crate) index: usize,
    pub(crate) kid: Option<String>,
    pub(crate) reason: KeyError,
}

impl Limits {
    pub(crate) fn allows(&self, algorithm: Algorithm) -> bool {
        let list = self.algorithms.as_ref();
        list.is_none_or(|list| list.contains(&algorithm))
    }

    /// Reads a JWK Set (RFC 7517 §5), without the keys that cannot be used, each of which is
    /// shown to `skipped`.
    pub(crate) fn read_set(
        &self,
        body: &[u8],
        mut skipped: impl FnMut(Skipped),
    ) -> Result<(Keys, usize), Failed> {
        let json = text(body).ok_or(Failed::Set("it is not UTF-8"))?;
        let mut set = Set {
            keys: None,
            limit: self.keys,
            full: false,
        };
        let read = json::read(json, MAX_MEMBERS, &mut set);
        if set.full {
            return Err(Failed::Set("it has more keys than allowed"));
        }
        read.map_err(|_| Failed::Set("it is not a JSON object with unique names"))?;
        let list = set.keys.ok_or(Failed::Set("it has no `keys`"))?;
        let (mut keys, mut count) = (Keys::new(), 0);
        for (index, jwk) in list.into_iter().enumerate() {
            let usable = Key::from_published(self.rsa, jwk.get());
            match usable.and_then(|key| self.fitting(&keys, key)) {
                Ok(key) => {
                    keys = keys.with(key);
                    count += 1;
                }
                Err(reason) => skipped(Skipped {
                    index,
                    kid: kid_of(jwk.get()),
                    reason,
                }),
            }
        }
        Ok((keys, count))
    }

    fn fitting(&self, keys: &Keys, key: Key) -> Result<Key, KeyError> {
        if !self.allows(key.algorithm()) {
            return Err(KeyError::Foreign("its `alg` is not among the allowed ones"));
        }
        match key.kid() {
            // RFC 7517 §4.5 wants them distinct where their types are equal. The first ones count.
            Some(kid) if keys.is_crowded(kid, key.algorithm()) => Err(KeyError::Jwk(
                "four keys before it have the same `kid` and algorithm, which count",
            )),
            None if keys.is_full() => Err(KeyError::TooManyUnnamed),
            _ => Ok(key),
        }
    }
}

/// A document, without the byte order mark that some servers put before it.
fn text(body: &[u8]) -> Option<&str> {
    let text = str::from_utf8(body).ok()?;
    Some(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// How many names are remembered at a time.
const MAX_MEMBERS: usize = 256;

struct Set<'j> {
    keys: Option<Vec<&'j RawValue>>,
    limit: usize,
    full: bool,
}

impl<'j> Members<'j> for Set<'j> {
    fn member<A: MapAccess<'j>>(
        &mut self,
        name: &str,
        value: Value<'_, 'j, A>,
    ) -> Result<(), Unreadable> {
        if name != "keys" {
            return value.skip().map(drop);
        }
        let keys = self.keys.insert(Vec::new());
        value.raw_list(&mut |key| {
            self.full = keys.len() == self.limit;
            keys.push(key);
            !self.full
        })
    }
}

/// Reads an issuer's configuration (`OpenID` Connect Discovery 1.0 §4.2) and says where its keys
/// are.
pub(crate) fn read_configuration(
    body: &[u8],
    issuer: &str,
    at: &Uri,
    plain: bool,
) -> Result<Place, Failed> {
    let json = text(body).ok_or(Failed::Configuration("it is not UTF-8"))?;
    let mut found = Configuration::default();
    json::read(json, MAX_MEMBERS, &mut found).map_err(|_| {
        Failed::Configuration(
            "it is not a JSON object with unique names, in which `issuer` and `jwks_uri` are text",
        )
    })?;
    // §4.3: exactly, or another issuer's keys would pass for this one's.
    if found.issuer.as_deref() != Some(issuer) {
        return Err(Failed::Configuration("its `issuer` is another one"));
    }
    let uri = found
        .jwks_uri
        .ok_or(Failed::Configuration("it has no `jwks_uri`"))?;
    let uri = url::read(&uri, plain)
        .map_err(|_| Failed::Configuration("its `jwks_uri` is not `https` or on this machine"))?;
    if url::is_plain(&uri) && !url::is_plain(at) {
        return Err(Failed::Configuration("its `jwks_uri` is not `https`"));
    }
    let (own, host) = (
        at.host().unwrap_or_default(),
        uri.host().unwrap_or_default(),
    );
    // The application named the issuer's host, and the issuer any other one.
    let known = own.eq_ignore_ascii_case(host) || url::is_loopback(own) && url::is_loopback(host);
    let foreign = !known;
    if foreign && !may_be_public(host) {
        return Err(Failed::Configuration(
            "its `jwks_uri` leads to a loopback, link-local or private address",
        ));
    }
    Ok(Place { uri, foreign })
}

/// Where an issuer's keys are.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) uri: Uri,
    /// On a host that only the issuer's document names.
    pub(crate) foreign: bool,
}

impl Place {
    /// One that the application has named.
    pub(crate) fn own(uri: &Uri) -> Self {
        Self {
            uri: uri.clone(),
            foreign: false,
        }
    }
}

#[derive(Default)]
struct Configuration<'j> {
    issuer: Option<Cow<'j, str>>,
    jwks_uri: Option<Cow<'j, str>>,
}

impl<'j> Members<'j> for Configuration<'j> {
    fn member<A: MapAccess<'j>>(
        &mut self,
        name: &str,
        value: Value<'_, 'j, A>,
    ) -> Result<(), Unreadable> {
        match name {
            "issuer" => self.issuer = Some(value.text()?),
            "jwks_uri" => self.jwks_uri = Some(value.text()?),
            _ => return value.skip().map(drop),
        }
        Ok(())
    }
}
