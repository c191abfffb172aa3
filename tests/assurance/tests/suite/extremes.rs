//! Settings at the ends of their range: each is an error of its constructor, or it works. None
//! makes a request panic.

mod connections;
mod strategies;

use std::convert::Infallible;
use std::fmt::Display;
use std::time::Duration;

use http::Request;
use tower::ServiceExt;

use crate::stack::{Answer, Service};

/// No time, the shortest, and more than any clock can add to the present.
const TIMES: [Duration; 3] = [Duration::ZERO, Duration::from_nanos(1), Duration::MAX];

/// Nothing, one, and more than fits into memory.
const SIZES: [usize; 3] = [0, 1, usize::MAX];

/// An error must say what to change.
fn names(setting: &str, error: &impl Display) {
    let text = error.to_string();
    assert!(text.contains(setting), "{setting}: {text}");
}

async fn answer(service: &Service, request: Request<()>) -> Answer {
    let answered: Result<_, Infallible> = service.clone().oneshot(request).await;
    answered.unwrap_or_else(|never| match never {})
}

/// The good one is let in, or refused as a client is; the bad one is always refused.
async fn decides(what: &str, service: Service, good: Request<()>, bad: Request<()>) -> bool {
    let good = answer(&service, good).await;
    assert!(
        good == Answer::IN || good.refusal.is_some(),
        "{what}: {good:?}"
    );
    let bad = answer(&service, bad).await;
    assert!(bad.refusal.is_some(), "{what}: {bad:?}");
    good == Answer::IN
}
