//! The end of a connection whose user has lost a permission.

use std::any::Any;
use std::sync::Arc;

use tower_ws_auth_core::revocation::DisconnectReason;
use tower_ws_auth_core::{Authenticate, Validity};

use crate::lease::renewals::Renewals;
use crate::lease::renewals::endpoint::{Endpoint, Target};
use crate::lease::renewals::nodes::Asked;

/// Names the user of a refused identity. `None` for another type.
pub(crate) type UserOfRefused = dyn Fn(&dyn Any) -> Option<Arc<str>> + Send + Sync;

impl<A: Authenticate> Renewals<A> {
    /// Names the user of an identity that [`and_then`] turns into another one. A refusal of
    /// `and_then` as `forbidden` then ends the connection too.
    ///
    /// Conditions that keep the identity, such as `authorize` and `authorize_async`, need no more
    /// than [`renewable_by`](crate::lease::LeaseLayer::renewable_by). The name must be the one that
    /// it gives.
    ///
    /// [`and_then`]: tower_ws_auth_core::AuthenticateExt::and_then
    #[must_use]
    pub fn forbidden_by<I, U>(mut self, user: impl Fn(&I) -> U + Send + Sync + 'static) -> Self
    where
        I: 'static,
        U: Into<Arc<str>>,
    {
        let user = move |identity: &dyn Any| Some(user(identity.downcast_ref()?).into());
        self.auth.get_mut().refused.push(Arc::new(user));
        self
    }
}

impl<I: Clone + Send + Sync + 'static> Endpoint<I> {
    /// Ends the connection of a refused identity, whose user has lost a permission, wherever it is.
    pub(crate) async fn forbid(
        &self,
        refused: &(dyn Any + Send + Sync),
        validity: &Validity,
        target: &Target,
    ) {
        // Nobody knows whose it is.
        let Some(user) = self.user_of_refused(refused) else {
            return;
        };
        if self.forbid_here(&user, validity, target) {
            return;
        }
        if let (Some(nodes), Target::Named(id)) = (&self.nodes, target) {
            nodes.ask(*id, Asked::Forbid(&user), validity).await;
        }
    }

    fn user_of_refused(&self, refused: &(dyn Any + Send + Sync)) -> Option<Arc<str>> {
        if let Some(identity) = refused.downcast_ref() {
            return Some((self.user)(identity));
        }
        self.refused.iter().find_map(|user| user(refused))
    }

    /// Whether there is such a connection on this node. It is ended, unless it has a newer
    /// credential.
    pub(crate) fn forbid_here(
        &self,
        user: &Arc<str>,
        validity: &Validity,
        target: &Target,
    ) -> bool {
        let Some(lease) = self.find(user, target) else {
            return false;
        };
        if !lease.is_newer_than(validity) {
            lease.end(&DisconnectReason::Forbidden);
        }
        true
    }
}
