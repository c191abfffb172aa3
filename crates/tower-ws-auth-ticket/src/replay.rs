use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tower_ws_auth_core::{Rejection, RejectionKind};

use crate::timeout::Within;
use crate::{ReplayStore, StoreError, TicketKey};

/// Asks a store whether this is the first claim of a key, and waits at most `limit` for its answer.
///
/// For strategies that make another issuer's credential single-use, such as a JWT by its `jti`.
pub fn claim(
    store: &dyn ReplayStore,
    key: TicketKey,
    ttl: Duration,
    limit: Duration,
) -> ClaimFuture {
    ClaimFuture(Within::new(limit, store.claim(key, ttl)))
}

/// Asks a store whether a key is claimed, without claiming it, and waits at most `limit` for its
/// answer. Returns `false` if the store cannot look it up.
///
/// For such a strategy's [`peek`](tower_ws_auth_core::Authenticate::peek).
///
/// # Errors
///
/// [`Unavailable`](RejectionKind::Unavailable) if the store fails or does not answer in time.
pub async fn is_claimed(
    store: &dyn ReplayStore,
    key: TicketKey,
    limit: Duration,
) -> Result<bool, Rejection> {
    let Some(answer) = store.is_claimed(key) else {
        return Ok(false);
    };
    judge(Within::new(limit, answer).await)
}

fn judge<T>(answer: Option<Result<T, StoreError>>) -> Result<T, Rejection> {
    let unavailable = |detail| Rejection::new(RejectionKind::Unavailable, detail);
    match answer {
        Some(Ok(answer)) => Ok(answer),
        Some(Err(error)) => Err(unavailable("the ticket store failed").with_source(error)),
        None => Err(unavailable("the ticket store did not answer in time")),
    }
}

/// The answer to [`claim`]: `true` for the first claim.
///
/// A store that fails or does not answer in time refuses with
/// [`Unavailable`](RejectionKind::Unavailable). The claim may have been made, so the client is
/// never advised to come back with the same credential.
pub struct ClaimFuture(Within<Result<bool, StoreError>>);

impl Future for ClaimFuture {
    type Output = Result<bool, Rejection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let claim = Pin::new(&mut self.get_mut().0);
        let claimed = claim.poll(cx).map(judge);
        claimed.map_err(Rejection::with_spent_credential)
    }
}

impl fmt::Debug for ClaimFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClaimFuture")
    }
}
