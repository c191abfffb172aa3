use std::borrow::Cow;

use http::HeaderName;
use http::header::{AUTHORIZATION, COOKIE, SEC_WEBSOCKET_PROTOCOL};

use super::presented::LONGEST;
use super::{Carriers, Cookie, Key, SubprotocolFormat, is_plain};

/// Names the places. Finish with [`build`](Self::build).
#[derive(Clone, Debug)]
#[must_use]
pub struct CarriersBuilder(pub(super) Carriers);

impl CarriersBuilder {
    /// `?key=<credential>`, the one place where a browser can put it and a proxy's log will show
    /// it: keep the credential short-lived.
    pub fn query(mut self, key: impl Into<Cow<'static, str>>) -> Self {
        self.0.query.push(Key::plain(key.into()));
        self
    }

    /// Like [`query`](Self::query), and the value may begin with `Bearer ` (the space written
    /// `%20` or `+`), as in `?Authorization=Bearer%20<credential>`.
    pub fn query_bearer(mut self, key: impl Into<Cow<'static, str>>) -> Self {
        self.0.query.push(Key {
            name: key.into(),
            scheme: true,
        });
        self
    }

    /// `Authorization: Bearer <credential>` (RFC 6750 §2.1), for clients that can set headers.
    /// Other schemes stay where they are.
    pub fn bearer_header(self) -> Self {
        self.header_scheme("Bearer")
    }

    /// `Authorization: <scheme> <credential>`, such as `JWT` or `Token`, beside the schemes that
    /// were named before. Its case does not matter.
    pub fn header_scheme(mut self, scheme: impl Into<Cow<'static, str>>) -> Self {
        self.0.schemes.push(scheme.into());
        self
    }

    /// The whole value of another header field, such as `Cf-Access-Jwt-Assertion` or `X-Api-Key`.
    /// It may stand there once.
    ///
    /// Where a proxy is expected to set the field, it must remove the field of its clients.
    pub fn header_field(mut self, name: HeaderName) -> Self {
        self.0.fields.push(name);
        self
    }

    /// Reads credentials of up to this length, 8 KiB unless set and 16 KiB at most. A query as a
    /// whole has at most 16 KiB in any case.
    pub fn max_length(mut self, bytes: usize) -> Self {
        self.0.longest = bytes;
        self
    }

    /// An entry of `Sec-WebSocket-Protocol`, beside a real subprotocol.
    pub fn subprotocol(mut self, format: SubprotocolFormat) -> Self {
        self.0.subprotocols.push(format);
        self
    }

    /// The cookie of this name. It decides only without an explicit credential, and only if an
    /// `OriginLayer` further out has allowed the request's `Origin`.
    pub fn cookie(self, name: impl Into<Cow<'static, str>>) -> Self {
        self.set_cookie(name.into(), true)
    }

    /// The cookie of this name, without asking for the page's origin.
    ///
    /// Any page that a user visits can then open an authenticated WebSocket in that user's name
    /// (cross-site WebSocket hijacking), unless something else keeps it from doing so.
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
    /// No place at all, or a name that no client could send.
    pub fn build(self) -> Result<Carriers, CarriersError> {
        let carriers = self.0;
        let nowhere = carriers.query.is_empty()
            && carriers.schemes.is_empty()
            && carriers.fields.is_empty()
            && carriers.subprotocols.is_empty()
            && carriers.cookie.is_none();
        if nowhere {
            return Err(CarriersError::Nowhere);
        }
        if let Some(key) = carriers.query.iter().find(|key| !is_plain(&key.name)) {
            return Err(CarriersError::QueryKey(key.name.to_string()));
        }
        if !(1..=LONGEST).contains(&carriers.longest) {
            return Err(CarriersError::MaxLength);
        }
        if let Some(scheme) = carriers.schemes.iter().find(|scheme| !is_plain(scheme)) {
            return Err(CarriersError::Scheme(scheme.to_string()));
        }
        let ours = [AUTHORIZATION, COOKIE, SEC_WEBSOCKET_PROTOCOL];
        if let Some(field) = carriers.fields.iter().find(|field| ours.contains(field)) {
            return Err(CarriersError::Field(field.to_string()));
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
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CarriersError {
    /// No place was named.
    #[error("no carrier: name at least one place, for example `.bearer_header()`")]
    Nowhere,
    /// A query key that is empty or would have to be escaped.
    #[error("the query key {0:?} is not made of letters, digits, `-`, `_` and `.`: choose another")]
    QueryKey(String),
    /// A scheme that is empty or no token.
    #[error("the scheme {0:?} is not made of letters, digits, `-`, `_` and `.`: choose another")]
    Scheme(String),
    /// A header field that another carrier reads.
    #[error(
        "the field {0:?} has a carrier of its own: use `bearer_header`, `cookie` or `subprotocol`"
    )]
    Field(String),
    /// A limit that no carrier can have.
    #[error(
        "the longest credential has to be between 1 byte and 16 KiB: choose such a `max_length`"
    )]
    MaxLength,
    /// A cookie name that is empty or would have to be escaped.
    #[error(
        "the cookie name {0:?} is not made of letters, digits, `-`, `_` and `.`: choose another"
    )]
    CookieName(String),
}
