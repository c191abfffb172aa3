use std::borrow::Cow;

use serde::de::MapAccess;
use zeroize::Zeroizing;

use crate::algorithm::{Curve, Family};
use crate::compact;
use crate::header::MAX_KID;
use crate::json::{self, Members, Unreadable, Value};
use crate::key::public::Public;
use crate::{Algorithm, KeyError};

/// A JSON Web Key that is meant for verifying (RFC 7517 §4), taken apart.
pub(crate) struct Jwk {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<String>,
    pub(crate) material: Material,
}

pub(crate) enum Material {
    Secret(Zeroizing<Vec<u8>>),
    Public(Public),
}

impl Jwk {
    /// Reads a key whose algorithm is `wanted`, or else stands in it or follows from its curve.
    pub(crate) fn read(json: &str, wanted: Option<Algorithm>) -> Result<Self, KeyError> {
        let mut fields = Fields::default();
        json::read(json, MAX_MEMBERS, &mut fields).map_err(|_| {
            KeyError::Jwk(
                "it is not a JSON object with unique names and members of the right types",
            )
        })?;
        fields.check_purpose()?;
        let material = fields.material()?;
        let algorithm = fields.algorithm(wanted, &material)?;
        let kid = fields.kid.map(Cow::into_owned);
        if kid.as_ref().is_some_and(|kid| kid.len() > MAX_KID) {
            return Err(KeyError::LongKid);
        }
        Ok(Self {
            algorithm,
            kid,
            material,
        })
    }
}

const MAX_MEMBERS: usize = 64;

pub(crate) const NO_ALGORITHM: KeyError =
    KeyError::Jwk("it has no `alg`: name the algorithm with `Key::from_jwk_with`");

/// The `kid` of a JWK that may be of no use otherwise, for the log.
#[cfg(feature = "jwks")]
pub(crate) fn kid_of(json: &str) -> Option<String> {
    #[derive(Default)]
    struct Kid<'j>(Option<Cow<'j, str>>);

    impl<'j> Members<'j> for Kid<'j> {
        fn member<A: MapAccess<'j>>(
            &mut self,
            name: &str,
            value: Value<'_, 'j, A>,
        ) -> Result<(), Unreadable> {
            if name == "kid" {
                self.0 = value.optional_text()?;
                return Ok(());
            }
            value.skip().map(drop)
        }
    }

    let mut kid = Kid::default();
    json::read(json, MAX_MEMBERS, &mut kid).ok()?;
    kid.0.map(|kid| kid.chars().take(MAX_KID).collect())
}

#[derive(Default)]
struct Fields<'j> {
    kty: Option<Cow<'j, str>>,
    purpose: Option<Cow<'j, str>>,
    /// Whether `key_ops` has `verify` in it.
    verifies: Option<bool>,
    alg: Option<Cow<'j, str>>,
    kid: Option<Cow<'j, str>>,
    crv: Option<Cow<'j, str>>,
    k: Option<Cow<'j, str>>,
    n: Option<Cow<'j, str>>,
    e: Option<Cow<'j, str>>,
    x: Option<Cow<'j, str>>,
    y: Option<Cow<'j, str>>,
    private: bool,
}

impl<'j> Members<'j> for Fields<'j> {
    fn member<A: MapAccess<'j>>(
        &mut self,
        name: &str,
        value: Value<'_, 'j, A>,
    ) -> Result<(), Unreadable> {
        match name {
            "kty" => self.kty = Some(value.text()?),
            "use" => self.purpose = value.optional_text()?,
            "key_ops" => {
                let mut verifies = false;
                let verify = &mut |operation: &str| verifies |= operation == "verify";
                let is_there = value.optional_texts(verify)?;
                self.verifies = is_there.then_some(verifies);
            }
            "alg" => self.alg = value.optional_text()?,
            "kid" => self.kid = value.optional_text()?,
            "crv" => self.crv = Some(value.text()?),
            "k" => self.k = Some(value.text()?),
            "n" => self.n = Some(value.text()?),
            "e" => self.e = Some(value.text()?),
            "x" => self.x = Some(value.text()?),
            "y" => self.y = Some(value.text()?),
            "d" => self.private = value.skip()?,
            _ => {
                value.skip()?;
            }
        }
        Ok(())
    }
}

impl Fields<'_> {
    /// RFC 7517 §4.2, §4.3.
    fn check_purpose(&self) -> Result<(), KeyError> {
        if self
            .purpose
            .as_ref()
            .is_some_and(|purpose| purpose != "sig")
        {
            return Err(KeyError::Foreign("its `use` is not `sig`"));
        }
        if self.verifies == Some(false) {
            return Err(KeyError::Foreign("its `key_ops` do not include `verify`"));
        }
        if self.private {
            return Err(KeyError::Jwk(
                "it is a private key: a verifier gets the public one, without `d`",
            ));
        }
        Ok(())
    }

    /// RFC 7518 §6, RFC 8037 §2.
    fn material(&self) -> Result<Material, KeyError> {
        let public = match (self.kty.as_deref(), self.crv.as_deref()) {
            (Some("oct"), None) => {
                return Ok(Material::Secret(Zeroizing::new(bytes(self.k.as_ref())?)));
            }
            (Some("RSA"), None) => Public::Rsa {
                // RFC 7518 §6.3.1.1 forbids leading zeros, and some issuers write one.
                n: without_zeros(&bytes(self.n.as_ref())?),
                e: bytes(self.e.as_ref())?,
            },
            (Some("EC"), Some("P-256")) => self.point(Curve::P256)?,
            (Some("EC"), Some("P-384")) => self.point(Curve::P384)?,
            (Some("EC"), Some("P-521")) => self.point(Curve::P521)?,
            (Some("OKP"), Some("Ed25519")) => Public::Ed25519 {
                x: bytes(self.x.as_ref())?,
            },
            _ => {
                return Err(KeyError::Foreign(
                    "its `kty` and `crv` are not oct, RSA, EC with P-256, P-384 or P-521, or OKP with Ed25519",
                ));
            }
        };
        if self.k.is_some() {
            return Err(KeyError::Jwk("a public key has no `k`"));
        }
        Ok(Material::Public(public))
    }

    fn point(&self, curve: Curve) -> Result<Public, KeyError> {
        let (x, y) = (bytes(self.x.as_ref())?, bytes(self.y.as_ref())?);
        if x.len() != curve.coordinate() || y.len() != curve.coordinate() {
            return Err(KeyError::Jwk(
                "`x` or `y` has the wrong length for its curve",
            ));
        }
        let point = [&[4], x.as_slice(), y.as_slice()].concat();
        Ok(Public::Ec { curve, point })
    }

    fn algorithm(
        &self,
        wanted: Option<Algorithm>,
        material: &Material,
    ) -> Result<Algorithm, KeyError> {
        let own = self
            .alg
            .as_ref()
            .map(|name| {
                Algorithm::from_name(name).ok_or(KeyError::Foreign("its `alg` is not known here"))
            })
            .transpose()?;
        match (own, wanted) {
            (Some(own), Some(wanted)) if own != wanted => {
                Err(KeyError::Jwk("its `alg` is not the one that was asked for"))
            }
            (Some(algorithm), _) | (None, Some(algorithm)) => Ok(algorithm),
            (None, None) => material.obvious_algorithm().ok_or(NO_ALGORITHM),
        }
    }
}

impl Material {
    fn obvious_algorithm(&self) -> Option<Algorithm> {
        let Self::Public(public) = self else {
            return None;
        };
        match public.family() {
            Family::Ec(Curve::P256) => Some(Algorithm::ES256),
            Family::Ec(Curve::P384) => Some(Algorithm::ES384),
            Family::Ec(Curve::P521) => Some(Algorithm::ES512),
            Family::Ed25519 => Some(Algorithm::EdDSA),
            Family::Rsa | Family::Hmac => None,
        }
    }
}

fn without_zeros(digits: &[u8]) -> Vec<u8> {
    let first = digits.iter().position(|digit| *digit != 0);
    digits
        .get(first.unwrap_or(digits.len())..)
        .unwrap_or_default()
        .to_vec()
}

fn bytes(text: Option<&Cow<'_, str>>) -> Result<Vec<u8>, KeyError> {
    let text = text.ok_or(KeyError::Jwk("a member is missing that its `kty` demands"))?;
    compact::decode(text).ok_or(KeyError::Jwk(
        "a member is not base64url without padding and stray bits",
    ))
}
