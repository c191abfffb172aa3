use http::HeaderValue;

use crate::credential::Credential;

/// What a client presents to a strategy: the type of its
/// [`Credential`](crate::Authenticate::Credential).
///
/// A credential of your own needs one line, if it is explicit and its place need not be logged:
///
/// ```
/// use tower_ws_auth_core::Presented;
///
/// struct Invitation(String);
///
/// impl Presented for Invitation {}
///
/// assert!(!Invitation("i-456".to_owned()).is_ambient());
/// ```
pub trait Presented: Send {
    /// Whether the browser sent it by itself, whichever page asked, as it does with a cookie.
    /// [`or`](crate::AuthenticateExt::or) lets an explicit credential decide before it.
    fn is_ambient(&self) -> bool {
        false
    }

    /// Where it travelled, for tracing events: `query`, `header`, `subprotocol` or `cookie`.
    fn carrier(&self) -> Option<&'static str> {
        None
    }

    /// The name of the strategy that decides about it, where several are combined, for tracing
    /// events.
    fn decided_by(&self) -> Option<&'static str> {
        None
    }
}

impl Presented for Credential {
    fn is_ambient(&self) -> bool {
        Self::is_ambient(self)
    }

    fn carrier(&self) -> Option<&'static str> {
        Some(Self::carrier(self))
    }
}

impl Presented for () {}

impl Presented for String {}

impl Presented for HeaderValue {}

/// Of an optional strategy: presenting nothing is not a choice either.
impl<C: Presented> Presented for Option<C> {
    fn is_ambient(&self) -> bool {
        self.as_ref().is_none_or(C::is_ambient)
    }

    fn carrier(&self) -> Option<&'static str> {
        self.as_ref().and_then(C::carrier)
    }

    fn decided_by(&self) -> Option<&'static str> {
        self.as_ref().and_then(C::decided_by)
    }
}
