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

mod cookie;
#[doc(hidden)]
pub mod cookie_header;
mod header;
mod message;
mod pairs;
mod presented;
mod query;
mod redacted_pairs;
mod subprotocol;
mod uri;

use std::borrow::Cow;

use http::HeaderValue;
use http::header::{AUTHORIZATION, COOKIE, SEC_WEBSOCKET_PROTOCOL};
use http::request::Parts;

pub use self::message::MessageCredential;
pub(crate) use self::pairs::{Key, Match, is_plain};
pub use self::presented::{Credential, MAX_CREDENTIAL};
pub use self::redacted_pairs::RedactedPairs;
pub(crate) use self::redacted_pairs::redact;
pub use self::subprotocol::SubprotocolFormat;
pub(crate) use self::subprotocol::is_credential as is_credential_subprotocol;
pub(crate) use self::subprotocol::may_hold_credential;
pub(crate) use self::uri::path_as_sent;
use crate::handshake::subprotocols;
use crate::{AllowedOrigin, Rejection, RejectionKind};

/// The carriers in which a strategy looks for its credential.
#[derive(Clone, Debug)]
pub struct Carriers {
    query: Vec<Key>,
    bearer_header: bool,
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
            bearer_header: false,
            subprotocols: Vec::new(),
            cookie: None,
        })
    }

    /// Whether one of the places may hold a credential. It reads nothing and removes nothing.
    pub fn may_hold(&self, head: &Parts) -> bool {
        let has = |name| head.headers.contains_key(name);
        !self.query.is_empty() && query::may_hold(head, &self.query)
            || self.bearer_header && has(AUTHORIZATION)
            || !self.subprotocols.is_empty()
                && head
                    .headers
                    .get_all(SEC_WEBSOCKET_PROTOCOL)
                    .iter()
                    .any(may_hold_credential)
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
        // An absent carrier must cost only a lookup.
        let has = |name| head.headers.contains_key(name);
        let query = !self.query.is_empty() && query::may_hold(head, &self.query);
        let header = self.bearer_header && has(AUTHORIZATION);
        let subprotocol = !self.subprotocols.is_empty() && has(SEC_WEBSOCKET_PROTOCOL);
        let cookie = self.cookie.as_ref().filter(|_| has(COOKIE));
        let message = message::is_in(head);
        match (query, header, subprotocol, cookie) {
            _ if message => {}
            (false, false, false, None) => return Ok(None),
            (true, false, false, None) => {
                return query::take(head, &self.query)
                    .map_err(|rejection| rejection.found_in("query"));
            }
            (false, true, false, None) => {
                return header::take(head).map_err(|rejection| rejection.found_in("header"));
            }
            _ => {}
        }

        // Every carrier is emptied before any of them is judged, because a refused head travels on.
        let query = query.then(|| query::take(head, &self.query));
        let header = header.then(|| header::take(head));
        let subprotocol = subprotocol.then(|| subprotocol::take(head, &self.subprotocols));
        let cookie = cookie.map(|cookie| (cookie, cookie::take(head, &cookie.name)));

        let mut explicit = None;
        let mut several = false;
        let places = ["query", "header", "subprotocol", "message"];
        let message = message.then(|| message::take(head));
        for (place, taken) in places
            .into_iter()
            .zip([query, header, subprotocol, message])
        {
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

/// Empties every carrier: the whole query, `Authorization`, the cookies, and the subprotocols that
/// carry a credential.
///
/// For a layer that refuses before a strategy has read its credential. The rest of the request
/// travels on in the rejection.
pub fn remove_all(head: &mut Parts) {
    head.extensions.remove::<MessageCredential>();
    query::remove(head);
    head.headers.remove(AUTHORIZATION);
    head.headers.remove(COOKIE);
    let offered = subprotocols(&head.headers).collect::<Vec<_>>().join(", ");
    head.headers.remove(SEC_WEBSOCKET_PROTOCOL);
    if let Some(offered) = HeaderValue::from_str(&offered)
        .ok()
        .filter(|_| !offered.is_empty())
    {
        head.headers.insert(SEC_WEBSOCKET_PROTOCOL, offered);
    }
}

fn malformed(detail: &'static str) -> Rejection {
    Rejection::new(RejectionKind::CredentialsMalformed, detail)
}

/// Names the carriers. Finish with [`build`](Self::build).
#[derive(Clone, Debug)]
#[must_use]
pub struct CarriersBuilder(Carriers);

impl CarriersBuilder {
    /// `?key=<credential>`, for browsers. Proxies log it, so keep the credential short-lived.
    pub fn query(mut self, key: impl Into<Cow<'static, str>>) -> Self {
        self.0.query.push(Key::plain(key.into()));
        self
    }

    /// Like [`query`](Self::query), but the value may begin with `Bearer `, as in
    /// `?Authorization=Bearer%20<credential>`. The space is written `%20` or `+`.
    pub fn query_bearer(mut self, key: impl Into<Cow<'static, str>>) -> Self {
        self.0.query.push(Key {
            name: key.into(),
            scheme: true,
        });
        self
    }

    /// `Authorization: Bearer <credential>` (RFC 6750 §2.1), for clients that can set headers.
    /// Other schemes are left alone.
    pub fn bearer_header(mut self) -> Self {
        self.0.bearer_header = true;
        self
    }

    /// An entry of `Sec-WebSocket-Protocol`, beside a real subprotocol.
    pub fn subprotocol(mut self, dialect: SubprotocolFormat) -> Self {
        self.0.subprotocols.push(dialect);
        self
    }

    /// The cookie of this name. It decides only without an explicit credential, and only if an
    /// `OriginLayer` further out has allowed the request's `Origin`.
    pub fn cookie(self, name: impl Into<Cow<'static, str>>) -> Self {
        self.set_cookie(name.into(), true)
    }

    /// The cookie of this name, without an origin check.
    ///
    /// Any page that a user visits can then open an authenticated WebSocket in that user's name
    /// (cross-site WebSocket hijacking), unless something else prevents it.
    pub fn dangerous_cookie_from_any_origin(self, name: impl Into<Cow<'static, str>>) -> Self {
        self.set_cookie(name.into(), false)
    }

    fn set_cookie(mut self, name: Cow<'static, str>, check_origin: bool) -> Self {
        self.0.cookie = Some(Cookie { name, check_origin });
        self
    }

    /// Checks the names.
    ///
    /// # Errors
    ///
    /// No carrier at all, or a name that no client could send.
    pub fn build(self) -> Result<Carriers, CarriersError> {
        let carriers = self.0;
        let nowhere = carriers.query.is_empty()
            && !carriers.bearer_header
            && carriers.subprotocols.is_empty()
            && carriers.cookie.is_none();
        if nowhere {
            return Err(CarriersError::Nowhere);
        }
        if let Some(key) = carriers.query.iter().find(|key| !is_plain(&key.name)) {
            return Err(CarriersError::QueryKey(key.name.to_string()));
        }
        if let Some(cookie) = carriers
            .cookie
            .as_ref()
            .filter(|cookie| !is_plain(&cookie.name))
        {
            return Err(CarriersError::CookieName(cookie.name.to_string()));
        }
        Ok(carriers)
    }
}

/// Why [`CarriersBuilder::build`] failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CarriersError {
    /// No carrier was named.
    #[error("no carrier: name at least one, for example `.bearer_header()`")]
    Nowhere,
    /// A query key that is empty or would have to be escaped.
    #[error("the query key {0:?} is not made of letters, digits, `-`, `_` and `.`: choose another")]
    QueryKey(String),
    /// A cookie name that is empty or would have to be escaped.
    #[error(
        "the cookie name {0:?} is not made of letters, digits, `-`, `_` and `.`: choose another"
    )]
    CookieName(String),
}
