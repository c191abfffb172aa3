//! Reads the small body of a request to an endpoint of ours.

use std::future::poll_fn;
use std::pin::pin;

use bytes::Buf;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode, Version};
use http_body::Body;

use crate::ResponseBody;

/// Why the request to an endpoint cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// The method is not `POST`.
    Method,
    /// The body is not what the endpoint reads, or it broke off.
    Malformed,
    /// The body did not come in time.
    Timeout,
    /// The body is too long.
    TooLarge,
}

impl BodyError {
    /// 405, 400, 408 or 413.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }

    /// The fixed text of the refusal.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Method => "method_not_allowed",
            Self::Malformed => "request_malformed",
            Self::Timeout => "request_timeout",
            Self::TooLarge => "request_too_large",
        }
    }

    /// The refusal.
    pub fn into_response<B>(self, version: Version) -> Response<ResponseBody<B>> {
        let mut response = Response::new(ResponseBody::text(self.reason()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self == Self::Method {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        // RFC 9110 §15.5.9. HTTP/2 has no such field.
        if self == Self::Timeout && version <= Version::HTTP_11 {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Reads the body of a `POST`, of at most `longest` bytes. The caller limits the time.
///
/// # Errors
///
/// Another method, a body that is longer, and one that breaks off.
pub async fn read_body<B: Body>(
    method: &Method,
    body: B,
    longest: usize,
) -> Result<Vec<u8>, BodyError> {
    if method != Method::POST {
        return Err(BodyError::Method);
    }
    if body.size_hint().lower() > longest as u64 {
        return Err(BodyError::TooLarge);
    }
    let mut body = pin!(body);
    let mut read = Vec::new();
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let frame = frame.map_err(|_| BodyError::Malformed)?;
        let Ok(mut data) = frame.into_data() else {
            continue;
        };
        if data.remaining() > longest - read.len() {
            return Err(BodyError::TooLarge);
        }
        while data.has_remaining() {
            let chunk = data.chunk();
            read.extend_from_slice(chunk);
            let length = chunk.len();
            data.advance(length);
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Request;
    use http_body_util::{BodyExt, Full};

    use super::*;

    async fn read(method: Method, text: &'static str) -> Result<Vec<u8>, BodyError> {
        let request = Request::builder()
            .method(method)
            .body(Full::<Bytes>::from(text));
        let (head, body) = request.unwrap().into_parts();
        read_body(&head.method, body, 5).await
    }

    #[tokio::test]
    async fn a_post_of_the_longest_length_is_read_and_nothing_else() {
        assert_eq!(read(Method::POST, "12345").await.unwrap(), b"12345");
        assert_eq!(read(Method::POST, "").await.unwrap(), b"");
        assert_eq!(read(Method::POST, "123456").await, Err(BodyError::TooLarge));
        assert_eq!(read(Method::GET, "1").await, Err(BodyError::Method));
    }

    #[tokio::test]
    async fn a_body_of_unknown_length_is_bounded_as_it_comes() {
        struct Chunks;
        impl Body for Chunks {
            type Data = Bytes;
            type Error = std::io::Error;
            fn poll_frame(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>>
            {
                // It never ends by itself.
                let data = http_body::Frame::data(Bytes::from_static(b"12"));
                std::task::Poll::Ready(Some(Ok(data)))
            }
        }
        let read = read_body(&Method::POST, Chunks, 5).await;
        assert_eq!(read, Err(BodyError::TooLarge));
    }

    #[tokio::test]
    async fn the_answer_names_the_fault_and_the_way_out() {
        let answer = |error: BodyError| error.into_response::<Full<Bytes>>(Version::HTTP_11);
        let refused = answer(BodyError::Method);
        assert_eq!(
            (refused.status(), &refused.headers()[ALLOW]),
            (
                StatusCode::METHOD_NOT_ALLOWED,
                &HeaderValue::from_static("POST")
            )
        );
        let late = answer(BodyError::Timeout);
        assert_eq!(late.headers()[CONNECTION], "close");
        let text = late.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(text, "request_timeout");
        let late = BodyError::Timeout.into_response::<Full<Bytes>>(Version::HTTP_2);
        assert!(!late.headers().contains_key(CONNECTION));
    }
}
