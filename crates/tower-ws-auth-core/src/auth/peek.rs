use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use crate::auth::RefusedIdentity;
use crate::auth::future::Waiting;
use crate::revocation::{BoxFuture, Reserved, Revocations, WatchFuture};
use crate::{Authenticate, Grant, Rejection};

/// A credential that is peeked at before it is used up.
pub(super) struct Peek<A: Authenticate, S, B> {
    step: Step<A::Verified>,
    credential: A::Credential,
    waiting: Waiting<A, S, B>,
}

enum Step<V> {
    Asking(BoxFuture<Result<Grant<V>, Rejection>>),
    /// It is registered, and the store is asked about revocations.
    Watching {
        watching: WatchFuture,
        limits: Revocations,
        issued_at: Option<SystemTime>,
    },
}

impl<A: Authenticate, S, B> Peek<A, S, B> {
    pub(super) fn new(
        peeking: BoxFuture<Result<Grant<A::Verified>, Rejection>>,
        credential: A::Credential,
        waiting: Waiting<A, S, B>,
    ) -> Self {
        Self {
            step: Step::Asking(peeking),
            credential,
            waiting,
        }
    }

    pub(super) fn into_parts(self) -> (A::Credential, Waiting<A, S, B>) {
        (self.credential, self.waiting)
    }

    /// Ready when only the credential can still refuse the request.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Reserved>, Rejection>> {
        loop {
            match &mut self.step {
                Step::Asking(asking) => {
                    let mut grant = ready!(asking.as_mut().poll(cx))?;
                    let limits = grant.take_limits().filter(Revocations::are_limited);
                    let (verified, term) = grant.into_parts();
                    if let Some((head, _)) = &self.waiting.request {
                        let admitted = self.waiting.strategy.admit(verified, head);
                        admitted.inspect_err(|_| RefusedIdentity::keep_term(head, &term))?;
                    }
                    let Some(limits) = limits else {
                        return Poll::Ready(Ok(None));
                    };
                    // A revoked credential takes no place, and is not told to come back.
                    self.step = Step::Watching {
                        watching: limits.watch(&term),
                        limits,
                        issued_at: term.issued_at(),
                    };
                }
                Step::Watching {
                    watching,
                    limits,
                    issued_at,
                } => {
                    let watch = ready!(Pin::new(watching).poll(cx))?;
                    limits.reserve(&watch)?;
                    return Poll::Ready(Ok(Some(Reserved::new(watch, *issued_at))));
                }
            }
        }
    }
}
