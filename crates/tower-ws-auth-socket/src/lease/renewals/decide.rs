//! The whole way of a renewal that was read: the strategy, and then the connection.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Empty;
use tower_service::Service;
use tower_ws_auth_core::private::RefusedIdentity;
use tower_ws_auth_core::{Auth, Authenticate, Rejection, RejectionKind, ResponseBody};

use crate::json;
use crate::lease::renewals::ConnectionId;
use crate::lease::renewals::endpoint::{Endpoint, Target, UNKNOWN};

/// Lets the strategy decide, and then the connection.
pub(super) async fn decide<A: Authenticate>(
    mut auth: Auth<A, Endpoint<A::Identity>>,
    mut request: Request<Target>,
) -> Response<ResponseBody<Empty<Bytes>>> {
    let refused = RefusedIdentity::new();
    request.extensions_mut().insert(refused.clone());
    let target = request.body().clone();
    let response = match auth.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let rejection = response.extensions().get::<Rejection>();
    let text = match rejection {
        Some(rejection) => {
            if rejection.kind() == RejectionKind::Forbidden
                && let Some((identity, term)) = refused.take::<A::Identity>()
            {
                auth.get_ref().forbid(&identity, &term, &target).await;
            }
            rejection.reason()
        }
        None if response.status() == StatusCode::NOT_FOUND => UNKNOWN,
        None => "",
    };
    let (mut head, _) = response.into_parts();
    head.headers
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !text.is_empty() {
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        head.headers.insert(CONTENT_TYPE, plain);
    }
    Response::from_parts(head, ResponseBody::text(text))
}

/// The connection that a body names.
pub(super) fn target(body: &[u8]) -> Option<Target> {
    let body = str::from_utf8(body).ok()?;
    match json::find(body, &["connection".to_owned()]) {
        Ok(json::Found::Text(id)) => ConnectionId::decode(&id).map(Target::Named),
        _ => None,
    }
}
