use std::any::Any;
use std::fmt;
use std::sync::Arc;

use http::request::Parts;

use crate::revocation::Watch;
use crate::{BoxFuture, Rejection, Validity};

/// Finds the connection that a request renews, before its single-use credential is used up.
///
/// A layer that renews connections puts one into the head's extensions, before it calls an
/// [`AuthLayer`](crate::AuthLayer). It is asked about the identity and the validity that the
/// credential would prove, if the strategy can [peek](crate::Authenticate::peek) at it.
#[derive(Clone)]
pub struct Renewing(Arc<Find>);

type Find = dyn Fn(&(dyn Any + Send + Sync), &Validity) -> BoxFuture<Result<Renewed, Rejection>>
    + Send
    + Sync;

/// The connection that would be renewed.
#[derive(Debug)]
pub enum Renewed {
    /// On this node. The new credential takes over the places of this registration, and needs
    /// others only under keys that are new.
    Here(Option<Watch>),
    /// On another node, whose limits count there.
    Elsewhere,
}

impl Renewing {
    /// `find` refuses if there is no such connection. Its identity is that of the strategy.
    pub fn new(
        find: impl Fn(&(dyn Any + Send + Sync), &Validity) -> BoxFuture<Result<Renewed, Rejection>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self(Arc::new(find))
    }

    pub(crate) fn is_in(head: &Parts) -> bool {
        head.extensions.get::<Self>().is_some()
    }

    /// `None` if the request opens a connection of its own.
    pub(crate) fn find<I: Send + Sync + 'static>(
        head: &Parts,
        identity: &I,
        validity: &Validity,
    ) -> Option<BoxFuture<Result<Renewed, Rejection>>> {
        let Self(find) = head.extensions.get::<Self>()?;
        Some(find(identity, validity))
    }
}

impl fmt::Debug for Renewing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Renewing")
    }
}
