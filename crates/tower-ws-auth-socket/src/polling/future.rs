use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode, response};
use http_body::Body;
use hyper::body::Buf;
use pin_project_lite::pin_project;
use tower_ws_auth_core::{BoxFuture, DisconnectReason, ResponseBody};

use crate::lease::Lease;
use crate::polling::opening::{LONGEST, Opening};
use crate::protocol::{self, Cause};

pin_project! {
    /// The response of a [`Polling`](crate::polling::Polling) service.
    pub struct ResponseFuture<F, B> {
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<F, B> {
        Refused { response: Option<Response<ResponseBody<B>>> },
        Passed { #[pin] inner: F, then: Then },
        Reading { #[pin] body: B, read: Vec<u8>, head: Option<(response::Parts, Opening)> },
    }
}

/// What is done with the answer.
pub(crate) enum Then {
    Pass,
    /// It opens a session.
    Bind(Opening),
    /// It ends with the lease.
    End(BoxFuture<DisconnectReason>),
}

impl Then {
    pub(crate) fn end_with(lease: Lease) -> Self {
        Self::End(Box::pin(async move { lease.ended().await }))
    }
}

impl<F, B> ResponseFuture<F, B> {
    pub(crate) fn refuse(response: Response<ResponseBody<B>>) -> Self {
        let response = Some(response);
        let state = State::Refused { response };
        Self { state }
    }

    pub(crate) fn pass(inner: F, then: Then) -> Self {
        let state = State::Passed { inner, then };
        Self { state }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                Projected::Refused { response } => {
                    // Polled after it was ready, which no executor does.
                    return response
                        .take()
                        .map_or(Poll::Pending, |it| Poll::Ready(Ok(it)));
                }
                Projected::Passed { inner, then } => {
                    let response = inner.poll(cx);
                    // What the server still has is not for this client, and neither is what it says
                    // about the end.
                    if let Then::End(ended) = then
                        && let Poll::Ready(reason) = ended.as_mut().poll(cx)
                    {
                        return Poll::Ready(Ok(packets(&reason)));
                    }
                    let response = ready!(response)?;
                    let (head, body) = response.into_parts();
                    match std::mem::replace(then, Then::Pass) {
                        Then::Bind(opening) if head.status == StatusCode::OK => State::Reading {
                            body,
                            read: Vec::new(),
                            head: Some((head, opening)),
                        },
                        _ => {
                            let response = Response::from_parts(head, body);
                            return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                        }
                    }
                }
                Projected::Reading {
                    mut body,
                    read,
                    head,
                } => {
                    let is_whole = ready!(read_to_end(body.as_mut(), read, cx));
                    let Some((mut head, opening)) = head.take() else {
                        return Poll::Pending;
                    };
                    if !is_whole || head.headers.contains_key(CONTENT_ENCODING) {
                        return Poll::Ready(Ok(unreadable()));
                    }
                    let answer = opening.bind(std::mem::take(read));
                    head.headers.remove(CONTENT_LENGTH);
                    let body = ResponseBody::bytes(answer);
                    return Poll::Ready(Ok(Response::from_parts(head, body)));
                }
            };
            state.set(next);
        }
    }
}

/// False if it is too long, or fails.
fn read_to_end<B: Body>(
    mut body: Pin<&mut B>,
    read: &mut Vec<u8>,
    cx: &mut Context<'_>,
) -> Poll<bool> {
    loop {
        match ready!(body.as_mut().poll_frame(cx)) {
            None => return Poll::Ready(true),
            Some(Err(_)) => return Poll::Ready(false),
            Some(Ok(frame)) => {
                let Ok(mut data) = frame.into_data() else {
                    continue;
                };
                if read.len() + data.remaining() > LONGEST {
                    return Poll::Ready(false);
                }
                while data.has_remaining() {
                    let chunk = data.chunk();
                    let length = chunk.len();
                    read.extend_from_slice(chunk);
                    data.advance(length);
                }
            }
        }
    }
}

/// A session whose `sid` cannot be bound is not opened for the client.
fn unreadable<B>() -> Response<ResponseBody<B>> {
    let mut response = Response::new(ResponseBody::text("unavailable"));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}

/// The answer to a poll whose lease has ended.
fn packets<B>(reason: &DisconnectReason) -> Response<ResponseBody<B>> {
    let ending = protocol::Polling::ending(Cause::of_reason(reason), reason.reason());
    let mut response = Response::new(ResponseBody::bytes(ending));
    let headers = response.headers_mut();
    let text = const { HeaderValue::from_static("text/plain; charset=UTF-8") };
    headers.insert(CONTENT_TYPE, text);
    let no_store = const { HeaderValue::from_static("no-store") };
    headers.insert(CACHE_CONTROL, no_store);
    response
}

impl<F, B> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
