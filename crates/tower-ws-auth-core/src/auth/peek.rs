use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use crate::auth::future::Waiting;
use crate::auth::{RefusedIdentity, Renewed, Renewing};
use crate::revocation::{BoxFuture, Reserved, Revocations, WatchFuture};
use crate::{Authenticate, Grant, Rejection, Validity};

/// A credential that is peeked at before it is used up.
pub(super) struct Peek<A: Authenticate, S, B> {
    step: Step<A::Verified>,
    credential: A::Credential,
    waiting: Waiting<A, S, B>,
}

enum Step<V> {
    Asking(BoxFuture<Result<Grant<V>, Rejection>>),
    /// It is to renew a connection.
    Finding {
        finding: BoxFuture<Result<Renewed, Rejection>>,
        limits: Option<Revocations>,
        validity: Validity,
    },
    /// It is registered, and the store is asked about revocations.
    Watching {
        watching: WatchFuture,
        limits: Revocations,
        issued_at: Option<SystemTime>,
        renewed: Option<Renewed>,
    },
}

impl<V> Step<V> {
    /// A revoked credential takes no place, and is not told to come back.
    fn watch(limits: Revocations, validity: &Validity, renewed: Option<Renewed>) -> Self {
        Self::Watching {
            watching: limits.watch(validity),
            limits,
            issued_at: validity.credential_issued_at(),
            renewed,
        }
    }
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
                    let (verified, validity) = grant.into_parts();
                    let finding = match &self.waiting.request {
                        Some((head, _)) => {
                            let admitted = self.waiting.strategy.admit(verified, head);
                            let identity = admitted
                                .inspect_err(|_| RefusedIdentity::keep_validity(head, &validity))?;
                            Renewing::find(head, &identity, &validity)
                        }
                        None => None,
                    };
                    self.step = match (finding, limits) {
                        (None, None) => return Poll::Ready(Ok(None)),
                        (None, Some(limits)) => Step::watch(limits, &validity, None),
                        (Some(finding), limits) => Step::Finding {
                            finding,
                            limits,
                            validity,
                        },
                    };
                }
                Step::Finding {
                    finding,
                    limits,
                    validity,
                } => {
                    let renewed = ready!(finding.as_mut().poll(cx))?;
                    let Some(limits) = limits.take() else {
                        return Poll::Ready(Ok(None));
                    };
                    self.step = Step::watch(limits, validity, Some(renewed));
                }
                Step::Watching {
                    watching,
                    limits,
                    issued_at,
                    renewed,
                } => {
                    let watch = ready!(Pin::new(watching).poll(cx))?;
                    match renewed.take() {
                        None => limits.reserve(&watch, None)?,
                        Some(Renewed::Here(old)) => limits.reserve(&watch, old.as_ref())?,
                        Some(Renewed::Elsewhere) => {}
                    }
                    return Poll::Ready(Ok(Some(Reserved::new(watch, *issued_at))));
                }
            }
        }
    }
}
