//! What stands behind the strategy: a fresh credential was accepted, and is given to a connection.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::request::Parts;
use http::{Request, Response, StatusCode};
use tower_service::Service;
use tower_ws_auth_core::private::{Renewed, Watch};
use tower_ws_auth_core::{
    Authenticated, BoxFuture, Rejection, RejectionKind, ResponseBody, Validity,
};

use crate::lease::renewals::forbid::UserOfRefused;
use crate::lease::renewals::named::Name;
use crate::lease::renewals::nodes::{Asked, Nodes};
use crate::lease::renewals::{AcceptedBy, ConnectionId, NotRenewed, UserOf};
use crate::lease::service::spent;
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
    /// The users of other identities, which the strategy has refused before its last step.
    pub(crate) refused: Vec<Arc<UserOfRefused>>,
    /// Those of the other connections.
    pub(crate) nodes: Option<Arc<Nodes<I>>>,
}

/// There is no such connection of this user. The source of a rejection.
#[derive(Debug, thiserror::Error)]
#[error("there is no such connection of this user")]
pub(crate) struct UnknownConnection;

impl UnknownConnection {
    pub(crate) fn is_behind(rejection: &Rejection) -> bool {
        rejection.source().is_some_and(<dyn Error>::is::<Self>)
    }
}

impl From<UnknownConnection> for Rejection {
    fn from(unknown: UnknownConnection) -> Self {
        Self::new(RejectionKind::Forbidden, UNKNOWN).with_source(unknown)
    }
}

impl<I: Clone + Send + Sync + 'static> Endpoint<I> {
    /// Gives a credential to its connection. `checked` is the shared name of the store that another
    /// node has asked about it.
    pub(crate) async fn renew(
        &self,
        identity: I,
        mut validity: Validity,
        target: &Target,
        checked: Option<&str>,
    ) -> Outcome {
        let user = (self.user)(&identity);
        let Some(lease) = self.find(&user, target) else {
            return match (&self.nodes, target) {
                (Some(nodes), Target::Named(id)) => {
                    nodes.ask(*id, Asked::Renew(&identity), &validity).await
                }
                _ => Outcome::Unknown,
            };
        };
        // The strategy's own registrations will do.
        let left = lease.take_watches(&mut validity);
        let others = match lease.watch_others(&validity, left.others).await {
            Ok(others) => others,
            Err(rejection) => return Outcome::Refused(spent(rejection, validity.is_spent())),
        };
        let give = |watch: &Watch, accepted_by| {
            let changed = || {
                let sender = lease.holder().and_then(|holder| holder.identity::<I>());
                sender.map(|sender| sender.send_replace(identity.clone()))
            };
            lease.renew(&validity, watch, &others, accepted_by, changed)
        };
        let checked = checked.and_then(|store| lease.watch_checked(&validity, store));
        let given = match checked.map(|watch| give(&watch, AcceptedBy::OtherNode)) {
            None | Some(Err(NotRenewed::Unchecked)) => {
                let watch = match left.own {
                    Some(watch) => Ok(watch),
                    None => lease.watch(&validity).await,
                };
                watch
                    .map_err(NotRenewed::Refused)
                    .and_then(|watch| give(&watch, AcceptedBy::Strategy))
            }
            Some(given) => given,
        };
        match given {
            Ok(()) => Outcome::Renewed,
            Err(NotRenewed::Over) => Outcome::Unknown,
            Err(not) => Outcome::Refused(spent(not.into(), validity.is_spent())),
        }
    }

    /// The connection that a credential would renew. Nothing is used up yet.
    ///
    /// # Errors
    ///
    /// Those that are known before: there is no such connection, or it has a newer credential.
    pub(crate) async fn look_for(
        &self,
        user: Arc<str>,
        validity: &Validity,
        target: &Target,
    ) -> Result<Renewed, Rejection> {
        if let Some(lease) = self.find(&user, target) {
            lease.may_have(validity)?;
            return Ok(Renewed::Here(lease.own_watch()));
        }
        let (Some(nodes), Target::Named(id)) = (&self.nodes, target) else {
            return Err(UnknownConnection.into());
        };
        match nodes.ask(*id, Asked::Find(&user), validity).await {
            Outcome::Renewed => Ok(Renewed::Elsewhere),
            Outcome::Unknown => Err(UnknownConnection.into()),
            Outcome::Refused(rejection) => Err(rejection),
        }
    }

    /// The same for another node.
    pub(crate) fn look_for_here(
        &self,
        user: &Arc<str>,
        validity: &Validity,
        target: &Target,
    ) -> Outcome {
        let Some(lease) = self.find(user, target) else {
            return Outcome::Unknown;
        };
        match lease.may_have(validity) {
            Ok(()) => Outcome::Renewed,
            Err(rejection) => Outcome::Refused(rejection),
        }
    }

    /// The connection, if it is this user's and open.
    pub(super) fn find(&self, user: &Arc<str>, target: &Target) -> Option<Arc<Shared>> {
        let lease = match target {
            Target::Named(id) => self.leases.named().find(&Name {
                user: Arc::clone(user),
                id: *id,
            })?,
            Target::Held(lease) => {
                let lease = lease.shared();
                let is_theirs = lease
                    .holder()
                    .is_some_and(|holder| holder.name.user == *user);
                is_theirs.then(|| Arc::clone(lease))?
            }
        };
        lease.disconnect_reason().is_none().then_some(lease)
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
            let validity = head.extensions.remove::<Validity>();
            let outcome = match identity.zip(validity) {
                Some((identity, validity)) => {
                    let identity = identity.into_inner();
                    endpoint.renew(identity, validity, &target, None).await
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
            refused: self.refused.clone(),
            nodes: self.nodes.clone(),
        }
    }
}
