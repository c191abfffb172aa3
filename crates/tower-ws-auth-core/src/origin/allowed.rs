use http::HeaderValue;
use http::request::Parts;

use crate::{Rejection, RejectionKind};

/// The mark that an allow-list has seen this request's `Origin` and let it pass.
///
/// The origin layer leaves it in the request's extensions; a strategy that reads a cookie
/// demands it, because a browser sends a cookie whichever page asks.
#[derive(Clone, Debug)]
pub struct AllowedOrigin(HeaderValue);

impl AllowedOrigin {
    /// Vouches for this `Origin`. Only for a layer that has compared it with an allow-list.
    pub fn vouch_for(origin: HeaderValue) -> Self {
        Self(origin)
    }

    /// The origin, as the client sent it.
    pub fn value(&self) -> &HeaderValue {
        &self.0
    }

    /// Refuses a request whose `Origin` nobody has allowed.
    ///
    /// # Errors
    ///
    /// [`OriginDenied`](RejectionKind::OriginDenied), for the log with the remedy.
    pub fn demand(head: &Parts) -> Result<(), Rejection> {
        if head.extensions.get::<Self>().is_some() {
            return Ok(());
        }
        Err(Rejection::new(
            RejectionKind::OriginDenied,
            "a cookie decides and no allowed `Origin` came with it (an OriginLayer must stand further out)",
        ))
    }
}
