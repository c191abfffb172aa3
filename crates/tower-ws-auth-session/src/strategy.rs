use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::request::Parts;
use serde::de::DeserializeOwned;
use tower_ws_auth_core::origin::{OriginCheck, Origins};
use tower_ws_auth_core::private::cookie::{self, Found};
use tower_ws_auth_core::{
    AllowedOrigin, AuthLayer, Authenticate, Grant, Presented, Rejection, RejectionKind,
    RevocationKey,
};

use crate::SessionId;
use crate::rules::{Rules, invalid};

/// The layer around a WebSocket route: `SessionLayer::new(sessions.strategy(…))`.
pub type SessionLayer<R, I> = AuthLayer<Session<R, I>>;

/// The strategy that decides by the session in the cookie. Made by
/// [`Sessions::strategy`](crate::Sessions::strategy); see the [crate's documentation](crate).
#[must_use]
pub struct Session<R, I> {
    /// `None` only by the `dangerous_` constructor.
    origins: Option<Arc<Origins>>,
    rules: Rules<R, I>,
}

impl<R, I> Session<R, I> {
    pub(crate) fn new(origins: Option<Origins>, rules: Rules<R, I>) -> Self {
        let origins = origins.map(Arc::new);
        Self { origins, rules }
    }

    /// Prolongs a session to the full life of a new one at each accepted handshake, as
    /// [`Sessions::touch`](crate::Sessions::touch) does. Changes that others write meanwhile stay.
    /// The browser is not told: a cookie with a `Max-Age` keeps its own.
    pub fn rolling(mut self) -> Self {
        self.rules.rolling = true;
        self
    }

    /// Adds a key that can revoke the grant, such as `tenant:7`. The keys of the
    /// [session](SessionId::revocation_key) and of its [user](crate::SessionsBuilder::revocable_by)
    /// stay.
    pub fn revocable_by<K>(mut self, key: impl Fn(&I) -> K + Send + Sync + 'static) -> Self
    where
        K: Into<RevocationKey>,
    {
        self.rules.revocation_key = Some(Arc::new(move |identity| key(identity).into()));
        self
    }

    /// Checks the origin first, then the signature. A foreign page learns nothing about its
    /// visitor, and the store is asked only about signed ids.
    fn open(&self, cookie: &Found, head: &Parts) -> Result<SessionId, Rejection> {
        if let Some(origins) = &self.origins {
            let denied = match origins.allows(head) {
                OriginCheck::Allowed(_) => None,
                // An `OriginLayer` has vouched for a GET of the same origin.
                OriginCheck::Missing if AllowedOrigin::demand(head).is_ok() => None,
                OriginCheck::Missing => {
                    Some("a session cookie decides and no `Origin` came with it")
                }
                OriginCheck::Refused => Some("`Origin` is not on the session's list, or not alone"),
            };
            if let Some(detail) = denied {
                return Err(Rejection::new(RejectionKind::OriginDenied, detail));
            }
        }
        self.rules.shared.open(cookie).map_err(invalid)
    }
}

impl<R, I> Authenticate for Session<R, I>
where
    R: DeserializeOwned + 'static,
    I: Clone + Send + Sync + 'static,
{
    type Credential = SessionCookie;
    type Verified = I;
    type Identity = I;
    type Future = VerifyFuture<I>;

    fn name(&self) -> &'static str {
        "session"
    }

    /// Never fails. A fault of the cookie is reported when it decides.
    fn take(&self, head: &mut Parts) -> Result<Option<SessionCookie>, Rejection> {
        let found = cookie::take(&mut head.headers, &self.rules.shared.attributes.name);
        Ok(found.map(SessionCookie))
    }

    fn verify(&self, cookie: SessionCookie, head: &Parts) -> VerifyFuture<I> {
        VerifyFuture(match self.open(&cookie.0, head) {
            Err(rejection) => State::Refused(Some(rejection)),
            Ok(id) => State::Asking(Box::pin(self.rules.clone().decide(id))),
        })
    }

    fn admit(&self, identity: I, _head: &Parts) -> Result<I, Rejection> {
        Ok(identity)
    }
}

impl<R, I> Clone for Session<R, I> {
    fn clone(&self) -> Self {
        Self {
            origins: self.origins.clone(),
            rules: self.rules.clone(),
        }
    }
}

impl<R, I> fmt::Debug for Session<R, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("origins", &self.origins)
            .field("rules", &self.rules)
            .finish()
    }
}

/// A session cookie as it came, still unverified.
pub struct SessionCookie(Found);

impl Presented for SessionCookie {
    fn is_ambient(&self) -> bool {
        true
    }

    fn carrier(&self) -> Option<&'static str> {
        Some("cookie")
    }
}

impl fmt::Debug for SessionCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionCookie(redacted)")
    }
}

/// The pending decision of [`Session`].
#[must_use]
pub struct VerifyFuture<I>(State<I>);

enum State<I> {
    Refused(Option<Rejection>),
    /// Boxed, like the store's answer.
    Asking(Pin<Box<dyn Future<Output = Result<Grant<I>, Rejection>> + Send>>),
}

impl<I> Future for VerifyFuture<I> {
    type Output = Result<Grant<I>, Rejection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.get_mut().0 {
            // `None` after completion.
            State::Refused(rejection) => rejection
                .take()
                .map_or(Poll::Pending, |rejection| Poll::Ready(Err(rejection))),
            State::Asking(asking) => asking.as_mut().poll(cx),
        }
    }
}

impl<I> fmt::Debug for VerifyFuture<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyFuture").finish_non_exhaustive()
    }
}
