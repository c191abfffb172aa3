use http::HeaderValue;

use crate::credential::Credential;

/// A value that a client presents to a strategy: the type of its
/// [`Credential`](crate::Authenticate::Credential).
///
/// A credential of your own needs one line, if it is explicit and its carrier need not be logged:
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
    /// Whether the browser sends it by itself for any page, as it does with a cookie. An explicit
    /// credential decides before an ambient one in [`or`](crate::AuthenticateExt::or).
    fn is_ambient(&self) -> bool {
        false
    }

    /// The carrier, for tracing events: `query`, `header`, `subprotocol`,
    /// `message` or `cookie`.
    fn carrier(&self) -> Option<&'static str> {
        None
    }

    /// The name of the deciding strategy among several combined ones, for tracing events.
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

/// Of an optional strategy. A missing credential is no explicit choice either.
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
