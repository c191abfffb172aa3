use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::CONNECTION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use pin_project_lite::pin_project;

use crate::handshake::{Handshake, lists};
use crate::rejection::response::closes;
use crate::{Rejection, ResponseBody};

pin_project! {
    /// The response of a layer that passes a request on or refuses it at once.
    ///
    /// For authors of layers; [`ResponseFuture`] ends in one too.
    pub struct Gate<F> {
        #[pin]
        state: GateState<F>,
    }
}

pin_project! {
    #[project = GateProjected]
    enum GateState<F> {
        Passed { #[pin] inner: F, closes: bool },
        Refused { response: Option<Response<&'static str>> },
    }
}

impl<F> Gate<F> {
    /// Passes the request to the inner service: `call` gets its head and calls the service.
    pub fn pass(head: Parts, call: impl FnOnce(Parts) -> F) -> Self {
        let closes = closes(&head);
        Self::passed(call(head), closes)
    }

    pub(super) fn passed(inner: F, closes: bool) -> Self {
        Self {
            state: GateState::Passed { inner, closes },
        }
    }

    /// Refuses the request. The inner service never sees it.
    pub fn refuse(rejection: Rejection, head: Parts) -> Self {
        Self::refuse_checked(rejection, head, None)
    }

    /// The same, for a head that may already be checked as a handshake.
    pub(super) fn refuse_checked(
        rejection: Rejection,
        head: Parts,
        handshake: Option<Handshake>,
    ) -> Self {
        let response = Some(rejection.respond(head, handshake));
        Self {
            state: GateState::Refused { response },
        }
    }
}

impl<F, B, E> Future for Gate<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            GateProjected::Passed { inner, closes } => {
                let mut response = ready!(inner.poll(cx))?.map(ResponseBody::inner);
                if *closes && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                    close(response.headers_mut());
                }
                Poll::Ready(Ok(response))
            }
            GateProjected::Refused { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response.map(ResponseBody::text))),
                // Polled after completion.
                None => Poll::Pending,
            },
        }
    }
}

/// Adds `close` to `Connection`, beside other values such as the `upgrade` of a 426.
fn close(headers: &mut HeaderMap) {
    if !lists(headers, &CONNECTION, "close") {
        headers.append(CONNECTION, const { HeaderValue::from_static("close") });
    }
}

impl<F> fmt::Debug for Gate<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}
