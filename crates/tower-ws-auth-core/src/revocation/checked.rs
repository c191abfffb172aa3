//! A credential that another node has checked with the store that both share.

use super::{DisconnectReason, Revocation, RevocationKey, Revocations, Watch};
use crate::Validity;

impl Revocations {
    /// Registers a credential that another node has checked with the store of this name, without
    /// asking it again. `None` if that is not this store.
    ///
    /// It does not know of revocations between that check and now. Another registration may have
    /// heard of them: see [`Connection::covers`](super::Connection::covers).
    #[doc(hidden)]
    pub fn watch_checked(&self, validity: &Validity, store: &str) -> Option<Watch> {
        let shared = &self.shared;
        if self.registry().shared_name() != Some(store) {
            return None;
        }
        let keys = validity.revocation_keys().iter();
        let keys: Box<[RevocationKey]> = keys.map(RevocationKey::written).collect();
        let known = |key: &RevocationKey| {
            let at = key.known_micros()?;
            Some(Revocation::at_micros(at, DisconnectReason::Revoked))
        };
        let found = keys.iter().map(known).collect();
        let connection = self.registry().register(keys, shared.clock.now());
        let watch = Watch::new(connection, self.clone());
        let decided = (watch.connection()).decide(
            found,
            validity.credential_issued_at(),
            shared.allowed_skew,
        );
        decided.is_ok().then_some(watch)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::{Clock, Grant, MemoryRevocations};

    const NOW: u64 = 1_700_000_000;

    fn validity(keys: &[RevocationKey]) -> Validity {
        let grant = Grant::new(()).issued_at(Clock::at(NOW));
        let grant = keys.iter().cloned().fold(grant, Grant::revocable_by);
        grant.into_parts().1
    }

    /// The keys of one, and of another.
    async fn covers(own: &[RevocationKey], other: &[RevocationKey]) -> bool {
        let memory = MemoryRevocations::new(Duration::from_secs(3600), 100);
        let revocations = Revocations::with_clock(memory, Clock::fixed(NOW));
        let revoked = Revocation::new(Clock::at(NOW - 5), DisconnectReason::Revoked);
        let store = &revocations.shared.store;
        store.record("user:bob".into(), revoked).await.unwrap();
        let watch = revocations.watch(&validity(own)).await.unwrap();
        let covers = watch.connection().covers(other);
        watch.connection().end(&DisconnectReason::Revoked);
        assert!(!watch.connection().covers(other));
        covers
    }

    #[tokio::test]
    async fn a_registration_covers_its_keys_up_to_what_it_knows() {
        let ada = RevocationKey::from("user:ada");
        let session = RevocationKey::from("session:1").into_final();
        let both = [ada.clone(), session.clone()];
        assert!(covers(&both, &both).await);
        assert!(covers(&both, std::slice::from_ref(&session)).await);
        assert!(covers(&both, &[]).await);
        assert!(!covers(std::slice::from_ref(&ada), &both).await);
        // It has passed beside a revocation, which the other has not met.
        let bob = RevocationKey::from("user:bob");
        let known = |at| [bob.clone().issued_after(Clock::at(at))];
        let own = known(NOW - 5);
        assert!(covers(&own, &own).await);
        assert!(covers(&own, &known(NOW)).await);
        assert!(!covers(&own, &known(NOW - 6)).await);
        assert!(!covers(&own, std::slice::from_ref(&bob)).await);
        assert!(!covers(&own, &[bob.into_final()]).await);
    }

    struct Shared(MemoryRevocations);

    impl crate::RevocationStore for Shared {
        fn find(
            &self,
            _: Vec<RevocationKey>,
        ) -> crate::BoxFuture<Result<Vec<Option<Revocation>>, crate::StoreError>> {
            panic!("nobody asks");
        }

        fn record(
            &self,
            key: Arc<str>,
            revocation: Revocation,
        ) -> crate::BoxFuture<Result<crate::revocation::Recorded, crate::StoreError>> {
            self.0.record(key, revocation)
        }

        fn shared_name(&self) -> Option<Arc<str>> {
            Some("common".into())
        }
    }

    #[tokio::test]
    async fn what_another_node_has_checked_is_registered_and_hears_what_it_does_not_know() {
        let memory = MemoryRevocations::new(Duration::from_secs(3600), 100);
        let revocations = Revocations::with_clock(Arc::new(Shared(memory)), Clock::fixed(NOW));
        let plain = RevocationKey::from("user:ada");
        let knows = |at| validity(&[plain.clone().issued_after(Clock::at(at))]);
        assert!(revocations.watch_checked(&knows(NOW), "other").is_none());
        let [old, new] = [knows(NOW - 1), knows(NOW)]
            .map(|validity| revocations.watch_checked(&validity, "common").unwrap());
        let revoked = Revocation::new(Clock::at(NOW), DisconnectReason::Revoked);
        revocations.registry().tell("user:ada", &revoked).await;
        assert!(old.connection().disconnect_reason().is_some());
        assert!(new.connection().disconnect_reason().is_none());
        assert_eq!(new.checked_with(), Some(("common", Clock::at(NOW))));
        assert_eq!(old.checked_with(), None);
    }
}
