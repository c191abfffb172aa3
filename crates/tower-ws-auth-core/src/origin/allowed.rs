use http::HeaderValue;
use http::request::Parts;

use crate::{Rejection, RejectionKind};

/// The mark that an allow-list has accepted this request's `Origin`.
///
/// The origin layer puts it into the request's extensions. A strategy that reads a cookie requires
/// it, because a browser sends a cookie for any page.
#[derive(Clone, Debug)]
pub struct AllowedOrigin(HeaderValue);

impl AllowedOrigin {
    /// Marks this `Origin` as allowed. Only for a layer that has compared it with an allow-list.
    #[doc(hidden)]
    pub fn vouch_for(origin: HeaderValue) -> Self {
        Self(origin)
    }

    /// The origin, as the client sent it.
    pub fn value(&self) -> &HeaderValue {
        &self.0
    }

    /// Refuses a request without an allowed `Origin`.
    ///
    /// # Errors
    ///
    /// [`OriginDenied`](RejectionKind::OriginDenied), whose detail names the remedy.
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
