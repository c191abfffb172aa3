//! The body of the inner service passes as it is; that of a refusal is its token.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty};
use tower_ws_auth_core::ResponseBody;

/// Yields these frames and claims what it is told to claim.
#[derive(Debug)]
struct Frames {
    frames: VecDeque<Result<Frame<Bytes>, &'static str>>,
    hint: (u64, Option<u64>),
}

impl Body for Frames {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        Poll::Ready(self.frames.pop_front())
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_lower(self.hint.0);
        if let Some(upper) = self.hint.1 {
            hint.set_upper(upper);
        }
        hint
    }
}

#[tokio::test]
async fn frames_trailers_and_errors_of_the_inner_body_pass() {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "1".parse().unwrap());
    let frames = [
        Ok(Frame::data(Bytes::from_static(b"one"))),
        Ok(Frame::trailers(trailers.clone())),
        Err("broken"),
    ];
    let mut body = ResponseBody::inner(Frames {
        frames: frames.into(),
        hint: (3, None),
    });
    assert!(!body.is_end_stream());
    let one = body.frame().await.unwrap().unwrap();
    assert_eq!(one.into_data().unwrap(), "one");
    let two = body.frame().await.unwrap().unwrap();
    assert_eq!(two.into_trailers().unwrap(), trailers);
    assert_eq!(body.frame().await.unwrap().unwrap_err(), "broken");
    assert!(body.is_end_stream());
    assert!(body.frame().await.is_none());
}

#[test]
fn the_size_hint_of_the_inner_body_passes() {
    for hint in [(0, None), (3, Some(9)), (7, Some(7))] {
        let frames = VecDeque::new();
        let passed = ResponseBody::inner(Frames { frames, hint }).size_hint();
        assert_eq!((passed.lower(), passed.upper()), hint);
    }
}

#[tokio::test]
async fn a_text_is_one_frame_of_known_length() {
    let mut body = ResponseBody::<Empty<Bytes>>::text("forbidden");
    assert_eq!(body.size_hint().exact(), Some(9));
    assert!(!body.is_end_stream());
    let frame: Result<_, Infallible> = body.frame().await.unwrap();
    assert_eq!(frame.unwrap().into_data().unwrap(), "forbidden");
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(body.is_end_stream());
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn an_empty_text_has_no_frame() {
    let mut body = ResponseBody::<Empty<Bytes>>::text("");
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(body.frame().await.is_none());
}
