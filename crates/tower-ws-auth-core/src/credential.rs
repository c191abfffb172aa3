//! Carriers: read a credential from a request and remove it there.
//!
//! [`Carriers`] names the carriers that a strategy reads. Reading is strict and happens once.
//! Afterwards the secret is in a [`Credential`] and nowhere else in the head: not in the URI (nor
//! in axum's `OriginalUri`), not in a header, and not in the list of subprotocols.
//!
//! - A request has one explicit credential, in one carrier. Two of them, even equal ones, are
//!   malformed.
//! - A cookie is ambient: the browser sends it for any page. An explicit credential decides before
//!   it. If a cookie decides, an allowed `Origin` is required: an `OriginLayer` must stand further
//!   out.
//! - A [`MessageCredential`] is one more explicit credential, for all carriers: a layer that has read
//!   it from the first message of a connection leaves it in the extensions.
//! - A credential is at most [`MAX_CREDENTIAL`] bytes of the b64token alphabet (RFC 6750 §2.1).
//!
//! ```
//! use http::Request;
//! use tower_ws_auth_core::credential::Carriers;
//!
//! let carriers = Carriers::builder().query("token").bearer_header().build()?;
//!
//! let (mut head, ()) = Request::get("/ws?token=abc&room=1").body(())?.into_parts();
//! let credential = carriers.take(&mut head)?.expect("there is one");
//! assert_eq!(credential.as_str(), "abc");
//! assert_eq!(head.uri, "/ws?room=1");
//!
//! let (mut head, ()) = Request::get("/ws?token=abc&token=abc").body(())?.into_parts();
//! assert_eq!(carriers.take(&mut head).unwrap_err().reason(), "credentials_malformed");
//! assert_eq!(head.uri, "/ws");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod builder;
mod cookie;
#[doc(hidden)]
pub mod cookie_header;
mod header;
mod message;
mod offered;
mod offers;
mod pairs;
mod presented;
mod query;
mod redacted_pairs;
mod subprotocol;
mod uri;

use std::borrow::Cow;

use http::HeaderName;
use http::header::{AUTHORIZATION, COOKIE};
use http::request::Parts;

pub use self::builder::{CarriersBuilder, CarriersError};
pub use self::message::MessageCredential;
pub(crate) use self::offered::Offered;
use self::offered::replace_subprotocols;
pub(crate) use self::pairs::{Key, Match, is_plain};
use self::presented::TOO_LONG;
pub use self::presented::{Credential, MAX_CREDENTIAL};
pub use self::redacted_pairs::RedactedPairs;
pub(crate) use self::redacted_pairs::redact;
pub use self::subprotocol::SubprotocolFormat;
pub(crate) use self::subprotocol::is_credential as is_credential_subprotocol;
pub(crate) use self::uri::path_as_sent;
use crate::handshake::subprotocols;
use crate::{AllowedOrigin, Rejection, RejectionKind};

/// The carriers in which a strategy looks for its credential.
#[derive(Clone, Debug)]
pub struct Carriers {
    query: Vec<Key>,
    /// The schemes of `Authorization`.
    schemes: Vec<Cow<'static, str>>,
    /// Other fields.
    fields: Vec<HeaderName>,
    longest: usize,
    subprotocols: Vec<SubprotocolFormat>,
    cookie: Option<Cookie>,
}

#[derive(Clone, Debug)]
struct Cookie {
    name: Cow<'static, str>,
    check_origin: bool,
}

impl Carriers {
    /// Starts without a carrier.
    pub fn builder() -> CarriersBuilder {
        CarriersBuilder(Self {
            query: Vec::new(),
            schemes: Vec::new(),
            fields: Vec::new(),
            longest: MAX_CREDENTIAL,
            subprotocols: Vec::new(),
            cookie: None,
        })
    }

    /// Whether one of the carriers may hold a credential. It reads nothing and removes nothing.
    pub fn may_hold(&self, head: &Parts) -> bool {
        let has = |name| head.headers.contains_key(name);
        !self.query.is_empty() && query::may_hold(head, &self.query)
            || !self.schemes.is_empty() && has(AUTHORIZATION)
            || self.fields.iter().any(|name| has(name.clone()))
            || !self.subprotocols.is_empty()
                && subprotocol::may_hold(&head.headers, &self.subprotocols)
            || self.cookie.is_some() && has(COOKIE)
    }

    /// Reads the one credential and removes it from the head, together with everything that looks
    /// like another one.
    ///
    /// # Errors
    ///
    /// [`CredentialsMalformed`](RejectionKind::CredentialsMalformed) for a credential that is
    /// empty, too long, badly encoded or not the only one;
    /// [`OriginDenied`](RejectionKind::OriginDenied) if a cookie decides and no allowed `Origin`
    /// came with it.
    pub fn take(&self, head: &mut Parts) -> Result<Option<Credential>, Rejection> {
        let taken = self.take_any(head);
        match &taken {
            Ok(Some(credential)) if credential.len() > self.longest => {
                Err(malformed(TOO_LONG).found_in(credential.carrier()))
            }
            _ => taken,
        }
    }

    /// The longest credential that is read, in bytes.
    pub fn max_length(&self) -> usize {
        self.longest
    }

    fn take_any(&self, head: &mut Parts) -> Result<Option<Credential>, Rejection> {
        // An absent carrier must cost only a lookup.
        let has = |name: &HeaderName| head.headers.contains_key(name);
        let query = !self.query.is_empty() && query::may_hold(head, &self.query);
        let subprotocol = !self.subprotocols.is_empty() && subprotocol::is_in(head);
        let cookie = self.cookie.as_ref().filter(|_| has(&COOKIE));
        let message = message::is_in(head);
        let line = header::find(head, &self.schemes);
        let header = line.is_some() || self.fields.iter().any(has);
        match (query, header, subprotocol, cookie) {
            _ if message => {}
            (false, false, false, None) => return Ok(None),
            (true, false, false, None) => {
                return query::take(head, &self.query)
                    .map_err(|rejection| rejection.found_in("query"));
            }
            (false, true, false, None) => {
                return self
                    .take_header(head, line)
                    .map_err(|rejection| rejection.found_in("header"));
            }
            _ => {}
        }

        // Every carrier is emptied before any of them is judged, because a refused head travels on.
        let query = query.then(|| query::take(head, &self.query));
        let header = header.then(|| self.take_header(head, line));
        let subprotocol = subprotocol.then(|| subprotocol::take(head, &self.subprotocols));
        let cookie = cookie.map(|cookie| (cookie, cookie::take(head, &cookie.name)));

        let mut explicit = None;
        let mut several = false;
        let places = ["query", "header", "subprotocol", "message"];
        let message = message.then(|| message::take(head));
        let taken = [query, header, subprotocol, message];
        for (place, taken) in places.into_iter().zip(taken) {
            match taken {
                None | Some(Ok(None)) => {}
                Some(Ok(found)) => several |= explicit.replace(found).is_some(),
                Some(Err(rejection)) => return Err(rejection.found_in(place)),
            }
        }
        if several {
            return Err(malformed("two explicit credentials in one request"));
        }
        match (explicit, cookie) {
            (Some(credential), _) => Ok(credential),
            (None, None) => Ok(None),
            (None, Some((cookie, taken))) => {
                let ambient = |rejection: Rejection| rejection.about_ambient().found_in("cookie");
                let taken = taken.map_err(ambient)?;
                if taken.is_some() && cookie.check_origin {
                    AllowedOrigin::demand(head).map_err(ambient)?;
                }
                Ok(taken)
            }
        }
    }
}

impl Carriers {
    fn take_header(
        &self,
        head: &mut Parts,
        line: Option<header::Line>,
    ) -> Result<Option<Credential>, Rejection> {
        // Each of them is removed before any is judged.
        let mut found = match line {
            Some(line) => header::take(head, line, self.longest),
            None => Ok(None),
        };
        for name in &self.fields {
            found = match (found, header::take_field(head, name)) {
                (Err(rejection), _) | (_, Err(rejection)) => Err(rejection),
                (Ok(Some(_)), Ok(Some(_))) => {
                    Err(malformed("two credentials among the header fields"))
                }
                (Ok(one), Ok(other)) => Ok(one.or(other)),
            };
        }
        found
    }
}

/// Empties every usual carrier: the whole query, `Authorization`, the cookies, the subprotocols that
/// carry a credential, and the header fields of some gateways (`X-Api-Key`,
/// `X-Auth-Token`, `X-Access-Token`, `Cf-Access-Jwt-Assertion`, `X-Amzn-Oidc-Data`).
///
/// For a layer that refuses before a strategy has read its credential. The rest of the request
/// travels on in the rejection.
pub fn remove_all(head: &mut Parts) {
    head.extensions.remove::<MessageCredential>();
    query::remove(head);
    head.headers.remove(AUTHORIZATION);
    head.headers.remove(COOKIE);
    for name in FIELDS {
        head.headers.remove(name);
    }
    head.extensions.remove::<Offered>();
    let offered = subprotocols(&head.headers).collect::<Vec<_>>().join(", ");
    replace_subprotocols(&mut head.headers, &offered);
}

/// Fields of some gateways that hold a credential.
pub(crate) const FIELDS: [&str; 5] = [
    "x-api-key",
    "x-auth-token",
    "x-access-token",
    "cf-access-jwt-assertion",
    "x-amzn-oidc-data",
];

fn malformed(detail: &'static str) -> Rejection {
    Rejection::new(RejectionKind::CredentialsMalformed, detail)
}
