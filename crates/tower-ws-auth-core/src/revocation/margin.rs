//! A revocation that leaves open connections the time to renew.

use std::time::{Duration, SystemTime};

use super::{DisconnectReason, Revocation, RevocationError, Revocations};

impl Revocations {
    /// Revokes a key as [`revoke`](Self::revoke) does, and leaves its open connections some time.
    /// Within it they renew by a credential that was issued since, or they are ended.
    ///
    /// Handshakes with older credentials are refused at once. Only connections that can be renewed
    /// are left open, such as those under a `LeaseLayer`. The time is in whole seconds, rounded up,
    /// and counts from this call.
    ///
    /// Use it when a user's rights change, and `revoke` when nobody may go on. A store keeps one
    /// revocation of a key. So do not call it within a minute after a `revoke` of the same key: a
    /// node that has missed the news of that one would leave its connections this time too.
    ///
    /// # Errors
    ///
    /// The store failed. The connections of this node have then ended at once. Repeat the call
    /// until it succeeds.
    pub async fn revoke_within(
        &self,
        key: &str,
        reason: DisconnectReason,
        within: Duration,
    ) -> Result<(), RevocationError> {
        crate::trace::revoked(&reason);
        match self.shared.record(key, &reason, within).await {
            Ok(revocation) => {
                self.registry().tell(key, &revocation).await;
                Ok(())
            }
            Err(error) => {
                // The store's state is unknown, so no connection may go on.
                self.registry().end(key, &reason).await;
                Err(error)
            }
        }
    }
}

impl Revocation {
    /// The same, with the time that it leaves to open connections, in whole seconds, rounded up.
    /// None by default.
    #[must_use]
    pub fn with_margin(mut self, margin: Duration) -> Self {
        let seconds = margin.as_secs();
        let seconds = seconds.saturating_add(u64::from(margin.subsec_nanos() > 0));
        self.margin = Duration::from_secs(seconds);
        self
    }

    /// The time that it leaves to open connections.
    pub fn margin(&self) -> Duration {
        self.margin
    }

    /// The moment at which open connections end; `None` if that is at once.
    pub(super) fn deadline(&self) -> Option<SystemTime> {
        let has_margin = !self.margin.is_zero();
        has_margin.then(|| self.at().checked_add(self.margin))?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, Weak};

    use super::*;
    use crate::private::Listener;
    use crate::{Clock, Grant, MemoryRevocations};

    const NOW: u64 = 1_700_000_000;

    #[derive(Default)]
    struct Told(Mutex<Option<(SystemTime, DisconnectReason)>>);

    impl Listener for Told {
        fn ended(&self, _: &DisconnectReason) {}

        fn noticed(self: Arc<Self>, deadline: SystemTime, reason: &DisconnectReason) -> bool {
            *self.0.lock().unwrap() = Some((deadline, reason.clone()));
            true
        }
    }

    fn revocations() -> Revocations {
        let memory = MemoryRevocations::new(Duration::from_secs(3600), 100);
        Revocations::builder(memory)
            .clock(Clock::fixed(NOW))
            .build()
    }

    #[tokio::test]
    async fn a_connection_that_can_be_renewed_is_told_the_moment_and_others_end_at_once() {
        let revocations = revocations();
        let grant = Grant::new(())
            .issued_at(Clock::at(1))
            .revocable_by("user:ada");
        let (one, other) = (
            revocations.watch(grant.term()).await.unwrap(),
            revocations.watch(grant.term()).await.unwrap(),
        );
        let told = Arc::new(Told::default());
        let telling: Weak<Told> = Arc::downgrade(&told);
        one.connection().listen(telling);
        let within = Duration::from_millis(9500);
        let revoked = revocations.revoke_within("user:ada", DisconnectReason::Revoked, within);
        revoked.await.unwrap();
        let expected = (Clock::at(NOW + 10), DisconnectReason::Revoked);
        assert_eq!(*told.0.lock().unwrap(), Some(expected));
        assert_eq!(one.connection().disconnect_reason(), None);
        assert!(other.connection().disconnect_reason().is_some());
        // An older credential opens nothing any more.
        assert!(revocations.is_revoked(grant.term()).await.unwrap());
        // A later one without a margin ends it.
        let revoked = revocations.revoke("user:ada", DisconnectReason::Revoked);
        revoked.await.unwrap();
        assert!(one.connection().disconnect_reason().is_some());
    }

    #[test]
    fn a_margin_is_in_whole_seconds_and_may_be_without_end() {
        let revocation = || Revocation::new(Clock::at(NOW), DisconnectReason::Revoked);
        assert_eq!(revocation().deadline(), None);
        let soon = revocation().with_margin(Duration::from_millis(1));
        assert_eq!(soon.deadline(), Some(Clock::at(NOW + 1)));
        let never = revocation().with_margin(Duration::MAX);
        assert_eq!(never.deadline(), None);
    }
}
