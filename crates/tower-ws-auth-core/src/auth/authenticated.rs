use std::ops::Deref;

/// The proof that a request passed an [`AuthLayer`](crate::AuthLayer), with the granted identity.
///
/// Only the layer makes one. It removes an older value of this type from the request. Find it in
/// the request's extensions, or, with the feature `axum`, as an argument of the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Authenticated<I>(I);

impl<I> Authenticated<I> {
    pub(crate) fn new(identity: I) -> Self {
        Self(identity)
    }

    /// The identity.
    pub fn into_inner(self) -> I {
        self.0
    }
}

impl<I> Deref for Authenticated<I> {
    type Target = I;

    fn deref(&self) -> &I {
        &self.0
    }
}

#[cfg(feature = "axum")]
mod extractor {
    use std::convert::Infallible;

    use axum::extract::{FromRequestParts, OptionalFromRequestParts};
    use axum::response::{IntoResponse, Response};
    use http::StatusCode;
    use http::request::Parts;

    use super::Authenticated;

    /// A handler asked for [`Authenticated`] or [`Validity`](crate::Validity) on a route that no
    /// [`AuthLayer`](crate::AuthLayer) with this identity guards: 500. The text names the type.
    #[derive(Debug, Clone, Copy, thiserror::Error)]
    #[error("the handler asks for {wanted}, and {found}")]
    pub struct MissingAuthLayer {
        wanted: &'static str,
        found: &'static str,
    }

    impl MissingAuthLayer {
        pub(crate) fn of<T>(head: &Parts) -> Self {
            // Whatever its identity is, a layer leaves this one.
            let found = if head.extensions.get::<crate::Validity>().is_some() {
                "the AuthLayer of the route grants another type: ask for that one, or change it \
                 with `map`"
            } else {
                "no AuthLayer guards the route: add `.layer(AuthLayer::new(…))` around it"
            };
            Self {
                wanted: std::any::type_name::<T>(),
                found,
            }
        }
    }

    impl IntoResponse for MissingAuthLayer {
        fn into_response(self) -> Response {
            crate::trace::missing_auth_layer(&self);
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }

    impl<I, S> FromRequestParts<S> for Authenticated<I>
    where
        I: Clone + Send + Sync + 'static,
        S: Send + Sync,
    {
        type Rejection = MissingAuthLayer;

        async fn from_request_parts(
            head: &mut Parts,
            _state: &S,
        ) -> Result<Self, MissingAuthLayer> {
            let authenticated = head.extensions.get().cloned();
            authenticated.ok_or_else(|| MissingAuthLayer::of::<Self>(head))
        }
    }

    /// `None` on a route that no layer with this identity guards. To let anonymous clients pass a
    /// guarded one, use [`optional`](crate::AuthenticateExt::optional).
    impl<I, S> OptionalFromRequestParts<S> for Authenticated<I>
    where
        I: Clone + Send + Sync + 'static,
        S: Send + Sync,
    {
        type Rejection = Infallible;

        async fn from_request_parts(
            head: &mut Parts,
            _state: &S,
        ) -> Result<Option<Self>, Infallible> {
            Ok(head.extensions.get().cloned())
        }
    }
}

#[cfg(feature = "axum")]
pub use extractor::MissingAuthLayer;
