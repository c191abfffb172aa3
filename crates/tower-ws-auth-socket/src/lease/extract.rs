use std::convert::Infallible;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;

use crate::lease::Lease;

/// A handler asked for a [`Lease`] on a route that no [`LeaseLayer`](crate::lease::LeaseLayer) guards:
/// 500.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error(
    "the handler asks for a Lease, and no LeaseLayer guards the route: add \
     `.layer(LeaseLayer::new(…))` between the AuthLayer and the handler"
)]
pub struct MissingLeaseLayer(());

impl IntoResponse for MissingLeaseLayer {
    fn into_response(self) -> Response {
        crate::lease::trace::missing_lease_layer(&self);
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Lease {
    type Rejection = MissingLeaseLayer;

    async fn from_request_parts(head: &mut Parts, _state: &S) -> Result<Self, MissingLeaseLayer> {
        head.extensions.get().cloned().ok_or(MissingLeaseLayer(()))
    }
}

/// `None` on a route that no [`LeaseLayer`](crate::lease::LeaseLayer) guards.
impl<S: Send + Sync> OptionalFromRequestParts<S> for Lease {
    type Rejection = Infallible;

    async fn from_request_parts(head: &mut Parts, _state: &S) -> Result<Option<Self>, Infallible> {
        Ok(head.extensions.get().cloned())
    }
}
