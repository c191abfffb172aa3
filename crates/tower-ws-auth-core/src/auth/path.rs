use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use http::Request;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::auth::combine::{Permit, permitted};
use crate::{Rejection, RejectionKind};

/// The parameters of the route, such as `{room}` of `/rooms/{room}`, as axum's `Path<P>` reads them
/// in a handler: percent-decoded, typed, and with those of the outer routers under `nest`.
///
/// Use it in a closure of [`and_then`](crate::AuthenticateExt::and_then). For a condition,
/// [`authorize_path`](crate::AuthenticateExt::authorize_path) is shorter. Do not take `uri.path()`
/// apart instead: it still has its escapes, and lacks the part that `nest` has removed.
///
/// # Errors
///
/// - [`Forbidden`](RejectionKind::Forbidden) if the parameters are no `P`, such as `/rooms/x` for a
///   number.
/// - [`Unavailable`](RejectionKind::Unavailable) if the [`AuthLayer`](crate::AuthLayer) stands
///   outside of the router, where the parameters are unknown, or if `P` does not fit the route.
pub fn path_params<P>(head: &Parts) -> Result<P, Rejection>
where
    P: DeserializeOwned + Send,
{
    let (mut parameters, ()) = Request::new(()).into_parts();
    parameters.extensions = head.extensions.clone();
    let extracting = pin!(Path::<P>::from_request_parts(&mut parameters, &()));
    // It reads an extension and waits for nothing.
    match extracting.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(Path(parameters))) => Ok(parameters),
        Poll::Ready(Err(PathRejection::FailedToDeserializePathParams(error)))
            if error.status().is_client_error() =>
        {
            Err(Rejection::new(
                RejectionKind::Forbidden,
                "the path's parameters are not of the type that `authorize_path` or `path_params` names",
            ))
        }
        Poll::Ready(Err(PathRejection::FailedToDeserializePathParams(error))) => Err(unavailable(
            "the type of the path's parameters does not fit the route",
        )
        .with_source(error)),
        Poll::Ready(Err(_)) | Poll::Pending => Err(unavailable(
            "no path parameters: the AuthLayer stands outside of the router, put it on the route",
        )),
    }
}

fn unavailable(detail: &'static str) -> Rejection {
    Rejection::new(RejectionKind::Unavailable, detail)
}

/// The condition of [`authorize_path`](crate::AuthenticateExt::authorize_path).
pub struct ByPath<P, F> {
    permitted: F,
    parameters: PhantomData<fn() -> P>,
}

impl<P, F> ByPath<P, F> {
    pub(crate) fn new(permitted: F) -> Self {
        Self {
            permitted,
            parameters: PhantomData,
        }
    }
}

impl<I, P, F> Permit<I> for ByPath<P, F>
where
    F: Fn(&I, P) -> bool,
    P: DeserializeOwned + Send,
{
    fn permit(&self, identity: &I, head: &Parts) -> Result<(), Rejection> {
        permitted((self.permitted)(identity, path_params(head)?))
    }
}

impl<P, F: Clone> Clone for ByPath<P, F> {
    fn clone(&self) -> Self {
        Self::new(self.permitted.clone())
    }
}

impl<P, F> fmt::Debug for ByPath<P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByPath")
    }
}
