//! The whole way of a renewal that was read: the strategy, and then the connection.

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Empty;
use tower_service::Service;
use tower_ws_auth_core::private::{RefusedIdentity, Renewing};
use tower_ws_auth_core::{
    Auth, Authenticate, BoxFuture, Rejection, RejectionKind, ResponseBody, Validity,
};

use crate::json;
use crate::lease::renewals::ConnectionId;
use crate::lease::renewals::endpoint::{Endpoint, Target, UNKNOWN, UnknownConnection};

/// Lets the strategy decide, and then the connection.
pub(super) async fn decide<A: Authenticate>(
    mut auth: Auth<A, Endpoint<A::Identity>>,
    mut request: Request<Target>,
) -> Response<ResponseBody<Empty<Bytes>>> {
    let refused = RefusedIdentity::new();
    request.extensions_mut().insert(refused.clone());
    let target = request.body().clone();
    let renewing = renewing(auth.get_ref().clone(), target.clone());
    request.extensions_mut().insert(renewing);
    let response = match auth.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let (mut head, _) = response.into_parts();
    let text = match head.extensions.get::<Rejection>() {
        Some(rejection) if UnknownConnection::is_behind(rejection) => {
            head.extensions.remove::<Rejection>();
            head.status = StatusCode::NOT_FOUND;
            UNKNOWN
        }
        Some(rejection) => {
            if rejection.kind() == RejectionKind::Forbidden
                && let Some((identity, validity)) = refused.take()
            {
                auth.get_ref().forbid(&*identity, &validity, &target).await;
            }
            rejection.reason()
        }
        None if head.status == StatusCode::NOT_FOUND => UNKNOWN,
        None => "",
    };
    head.headers
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !text.is_empty() {
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        head.headers.insert(CONTENT_TYPE, plain);
    }
    Response::from_parts(head, ResponseBody::text(text))
}

/// Finds the connection before a single-use credential is used up.
fn renewing<I: Clone + Send + Sync + 'static>(endpoint: Endpoint<I>, target: Target) -> Renewing {
    Renewing::new(
        move |identity: &(dyn Any + Send + Sync), validity: &Validity| {
            let user = identity
                .downcast_ref()
                .map(|identity| (endpoint.user)(identity));
            let (endpoint, target, validity) = (endpoint.clone(), target.clone(), validity.clone());
            let found = async move {
                // The strategy has no other identity.
                let user: Arc<str> = user.ok_or(UnknownConnection)?;
                endpoint.look_for(user, &validity, &target).await
            };
            Box::pin(found) as BoxFuture<_>
        },
    )
}

/// The connection that a body names.
pub(super) fn target(body: &[u8]) -> Option<Target> {
    let body = str::from_utf8(body).ok()?;
    match json::find(body, &["connection".to_owned()]) {
        Ok(json::Found::Text(id)) => ConnectionId::decode(&id).map(Target::Named),
        _ => None,
    }
}
