//! What stands behind the strategy: a fresh credential was accepted, and is given to a connection.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::request::Parts;
use http::{Request, Response, StatusCode};
use tower_service::Service;
use tower_ws_auth_core::revocation::DisconnectReason;
use tower_ws_auth_core::{Authenticated, BoxFuture, Rejection, RejectionKind, ResponseBody, Term};

use crate::lease::renewals::named::Name;
use crate::lease::renewals::nodes::Nodes;
use crate::lease::renewals::{ConnectionId, NotRenewed, UserOf};
use crate::lease::shared::Shared;
use crate::lease::{Lease, Leases};

/// The connection that is to be renewed.
#[derive(Clone)]
pub(crate) enum Target {
    /// By its id, on whatever node.
    Named(ConnectionId),
    /// The one whose handler asks.
    Held(Lease),
}

/// What became of a renewal.
pub(crate) enum Outcome {
    Renewed,
    /// There is no such connection of this user.
    Unknown,
    Refused(Rejection),
}

/// Gives accepted credentials to connections.
pub(crate) struct Endpoint<I> {
    pub(crate) leases: Leases,
    pub(crate) user: UserOf<I>,
    /// Those of the other connections.
    pub(crate) nodes: Option<Arc<Nodes<I>>>,
}

impl<I: Clone + Send + Sync + 'static> Endpoint<I> {
    pub(crate) async fn renew(&self, identity: I, mut term: Term, target: &Target) -> Outcome {
        let user = (self.user)(&identity);
        let Some(lease) = self.find(user, target) else {
            return match (&self.nodes, target) {
                (Some(nodes), Target::Named(id)) => nodes.ask(*id, &identity, &term, false).await,
                _ => Outcome::Unknown,
            };
        };
        // The strategy's own registration will do, if it is with the revocations of the layer.
        let watch = match term.take_watch() {
            Some(watch) if lease.is_watched_by(&watch) => Ok(watch),
            _ => lease.watch(&term).await,
        };
        let watch = match watch {
            Ok(watch) => watch,
            Err(rejection) => return Outcome::Refused(spent(rejection, &term)),
        };
        let changed = || {
            let sender = lease.holder().and_then(|holder| holder.identity::<I>());
            sender.map(|sender| sender.send_replace(identity))
        };
        match lease.renew(&term, &watch, true, changed) {
            Ok(()) => Outcome::Renewed,
            Err(NotRenewed::Over) => Outcome::Unknown,
            Err(NotRenewed::Refused(rejection)) => Outcome::Refused(spent(rejection, &term)),
        }
    }

    /// Ends a connection whose user has lost a permission that it needs, wherever it is.
    pub(crate) async fn forbid(&self, identity: &I, term: &Term, target: &Target) {
        if self.forbid_here(identity, term, target) {
            return;
        }
        if let (Some(nodes), Target::Named(id)) = (&self.nodes, target) {
            nodes.ask(*id, identity, term, true).await;
        }
    }

    /// Whether there is such a connection on this node. It is ended, unless it has a newer
    /// credential.
    pub(crate) fn forbid_here(&self, identity: &I, term: &Term, target: &Target) -> bool {
        let Some(lease) = self.find((self.user)(identity), target) else {
            return false;
        };
        if !lease.is_newer_than(term) {
            lease.end(&DisconnectReason::Forbidden);
        }
        true
    }

    /// The connection, if it is this user's and open.
    fn find(&self, user: Arc<str>, target: &Target) -> Option<Arc<Shared>> {
        let lease = match target {
            Target::Named(id) => self.leases.named().find(&Name { user, id: *id })?,
            Target::Held(lease) => {
                let lease = lease.shared();
                let is_theirs = lease
                    .holder()
                    .is_some_and(|holder| holder.name.user == user);
                is_theirs.then(|| Arc::clone(lease))?
            }
        };
        lease.disconnect_reason().is_none().then_some(lease)
    }
}

/// A credential that is used up does not pass again.
fn spent(rejection: Rejection, term: &Term) -> Rejection {
    if term.is_spent() {
        rejection.with_spent_credential()
    } else {
        rejection
    }
}

impl<I: Clone + Send + Sync + 'static> Service<Request<Target>> for Endpoint<I> {
    type Response = Response<ResponseBody<()>>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Target>) -> Self::Future {
        let endpoint = self.clone();
        Box::pin(async move {
            let (mut head, target) = request.into_parts();
            let identity = head.extensions.remove::<Authenticated<I>>();
            let term = head.extensions.remove::<Term>();
            let outcome = match identity.zip(term) {
                Some((identity, term)) => {
                    endpoint.renew(identity.into_inner(), term, &target).await
                }
                // An AuthLayer always leaves both.
                None => Outcome::Refused(Rejection::new(RejectionKind::Unavailable, "no grant")),
            };
            Ok(respond(outcome, head))
        })
    }
}

fn respond(outcome: Outcome, head: Parts) -> Response<ResponseBody<()>> {
    let (status, text) = match outcome {
        Outcome::Renewed => (StatusCode::NO_CONTENT, ""),
        Outcome::Unknown => (StatusCode::NOT_FOUND, UNKNOWN),
        Outcome::Refused(rejection) => return rejection.into_response(head),
    };
    let mut response = Response::new(ResponseBody::text(text));
    *response.status_mut() = status;
    response
}

/// The public reason where there is no such connection of this user.
pub(crate) const UNKNOWN: &str = "connection_unknown";

impl<I> Clone for Endpoint<I> {
    fn clone(&self) -> Self {
        Self {
            leases: self.leases.clone(),
            user: Arc::clone(&self.user),
            nodes: self.nodes.clone(),
        }
    }
}
