use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;
use tower_ws_auth_core::credential::MAX_CREDENTIAL;
use tower_ws_auth_core::{Rejection, RejectionKind};

use crate::policy::forbidden;
use crate::trace::Trace;
use crate::{ChannelAuthLayer, Join, JoinOutcome, Policy, ResponseFuture};

/// The service that [`ChannelAuthLayer`](crate::ChannelAuthLayer) puts around another one.
pub struct ChannelAuth<P, S> {
    inner: S,
    policy: Arc<P>,
    longest: usize,
}

impl<P, S> ChannelAuth<P, S> {
    /// Wraps `inner` as a [`ChannelAuthLayer`] with this policy does.
    pub fn new(inner: S, policy: P) -> Self {
        ChannelAuthLayer::new(policy).layer(inner)
    }

    tower_ws_auth_core::__inner_accessors!();

    pub(crate) fn of(inner: S, policy: Arc<P>, longest: usize) -> Self {
        Self {
            inner,
            policy,
            longest,
        }
    }
}

impl<P, S, I, M> Service<Join<I, M>> for ChannelAuth<P, S>
where
    P: Policy<I, M>,
    S: Service<Join<I, M>> + Clone,
{
    type Response = JoinOutcome<S::Response>;
    type Error = S::Error;
    type Future = ResponseFuture<P, S, I, M>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, join: Join<I, M>) -> Self::Future {
        let trace = Trace::begin();
        if let Err(rejection) = well_formed(&join, self.longest) {
            return ResponseFuture::deny(join, rejection, trace);
        }
        let deciding = self.policy.decide(&join);

        // Calls the service that was polled ready; the clone is not ready yet.
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        ResponseFuture::decide(deciding, join, ready, trace)
    }
}

/// Free checks come before those that may spend a ticket.
fn well_formed<I, M>(join: &Join<I, M>, longest: usize) -> Result<(), Rejection> {
    let channel = join.channel();
    if channel.is_empty() || channel.len() > longest {
        return Err(forbidden("the channel's name is empty or too long"));
    }
    if channel.chars().any(char::is_control) {
        return Err(forbidden("the channel's name has a control character"));
    }
    if join.credential().is_some_and(|c| c.len() > MAX_CREDENTIAL) {
        let kind = RejectionKind::CredentialsMalformed;
        return Err(Rejection::new(kind, "the credential is longer than 8 KiB"));
    }
    Ok(())
}

impl<P, S: Clone> Clone for ChannelAuth<P, S> {
    fn clone(&self) -> Self {
        Self::of(self.inner.clone(), Arc::clone(&self.policy), self.longest)
    }
}

impl<P, S: fmt::Debug> fmt::Debug for ChannelAuth<P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelAuth")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
