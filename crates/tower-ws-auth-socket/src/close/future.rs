use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Response;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower_ws_auth_core::ResponseBody;

use crate::close::config::Config;
use crate::close::convert::Conversion;
use crate::close::error_responses::Interposed;
use crate::close::polled::Polled;

pin_project! {
    /// The response of a [`CloseFrame`](crate::close::CloseFrame) service.
    pub struct ResponseFuture<F, B> {
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<F, B> {
        Waiting {
            #[pin]
            inner: F,
            config: Arc<Config>,
            // Dropped with the request: its service then gets no connection.
            interposed: Option<Box<Interposed>>,
        },
        // Dropped when the client goes, and its permit with it.
        Holding { #[pin] hold: Sleep, held: Option<(Response<B>, Converted)> },
    }
}

/// What becomes of a refusal.
enum Converted {
    Handshake(Conversion),
    Poll(Polled),
}

impl Converted {
    fn reject_delay(&self) -> Duration {
        match self {
            Self::Handshake(conversion) => conversion.reject_delay(),
            Self::Poll(polled) => polled.reject_delay(),
        }
    }

    fn apply<B>(self, response: Response<B>) -> Response<ResponseBody<B>> {
        match self {
            Self::Handshake(conversion) => conversion.apply(response),
            Self::Poll(polled) => polled.apply(response),
        }
    }
}

impl<F, B> ResponseFuture<F, B> {
    pub(crate) fn new(inner: F, config: Arc<Config>, interposed: Option<Box<Interposed>>) -> Self {
        Self {
            state: State::Waiting {
                inner,
                config,
                interposed,
            },
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let held = match state.as_mut().project() {
                Projected::Waiting {
                    inner,
                    config,
                    interposed,
                } => {
                    let response = ready!(inner.poll(cx))?;
                    let (response, converted) = match interposed.take() {
                        None => {
                            // First: a conversion takes the head.
                            let polled = Polled::of(&response, config).map(Converted::Poll);
                            let converted = polled.or_else(|| {
                                Conversion::of(&response, config).map(Converted::Handshake)
                            });
                            (response, converted)
                        }
                        Some(interposed) => {
                            let (response, conversion) =
                                Conversion::of_any(response, config, *interposed);
                            (response, conversion.map(Converted::Handshake))
                        }
                    };
                    let Some(converted) = converted else {
                        return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                    };
                    let delay = converted.reject_delay();
                    if delay.is_zero() {
                        return Poll::Ready(Ok(converted.apply(response)));
                    }
                    State::Holding {
                        hold: sleep(delay),
                        held: Some((response, converted)),
                    }
                }
                Projected::Holding { hold, held } => {
                    ready!(hold.poll(cx));
                    return match held.take() {
                        Some((response, converted)) => Poll::Ready(Ok(converted.apply(response))),
                        // Polled after it was ready, which no executor does.
                        None => Poll::Pending,
                    };
                }
            };
            state.set(held);
        }
    }
}

impl<F, B> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
