//! A revocation that leaves open connections the time to renew.

use std::time::{Duration, SystemTime};

use super::{DisconnectReason, Revocation, Revocations, StoreError};

impl Revocations {
    /// Revokes a key as [`revoke`](Self::revoke) does, and leaves its open connections some time.
    /// Within it they renew by a credential that was issued since, or they are ended.
    ///
    /// Handshakes with older credentials are refused at once. Only connections that can be renewed
    /// are left open, such as those under a `LeaseLayer`. The time is in whole seconds, rounded up,
    /// and counts from this call.
    ///
    /// Use it when a user's rights change, and `revoke` when nobody may go on. A `revoke` of the same
    /// key, before it or after it, is not weakened: the connections from before that end at once,
    /// also on a node that has missed its news. Of two calls whose times overlap, such a node leaves
    /// the time of the second one.
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
    ) -> Result<(), StoreError> {
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

    /// The same, with the effect that an earlier revocation of the key has on open connections. A
    /// store calls it for the one that it keeps.
    ///
    /// Only a revocation with a margin has less effect of its own. It keeps the moment of the earlier
    /// one as [`firm`](Self::firm), unless the margin of that one is not over yet.
    #[must_use]
    pub fn with_earlier(mut self, earlier: &Self) -> Self {
        let is_over =
            earlier.margin.is_zero() || (earlier.end()).is_some_and(|end| end <= self.at());
        let firm = if is_over {
            Some(earlier.micros())
        } else {
            earlier.firm
        };
        if !self.margin.is_zero() {
            self.firm = self.firm.max(firm);
        }
        self
    }

    /// The moment of the latest revocation before it that leaves no time, or none any more, in
    /// microseconds since the Unix epoch. Connections from before that end at once.
    ///
    /// `None` if there was none, or if this revocation itself leaves no time.
    pub fn firm(&self) -> Option<u64> {
        self.firm
    }

    /// The same, with [that moment](Self::firm), as a store has kept it.
    #[must_use]
    pub fn with_firm(mut self, micros: u64) -> Self {
        self.firm = Some(micros);
        self
    }

    /// The moment at which an open connection ends that knows the revocations of the key up to that
    /// moment; `None` if it ends at once.
    pub(super) fn deadline(&self, known: Option<u64>) -> Option<SystemTime> {
        let leaves_time = !self.margin.is_zero() && known >= self.firm;
        leaves_time.then(|| self.end())?
    }

    fn end(&self) -> Option<SystemTime> {
        self.at().checked_add(self.margin)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, Weak};

    use super::*;
    use crate::private::Listener;
    use crate::revocation::{Recorded, RevocationStore as _};
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
            revocations.watch(grant.validity()).await.unwrap(),
            revocations.watch(grant.validity()).await.unwrap(),
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
        assert!(revocations.is_revoked(grant.validity()).await.unwrap());
        // A later one without a margin ends it.
        let revoked = revocations.revoke("user:ada", DisconnectReason::Revoked);
        revoked.await.unwrap();
        assert!(one.connection().disconnect_reason().is_some());
    }

    #[test]
    fn a_margin_is_in_whole_seconds_and_may_be_without_end() {
        let revocation = || Revocation::new(Clock::at(NOW), DisconnectReason::Revoked);
        assert_eq!(revocation().deadline(None), None);
        let soon = revocation().with_margin(Duration::from_millis(1));
        assert_eq!(soon.deadline(None), Some(Clock::at(NOW + 1)));
        let never = revocation().with_margin(Duration::MAX);
        assert_eq!(never.deadline(None), None);
    }

    /// A revocation at this second, with this margin in seconds.
    fn revoked(at: u64, margin: u64) -> Revocation {
        Revocation::new(Clock::at(at), DisconnectReason::Revoked)
            .with_margin(Duration::from_secs(margin))
    }

    #[test]
    fn a_margin_is_not_left_to_connections_from_before_a_firm_revocation() {
        let known = |second: u64| Some(second * 1_000_000);
        let end = Some(Clock::at(130));
        let firm = revoked(50, 0);
        let later = revoked(100, 30).with_earlier(&firm);
        let ends = |revocation: &Revocation, knows| revocation.deadline(knows);
        assert_eq!(ends(&later, None), None);
        assert_eq!(ends(&later, known(49)), None);
        assert_eq!(ends(&later, known(50)), end);
        // The latest of them counts, in any order.
        for order in [[40, 60], [60, 40]] {
            let [one, other] = order.map(|at| revoked(at, 0));
            let both = revoked(100, 30).with_earlier(&one).with_earlier(&other);
            assert_eq!(both.firm(), known(60));
        }
        // It is handed on by others with a margin, and a margin that is over is one.
        let last = revoked(120, 30).with_earlier(&later);
        assert_eq!(last.firm(), known(50));
        for (second, firm) in [(129, 50), (130, 100)] {
            let last = revoked(second, 30).with_earlier(&later);
            assert_eq!(last.firm(), known(firm));
        }
        let endless = revoked(100, u64::MAX).with_earlier(&firm);
        assert_eq!(revoked(130, 1).with_earlier(&endless).firm(), known(50));
        // A revocation that leaves no time needs no other.
        assert_eq!(firm.with_earlier(&later).firm(), None);
    }

    #[tokio::test]
    async fn the_store_in_memory_keeps_a_firm_revocation_beside_a_margin_in_any_order() {
        let name: Arc<str> = "user:ada".into();
        for is_late in [false, true] {
            let store = MemoryRevocations::new(Duration::from_secs(3600), 100);
            let record = async |revocation| store.record(Arc::clone(&name), revocation).await;
            let (firm, margin) = (revoked(50, 0), revoked(100, 30));
            let expected = margin.clone().with_firm(50_000_000);
            if is_late {
                record(margin.clone()).await.unwrap();
                let kept = record(firm.clone()).await.unwrap();
                assert_eq!(kept, Recorded::Kept(expected.clone()));
            } else {
                record(firm.clone()).await.unwrap();
                let written = record(margin.clone()).await.unwrap();
                assert_eq!(written, Recorded::Written(expected.clone()));
            }
            let found = store.find(vec!["user:ada".into()]).await.unwrap();
            assert_eq!(found, [Some(expected)]);
            // And a later firm one stands for everything.
            let last = record(revoked(110, 0)).await.unwrap();
            assert_eq!(last, Recorded::Written(revoked(110, 0)));
        }
    }

    /// The node has missed the news of the first.
    #[tokio::test]
    async fn a_connection_that_missed_a_firm_revocation_ends_at_once_by_a_later_margin() {
        let memory = Arc::new(MemoryRevocations::new(Duration::from_secs(3600), 100));
        let node = |at| Revocations::with_clock(Arc::clone(&memory), Clock::fixed(at));
        let (here, there) = (node(NOW), node(NOW));
        let told = [(); 2].map(|()| Arc::new(Told::default()));
        let open = async |told: &Arc<Told>, knows_firm: bool| {
            let mut key = crate::RevocationKey::from("user:ada");
            if knows_firm {
                key = there.key(key).await.unwrap();
            }
            let grant = Grant::new(()).issued_at(Clock::at(1)).revocable_by(key);
            let watch = here.watch(grant.validity()).await.unwrap();
            let telling: Weak<Told> = Arc::downgrade(told);
            watch.connection().listen(telling);
            watch
        };
        let old = open(&told[0], false).await;
        let revoked = there.revoke("user:ada", DisconnectReason::Forbidden);
        revoked.await.unwrap();
        let young = open(&told[1], true).await;
        let within = Duration::from_secs(10);
        // The node that revokes may be the one that missed it.
        let revoked = here.revoke_within("user:ada", DisconnectReason::Revoked, within);
        revoked.await.unwrap();
        assert!(old.connection().disconnect_reason().is_some());
        assert_eq!(*told[0].0.lock().unwrap(), None);
        assert_eq!(young.connection().disconnect_reason(), None);
        assert!(told[1].0.lock().unwrap().is_some());
    }
}
