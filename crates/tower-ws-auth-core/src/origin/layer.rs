use std::sync::Arc;
use std::task::{Context, Poll};

use crate::{__inner_accessors, AllowedOrigin, Rejection, RejectionKind, ResponseBody, credential};
use http::header::UPGRADE;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::auth::Gate;
use crate::origin::{OriginCheck, Origins, trace};

/// Refuses requests from pages that are not on the list; see the [module's documentation](crate::origin).
///
/// It stands outside of the layers that read credentials and inside of those that log.
#[derive(Clone, Debug)]
#[must_use]
pub struct OriginLayer {
    origins: Arc<Origins>,
    missing: MissingOrigin,
}

impl OriginLayer {
    /// Lets the pages on the list pass. `missing` decides about a request without `Origin`.
    pub fn new(origins: Origins, missing: MissingOrigin) -> Self {
        Self {
            origins: Arc::new(origins),
            missing,
        }
    }
}

/// The decision about a request without `Origin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MissingOrigin {
    /// It is refused, for services to which only pages connect.
    Refuse,
    /// It passes, for services with other clients: apps, command lines, servers.
    ///
    /// Every browser sends `Origin` with a WebSocket handshake, so no page sent this one. On an
    /// ordinary route a page may have: browsers omit it from GET and HEAD requests. A strategy that
    /// reads a cookie requires an allowed `Origin` in either case.
    Allow,
    /// A GET or HEAD passes whose browser says `Sec-Fetch-Site: same-origin`, and no handshake: for
    /// the first poll of Socket.IO, `EventSource` and pages. The rest is refused.
    ///
    /// The request counts as an allowed page's, so a cookie decides about it. No page can write
    /// this field; old browsers do not send it.
    AllowSameOrigin,
}

impl<S> Layer<S> for OriginLayer {
    type Service = Origin<S>;

    fn layer(&self, inner: S) -> Origin<S> {
        Origin {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service that [`OriginLayer`] puts around another one.
#[derive(Clone, Debug)]
pub struct Origin<S> {
    inner: S,
    layer: OriginLayer,
}

impl<S> Origin<S> {
    /// Wraps `inner` as an [`OriginLayer`] with this list does.
    pub fn new(inner: S, origins: Origins, missing: MissingOrigin) -> Self {
        OriginLayer::new(origins, missing).layer(inner)
    }

    __inner_accessors!();
}

impl<S, B, ResBody> Service<Request<B>> for Origin<S>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = Gate<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        // An outer list may be longer than this one.
        head.extensions.remove::<AllowedOrigin>();
        match self.layer.admit(&mut head) {
            Ok(()) => Gate::pass(head, |head| {
                self.inner.call(Request::from_parts(head, body))
            }),
            Err(rejection) => {
                trace::refused(&rejection, &head, self.layer.origins.meant(&head));
                // This layer stands outside of the one that knows the carrier.
                credential::remove_all(&mut head);
                Gate::refuse(rejection, head)
            }
        }
    }
}

const MEANT: &str = "`Origin` differs from an entry by its case, a default port or a final `/`, which no browser writes";

impl OriginLayer {
    fn is_same_origin(&self, head: &Parts) -> bool {
        let mut sites = head.headers.get_all("sec-fetch-site").iter();
        self.missing == MissingOrigin::AllowSameOrigin
            && matches!(head.method, Method::GET | Method::HEAD)
            && !head.headers.contains_key(UPGRADE)
            && sites.next().is_some_and(|site| site == "same-origin")
            && sites.next().is_none()
    }

    fn admit(&self, head: &mut Parts) -> Result<(), Rejection> {
        let detail = match self.origins.allows(head) {
            OriginCheck::Allowed(origin) => {
                let allowed = AllowedOrigin::vouch_for(origin.clone());
                head.extensions.insert(allowed);
                return Ok(());
            }
            OriginCheck::Missing if self.missing == MissingOrigin::Allow => return Ok(()),
            OriginCheck::Missing if self.is_same_origin(head) => {
                let same = HeaderValue::from_static("same-origin");
                head.extensions.insert(AllowedOrigin::vouch_for(same));
                return Ok(());
            }
            OriginCheck::Missing => "no `Origin`",
            OriginCheck::Refused if self.origins.meant(head).is_some() => MEANT,
            OriginCheck::Refused => "`Origin` is not on the list, or not alone",
        };
        Err(Rejection::new(RejectionKind::OriginDenied, detail))
    }
}
