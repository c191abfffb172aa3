use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::store::BoxFuture;
use super::{Recorded, Revocation, RevocationKey, RevocationStore, StoreError};
use crate::sync::{RwLock, RwLockWriteGuard};

/// Remembers revocations in this process, for one node. It forgets them when the process ends.
pub struct MemoryRevocations {
    /// Handshakes only read, and do not wait for one another.
    revoked: RwLock<HashMap<Arc<str>, Kept>>,
    retention: Duration,
    max_keys: usize,
}

struct Kept {
    revocation: Revocation,
    /// `None` if the platform cannot represent that moment.
    until: Option<Instant>,
}

impl MemoryRevocations {
    /// Remembers each revocation for `retention`, and at most `max_keys` of them, of about 150
    /// bytes each. Beyond that a revocation fails with [`StoreError::Full`].
    ///
    /// Make the retention as long as the longest life of a credential. After it, a credential
    /// issued before the revocation passes again.
    pub fn new(retention: Duration, max_keys: usize) -> Self {
        Self {
            revoked: RwLock::default(),
            retention,
            max_keys,
        }
    }

    fn look(&self, keys: &[RevocationKey]) -> Vec<Option<Revocation>> {
        let revoked = self.revoked.read().unwrap_or_else(PoisonError::into_inner);
        if revoked.is_empty() {
            return vec![None; keys.len()];
        }
        let now = Instant::now();
        let find = |key: &RevocationKey| {
            let kept = revoked.get(key.name()).filter(|kept| kept.holds(now));
            kept.map(|kept| kept.revocation.clone())
        };
        keys.iter().map(find).collect()
    }

    fn keep(&self, key: Arc<str>, revocation: Revocation) -> Result<Recorded, StoreError> {
        let now = Instant::now();
        let mut revoked = self.write();
        let kept = revoked.get_mut(&key).filter(|kept| kept.holds(now));
        let revocation = match kept {
            Some(kept) if kept.revocation.micros() >= revocation.micros() => {
                kept.revocation = kept.revocation.clone().with_earlier(&revocation);
                return Ok(Recorded::Kept(kept.revocation.clone()));
            }
            Some(kept) => revocation.with_earlier(&kept.revocation),
            None => revocation,
        };
        if revoked.len() >= self.max_keys && !revoked.contains_key(&key) {
            revoked.retain(|_, kept| kept.holds(now));
            if revoked.len() >= self.max_keys {
                return Err(StoreError::Full);
            }
        }
        let until = now.checked_add(self.retention);
        let written = Recorded::Written(revocation.clone());
        revoked.insert(key, Kept { revocation, until });
        Ok(written)
    }

    /// Nothing under the lock panics.
    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Arc<str>, Kept>> {
        self.revoked.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn holds(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl RevocationStore for MemoryRevocations {
    fn find(
        &self,
        keys: Vec<RevocationKey>,
    ) -> BoxFuture<Result<Vec<Option<Revocation>>, StoreError>> {
        Box::pin(std::future::ready(Ok(self.look(&keys))))
    }

    fn find_now(&self, keys: &[RevocationKey]) -> Option<Vec<Option<Revocation>>> {
        Some(self.look(keys))
    }

    fn record(
        &self,
        key: Arc<str>,
        revocation: Revocation,
    ) -> BoxFuture<Result<Recorded, StoreError>> {
        Box::pin(std::future::ready(self.keep(key, revocation)))
    }

    fn retention(&self) -> Option<Duration> {
        Some(self.retention)
    }
}

impl fmt::Debug for MemoryRevocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRevocations")
            .field("retention", &self.retention)
            .field("max_keys", &self.max_keys)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revocation::DisconnectReason;

    #[tokio::test]
    async fn find_now_finds_the_same_as_find() {
        let store = MemoryRevocations::new(Duration::from_secs(60), 10);
        let keys: Vec<RevocationKey> = vec!["user:ada".into(), "user:bob".into()];
        for is_revoked in [false, true] {
            if is_revoked {
                let revocation = Revocation::at_micros(1, DisconnectReason::Revoked);
                store.record("user:bob".into(), revocation).await.unwrap();
            }
            let found = store.find_now(&keys).unwrap();
            let revoked = found.iter().map(Option::is_some).collect::<Vec<_>>();
            assert_eq!(revoked, [false, is_revoked]);
            assert_eq!(store.find(keys.clone()).await.unwrap(), found);
        }
    }

    #[tokio::test]
    async fn a_revocation_is_kept_for_the_whole_retention_from_the_last_one_on() {
        let retention = Duration::from_secs(60);
        let store = MemoryRevocations::new(retention, 10);
        for micros in 1..=2 {
            let from = Instant::now() + retention;
            let revocation = Revocation::at_micros(micros, DisconnectReason::Revoked);
            store.record("user:ada".into(), revocation).await.unwrap();
            let until = store.revoked.read().unwrap()["user:ada"].until.unwrap();
            assert!((from..=Instant::now() + retention).contains(&until));
        }
    }

    #[test]
    fn a_revocation_holds_until_its_end_and_not_at_it() {
        let revocation = Revocation::at_micros(1, DisconnectReason::Revoked);
        let now = Instant::now();
        let kept = |until| Kept {
            revocation: revocation.clone(),
            until,
        };
        assert!(kept(None).holds(now));
        assert!(kept(now.checked_add(Duration::from_nanos(1))).holds(now));
        assert!(!kept(Some(now)).holds(now));
    }
}
