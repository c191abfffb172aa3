//! Which stack a request goes to.

use std::convert::Infallible;
use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, UPGRADE, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tower::ServiceExt;
use tower_ws_auth::origin::OriginCheck;
use tower_ws_auth::{Origins, Rejection};

use crate::body::{self, Body};
use crate::engine_io::Ours;
use crate::failure::Failure;
use crate::options::Policy;
use crate::policy::Policies;
use crate::proxy::Proxy;
use crate::stack::Stack;

/// All stacks.
pub(crate) struct Router {
    pub(crate) handshakes: Stack,
    /// What is no handshake, with a credential: of pages that send no `Origin`, and of others.
    pub(crate) pages: Stack,
    pub(crate) others: Stack,
    /// The gateway's own: where tickets are minted, and where connections are renewed.
    pub(crate) endpoints: Vec<(String, Stack)>,
    pub(crate) policies: Policies,
    pub(crate) origins: Origins,
    pub(crate) proxy: Proxy,
}

impl Router {
    pub(crate) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Infallible> {
        // A request for another protocol is authenticated under every policy.
        let switches =
            request.method() == Method::CONNECT || request.headers().contains_key(UPGRADE);
        if switches {
            return self.handshakes.clone().oneshot(request).await;
        }
        let readable = self.readable_by(&request);
        let is_it = |(path, _): &&(String, Stack)| path == request.uri().path();
        if let Some((_, endpoint)) = self.endpoints.iter().find(is_it) {
            let answer = if is_preflight(&request) && readable.is_some() {
                may_post()
            } else {
                endpoint.clone().oneshot(request).await?
            };
            return Ok(with_permission(answer, readable));
        }
        let answer = match self.policies.of(request.uri().path()) {
            Policy::Refuse => return self.handshakes.clone().oneshot(request).await,
            Policy::Pass => return Ok(self.proxy.plain(request, Policy::Pass).await),
            Policy::Authenticate if is_preflight(&request) && readable.is_some() => {
                return Ok(self.proxy.preflight(request).await);
            }
            Policy::Authenticate if is_of_a_page(request.headers()) => {
                self.pages.clone().oneshot(request).await?
            }
            Policy::Authenticate => self.others.clone().oneshot(request).await?,
        };
        // The upstream's own answers have its own fields.
        let extensions = answer.extensions();
        let is_ours = extensions.get::<Rejection>().is_some()
            || extensions.get::<Failure>().is_some()
            || extensions.get::<Ours>().is_some();
        Ok(with_permission(answer, readable.filter(|_| is_ours)))
    }

    /// The `Origin` of an allowed page. It may read why it is refused.
    fn readable_by(&self, request: &Request<Incoming>) -> Option<HeaderValue> {
        if !request.headers().contains_key(ORIGIN) {
            return None;
        }
        let (mut head, ()) = Request::new(()).into_parts();
        head.uri = request.uri().clone();
        head.headers = request.headers().clone();
        match self.origins.allows(&head) {
            OriginCheck::Allowed(origin) => Some(origin.clone()),
            OriginCheck::Missing | OriginCheck::Refused => None,
        }
    }
}

/// A page's own GET has no `Origin`. The browser says that it is the page's own, and the layer of
/// that stack checks it.
fn is_of_a_page(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site");
    !headers.contains_key(ORIGIN) && site.is_some_and(|site| site == "same-origin")
}

fn is_preflight(request: &Request<Incoming>) -> bool {
    request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// A page of another origin may ask for a ticket or a renewal, with a token in a header.
fn may_post() -> Response<Body> {
    let mut answer = Response::new(body::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let headers = answer.headers_mut();
    let methods = HeaderValue::from_static("POST");
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
    let fields = HeaderValue::from_static("authorization, content-type");
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, fields);
    answer
}

/// An answer of the gateway itself, which an allowed page of another origin may read.
fn with_permission(mut answer: Response<Body>, page: Option<HeaderValue>) -> Response<Body> {
    if let Some(page) = page {
        let headers = answer.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, page);
        headers.insert(
            ACCESS_CONTROL_ALLOW_CREDENTIALS,
            HeaderValue::from_static("true"),
        );
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    answer
}
