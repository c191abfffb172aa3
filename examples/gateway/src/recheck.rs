//! Sessions that are looked up again while their connections are open.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http::request::Parts;
use serde_json::Value;
use tokio::time::sleep;
use tower_ws_auth::lease::DisconnectReason;
use tower_ws_auth::session::Session;
use tower_ws_auth::{Authenticate, Authenticated, Lease, RejectionKind};

use crate::headers::Kept;
use crate::identity::User;

/// Looks a session up as at the handshake, every so often.
#[derive(Clone)]
pub(crate) struct Recheck {
    session: Arc<Session<Value, String>>,
    every: Duration,
}

/// The same for one connection.
pub(crate) struct Rechecked {
    recheck: Recheck,
    kept: Kept,
    user: String,
    lease: Lease,
}

impl Recheck {
    pub(crate) fn new(session: Session<Value, String>, every: Duration) -> Self {
        let session = Arc::new(session);
        Self { session, every }
    }

    /// `None` if no session has decided about this connection.
    pub(crate) fn of(&self, head: &Parts, lease: Lease) -> Option<Rechecked> {
        let user = head.extensions.get::<Authenticated<User>>()?;
        user.is_by_session().then_some(())?;
        Some(Rechecked {
            recheck: self.clone(),
            kept: head.extensions.get::<Kept>()?.clone(),
            user: user.name().to_owned(),
            lease,
        })
    }
}

impl Rechecked {
    /// Runs beside a connection, and ends its lease with the session.
    pub(crate) async fn beside<T>(&self, connection: impl Future<Output = T>) -> T {
        let mut connection = pin!(connection);
        tokio::select! {
            end = &mut connection => return end,
            () = self.until_over() => {}
        }
        connection.await
    }

    /// Ready when it has ended the lease.
    pub(crate) async fn until_over(&self) {
        loop {
            sleep(self.recheck.every).await;
            if self.is_over().await {
                self.lease.end(&DisconnectReason::SessionEnded);
                return;
            }
        }
    }

    /// A store that does not answer ends nobody: the next look may find it.
    async fn is_over(&self) -> bool {
        let (mut head, ()) = Request::new(()).into_parts();
        head.uri = self.kept.uri.clone();
        head.headers = self.kept.headers.clone();
        let session = &self.recheck.session;
        let Ok(Some(cookie)) = session.take(&mut head) else {
            return true;
        };
        match session.verify(cookie, &head).await {
            // Another login may have taken the session over.
            Ok(grant) => *grant.identity() != self.user,
            Err(rejection) => rejection.kind() != RejectionKind::Unavailable,
        }
    }
}

impl fmt::Debug for Recheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recheck")
            .field("every", &self.every)
            .finish_non_exhaustive()
    }
}
