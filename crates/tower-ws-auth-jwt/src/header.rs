use std::borrow::Cow;

use serde::de::MapAccess;
use tower_ws_auth_core::Rejection;

use crate::json::{self, Members, Unreadable, Value};
use crate::{Algorithm, invalid};

/// The longest `kid`, in bytes.
pub(crate) const MAX_KID: usize = 256;

/// How many member names of a header are remembered at a time. An honest header has five; this
/// is read before the signature is, so the work is bounded.
const MAX_MEMBERS: usize = 32;

/// What a JOSE header says (RFC 7515 §4). Keys that it brings along (`jwk`, `jku`, `x5u`, `x5c`)
/// are not even read.
pub(crate) struct Header<'h> {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<Cow<'h, str>>,
    pub(crate) typ: Option<Cow<'h, str>>,
}

impl<'h> Header<'h> {
    pub(crate) fn read(json: &'h str) -> Result<Self, Rejection> {
        let mut fields = Fields::default();
        json::read(json, MAX_MEMBERS, &mut fields).map_err(|_| invalid(MALFORMED))?;
        if let Some(refused) = fields.refused {
            return Err(invalid(refused));
        }
        let name = fields.alg.unwrap_or_default();
        let algorithm = Algorithm::from_name(&name).ok_or_else(|| invalid(UNKNOWN))?;
        if fields.kid.as_ref().is_some_and(|kid| kid.len() > MAX_KID) {
            return Err(invalid("`kid` has more than 256 bytes"));
        }
        Ok(Self {
            algorithm,
            kid: fields.kid,
            typ: fields.typ,
        })
    }

    pub(crate) fn to_owned(&self) -> Header<'static> {
        let owned =
            |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned).map(Cow::Owned);
        Header {
            algorithm: self.algorithm,
            kid: owned(&self.kid),
            typ: owned(&self.typ),
        }
    }

    /// Whether `typ` is there and names this media type (RFC 7515 §4.1.9): case does not matter,
    /// and `application/` may be left out.
    pub(crate) fn is_of_type(&self, expected: &str) -> bool {
        self.typ
            .as_deref()
            .is_some_and(|typ| subtype(typ).eq_ignore_ascii_case(subtype(expected)))
    }
}

impl Header<'_> {
    /// Refuses a `typ` that is not the configured one.
    pub(crate) fn check_type(&self, expected: Option<&str>) -> Result<(), Rejection> {
        match expected {
            Some(typ) if !self.is_of_type(typ) => {
                Err(invalid("`typ` is missing or not the configured one"))
            }
            _ => Ok(()),
        }
    }
}

const UNKNOWN: &str = "`alg` is missing or no signature algorithm known here";
const MALFORMED: &str =
    "the header is not a JSON object with unique names, in which `alg`, `kid` and `typ` are text";

fn subtype(typ: &str) -> &str {
    const PREFIX: &str = "application/";
    match typ.split_at_checked(PREFIX.len()) {
        // Only where no other slash follows.
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) && !rest.contains('/') => rest,
        _ => typ,
    }
}

#[derive(Default)]
struct Fields<'h> {
    alg: Option<Cow<'h, str>>,
    kid: Option<Cow<'h, str>>,
    typ: Option<Cow<'h, str>>,
    refused: Option<&'static str>,
}

impl<'h> Members<'h> for Fields<'h> {
    fn member<A: MapAccess<'h>>(
        &mut self,
        name: &str,
        value: Value<'_, 'h, A>,
    ) -> Result<(), Unreadable> {
        match name {
            "alg" => self.alg = Some(value.text()?),
            "kid" => self.kid = value.optional_text()?,
            "typ" => self.typ = value.optional_text()?,
            _ => {
                self.refused = self.refused.or(refused(name));
                value.skip()?;
            }
        }
        Ok(())
    }
}

/// Extensions that change what a token means, of which none is understood here.
fn refused(name: &str) -> Option<&'static str> {
    match name {
        "crit" => Some("the header asks for extensions (`crit`)"),
        "b64" => Some("the payload is unencoded (`b64`)"),
        "zip" => Some("the payload is compressed (`zip`)"),
        "enc" => Some("the token is encrypted (`enc`)"),
        _ => None,
    }
}
