use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use serde::de::DeserializeOwned;
use tower_ws_auth_core::{Grant, Rejection};

use crate::decider::Decider;
use crate::rules::Checked;
use crate::source::Failure;

/// The decision of a [`Jwt`](crate::Jwt) under way. It is ready at once, unless a key has to be
/// fetched.
pub struct VerifyFuture<C>(pub(crate) DecideFuture<C, ()>);

impl<C> VerifyFuture<C> {
    pub(crate) fn refused(rejection: Rejection) -> Self {
        Self(DecideFuture::Decided(Some(Err(rejection))))
    }
}

impl<C> Future for VerifyFuture<C> {
    type Output = Result<Grant<C>, Rejection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let deciding = Pin::new(&mut self.get_mut().0);
        deciding
            .poll(cx)
            .map(|decided| decided.map(|(grant, ())| grant))
    }
}

/// What a decision comes to.
type Decided<C, T> = Result<(Grant<C>, T), Rejection>;

/// A decision that may have to wait, with something noted beside the grant.
pub(crate) enum DecideFuture<C, T> {
    Decided(Option<Decided<C, T>>),
    // Boxed, because only the rare token that no key fits comes here.
    #[cfg(feature = "jwks")]
    Waiting(Pin<Box<dyn Future<Output = Decided<C, T>> + Send>>),
}

impl<C: DeserializeOwned + 'static, T: 'static> DecideFuture<C, T> {
    pub(crate) fn new(
        decider: &Arc<Decider<C>>,
        token: &str,
        note: fn(&Checked<'_>, Duration) -> T,
    ) -> Self {
        Self::Decided(Some(match decider.decide(token, note) {
            Ok(granted) => Ok(granted),
            Err(Failure::Refused(rejection)) => Err(rejection),
            #[cfg(feature = "jwks")]
            Err(Failure::Missing(wanted)) => return Self::waiting(decider, token, wanted, note),
        }))
    }

    #[cfg(feature = "jwks")]
    fn waiting(
        decider: &Arc<Decider<C>>,
        token: &str,
        wanted: crate::jwks::Wanted,
        note: fn(&Checked<'_>, Duration) -> T,
    ) -> Self {
        use crate::jwks::Asked;

        let Some(jwks) = decider.keys.fetched() else {
            return Self::Decided(None);
        };
        match jwks.ask(wanted) {
            Asked::Refused(rejection) => Self::Decided(Some(Err(rejection))),
            Asked::Coming(landing) => {
                let (decider, token) = (Arc::clone(decider), token.to_owned());
                Self::Waiting(Box::pin(async move {
                    landing.wait().await?;
                    match decider.decide(&token, note) {
                        Ok(granted) => Ok(granted),
                        Err(Failure::Refused(rejection)) => Err(rejection),
                        Err(Failure::Missing(_)) => Err(decider.verdict_on_missing()),
                    }
                }))
            }
        }
    }
}

// Nothing in it is pinned: the grant is only handed on.
impl<C, T> Unpin for DecideFuture<C, T> {}

impl<C, T> Future for DecideFuture<C, T> {
    type Output = Decided<C, T>;

    #[cfg_attr(
        not(feature = "jwks"),
        expect(unused_variables, reason = "nothing waits")
    )]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            // A poll after the end finds nothing.
            Self::Decided(decided) => decided.take().map_or(Poll::Pending, Poll::Ready),
            #[cfg(feature = "jwks")]
            Self::Waiting(waiting) => waiting.as_mut().poll(cx),
        }
    }
}

impl<C> fmt::Debug for VerifyFuture<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyFuture")
    }
}
