use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use super::registry::Registry;
use super::{BoxFuture, Connection, Revocation, Revocations, StoreError};
use crate::{Rejection, RejectionKind};

/// A connection that hears of revocations for as long as a clone of this lives.
#[derive(Clone, Debug)]
pub struct Watch(Arc<Registration>);

#[derive(Debug)]
struct Registration {
    connection: Arc<Connection>,
    revocations: Revocations,
}

impl Watch {
    pub(super) fn new(connection: Arc<Connection>, revocations: Revocations) -> Self {
        Self(Arc::new(Registration {
            connection,
            revocations,
        }))
    }

    /// The connection.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.0.connection
    }

    /// The revocations with which it is registered.
    pub fn revocations(&self) -> &Revocations {
        &self.0.revocations
    }

    pub(super) fn registry(&self) -> &Registry {
        self.revocations().registry()
    }

    /// The shared name of the store that was asked, and when it was registered before that. `None` if
    /// the store is not shared, or the connection has ended since.
    pub fn checked_with(&self) -> Option<(&str, SystemTime)> {
        let connection = self.connection();
        let name = (self.registry().shared_name()).filter(|_| !connection.has_ended())?;
        Some((name, connection.since()))
    }

    /// Whether it is registered with these revocations.
    pub fn is_of(&self, revocations: &Revocations) -> bool {
        Arc::ptr_eq(self.revocations().registry(), revocations.registry())
    }
}

impl PartialEq for Watch {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Watch {}

impl Drop for Registration {
    fn drop(&mut self) {
        self.revocations.registry().remove(&self.connection);
    }
}

/// The pending answer of [`Revocations::watch`].
pub struct WatchFuture {
    pub(super) asked: Asked,
    pub(super) watch: Option<Watch>,
    pub(super) issued_at: Option<SystemTime>,
    pub(super) allowed_skew: Duration,
    pub(super) refused_as: RejectionKind,
}

/// The store's answer for every key.
pub(super) enum Asked {
    Known(Vec<Option<Revocation>>),
    Waiting(BoxFuture<Result<Vec<Option<Revocation>>, StoreError>>),
}

impl Future for WatchFuture {
    type Output = Result<Watch, Rejection>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match &mut self.asked {
            Asked::Known(found) => Ok(std::mem::take(found)),
            Asked::Waiting(asked) => ready!(asked.as_mut().poll(cx)),
        };
        let Some(watch) = self.watch.take() else {
            // Polled after completion.
            return Poll::Pending;
        };
        let unavailable = |detail| Rejection::new(RejectionKind::Unavailable, detail);
        Poll::Ready(match answer {
            Ok(found) if found.len() != watch.connection().keys().len() => Err(unavailable(
                "the store of revocations did not answer for every key",
            )),
            Ok(found) => match watch
                .connection()
                .decide(found, self.issued_at, self.allowed_skew)
            {
                Ok(()) => Ok(watch),
                Err(_) => Err(issued_before(self.refused_as)),
            },
            Err(error) => Err(unavailable("the store of revocations failed").with_source(error)),
        })
    }
}

/// The rejection of a revoked credential.
pub(super) fn issued_before(kind: RejectionKind) -> Rejection {
    Rejection::new(kind, "issued before one of its keys was revoked")
}

impl fmt::Debug for WatchFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WatchFuture")
    }
}
