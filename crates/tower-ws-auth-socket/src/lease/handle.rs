use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;
use tower_ws_auth_core::revocation::DisconnectReason;
use tower_ws_auth_core::{Grant, Rejection, RejectionKind};

use crate::lease::ConnectionId;
use crate::lease::release::Release;
use crate::lease::renewals::AcceptedBy;
use crate::lease::shared::Shared;

/// A grant enforced on an open connection, as its handler sees it.
///
/// [`LeaseLayer`](crate::lease::LeaseLayer) leaves it in the request's extensions; with the feature
/// `axum` it is an argument of the handler. A handler need not know of it: the connection ends all
/// the same, unless the layer is [`cooperative`](crate::lease::LeaseLayer::cooperative).
#[derive(Clone)]
pub struct Lease {
    shared: Arc<Shared>,
    /// Where nobody else holds the connection, the handler's lease keeps it registered.
    #[expect(dead_code, reason = "dropped, it ends the registration")]
    held: Option<Arc<Release>>,
}

impl Lease {
    pub(crate) fn new(shared: Arc<Shared>, held: Option<Release>) -> Self {
        let held = held.map(Arc::new);
        Self { shared, held }
    }

    /// The moment from which the grant no longer holds, the grace not counted; `None` if it has no
    /// end of its own.
    pub fn until(&self) -> Option<SystemTime> {
        self.shared.until()
    }

    /// Why it has ended; `None` while it has not.
    pub fn disconnect_reason(&self) -> Option<&DisconnectReason> {
        self.shared.disconnect_reason()
    }

    /// Ready when it ends, with the reason. Dropping the future loses nothing.
    pub async fn ended(&self) -> DisconnectReason {
        self.shared.ended().await
    }

    /// Ends it, and the connection with it. False if it had ended before.
    pub fn end(&self, reason: &DisconnectReason) -> bool {
        self.shared.end(reason)
    }

    /// Moves it to a new grant, of a credential that the client sent on the open connection: its
    /// end and its revocation keys take the place of the old ones. All revocations that can end the
    /// connection are asked about it, and still can. `same_user` decides whether the new identity may
    /// take over this connection.
    ///
    /// ```
    /// # use tower_ws_auth_core::{Grant, Rejection};
    /// # #[derive(Clone)] struct Claims { sub: String }
    /// # trait Jwt { fn verify_token(&self, token: &str) -> Result<Grant<Claims>, Rejection>; }
    /// # async fn handle(lease: tower_ws_auth_socket::lease::Lease, jwt: impl Jwt, me: String, token: &str) -> Result<(), Rejection> {
    /// let grant = jwt.verify_token(token)?;
    /// let claims = lease.renew(grant, |claims| claims.sub == me).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Forbidden`](RejectionKind::Forbidden) for another user, what a handshake with a revoked
    /// credential is refused as, [`Unavailable`](RejectionKind::Unavailable) if that cannot be
    /// asked, [`RateLimited`](RejectionKind::RateLimited) if there is no room for one connection more
    /// under a key that the old grant did not have (see
    /// [`max_connections`](crate::lease::LeaseLayer::max_connections)), and [`TokenExpired`](RejectionKind::TokenExpired)
    /// if the lease has ended meanwhile. It stays what it was then.
    pub async fn renew<I>(
        &self,
        grant: Grant<I>,
        same_user: impl FnOnce(&I) -> bool,
    ) -> Result<I, Rejection> {
        let (identity, mut validity) = grant.into_parts();
        if !same_user(&identity) {
            let other = "the new credential is another user's";
            return Err(Rejection::new(RejectionKind::Forbidden, other));
        }
        let checked = self.shared.take_watches(&mut validity);
        let others = (self.shared)
            .watch_others(&validity, checked.others)
            .await?;
        let watch = self.shared.watch(&validity).await?;
        (self.shared).renew(&validity, &watch, &others, AcceptedBy::Handler, || ())?;
        Ok(identity)
    }

    /// The id by which its client [renews](crate::lease::Leases::renewals) it: the client's own,
    /// or a random one. `None` if the layer is not
    /// [`renewable_by`](crate::lease::LeaseLayer::renewable_by) anybody.
    pub fn connection_id(&self) -> Option<ConnectionId> {
        self.shared.holder().map(|holder| holder.name.id)
    }

    /// The identity as it is now, and its changes by [renewals](crate::lease::Leases::renewals).
    /// `None` for another type than that of
    /// [`renewable_by`](crate::lease::LeaseLayer::renewable_by).
    ///
    /// ```
    /// # use tower_ws_auth_socket::lease::Lease;
    /// # #[derive(Clone)] struct User { is_admin: bool }
    /// # async fn handle(lease: Lease) -> Option<()> {
    /// let mut user = lease.identity::<User>()?;
    /// while user.changed().await.is_ok() {
    ///     let is_admin = user.borrow_and_update().is_admin;
    ///     // …
    /// #   let _ = is_admin;
    /// }
    /// # Some(())
    /// # }
    /// ```
    pub fn identity<I: Clone + Send + Sync + 'static>(&self) -> Option<watch::Receiver<I>> {
        let identity = self.shared.holder()?.identity::<I>()?;
        Some(identity.subscribe())
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("until", &self.until())
            .field("reason", &self.disconnect_reason())
            .finish_non_exhaustive()
    }
}
