//! The service behind the layers, and the requests before them.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response};
use tower::{Layer, Service, service_fn};
use tower_ws_auth::{AuthLayer, Authenticate, Rejection, ResponseBody};

use super::steps::{everywhere, polled, waits};

/// How often the service waits before it answers.
pub(crate) const SERVICE_WAITS: usize = 2;

/// Counts its calls.
#[derive(Clone, Default)]
pub(crate) struct Inner(Arc<AtomicUsize>);

impl Inner {
    pub(crate) fn calls(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Answers 200, and drops the request with what is in its extensions.
    pub(crate) fn service(
        &self,
    ) -> impl Service<
        Request<()>,
        Response = Response<()>,
        Error = Infallible,
        Future: Future + Send,
    > + Clone
    + use<> {
        let calls = Arc::clone(&self.0);
        service_fn(move |request: Request<()>| {
            calls.fetch_add(1, Ordering::SeqCst);
            async move {
                waits(SERVICE_WAITS).await;
                drop(request);
                Ok(Response::new(()))
            }
        })
    }
}

/// The outcome of a request: `None` if it was accepted.
pub(crate) fn refused_as(response: &Response<ResponseBody<()>>) -> Option<&'static str> {
    let rejection = response.extensions().get::<Rejection>();
    assert_eq!(rejection.is_none(), response.status() == 200);
    rejection.map(Rejection::reason)
}

/// An opening handshake.
pub(crate) fn handshake(uri: &str) -> Request<()> {
    let request = test_support::handshake::request(uri).header("origin", "https://app.example");
    request.body(()).unwrap()
}

/// Drops a handshake that would be refused, at each place. The service is never called.
pub(crate) async fn never_called<A>(
    strategy: A,
    request: impl Fn() -> Request<()>,
    token: &str,
) -> usize
where
    A: Authenticate + 'static,
{
    let inner = Inner::default();
    let mut service = AuthLayer::new(strategy).layer(inner.service());
    let places = everywhere(async |polls| {
        let answer = polled(service.call(request()), polls).await;
        assert_eq!(inner.calls(), 0);
        if let Some(answer) = &answer {
            assert_eq!(refused_as(answer.as_ref().unwrap()), Some(token));
        }
        answer.is_some()
    })
    .await;
    assert_eq!(inner.calls(), 0);
    places
}
