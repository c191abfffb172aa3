use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::store::BoxFuture;
use super::{Revocation, RevocationError, RevocationStore};

/// Remembers in this process what was revoked: for one node. It forgets when the process ends.
pub struct MemoryRevocations {
    revoked: Mutex<HashMap<Arc<str>, Kept>>,
    retention: Duration,
    max_keys: usize,
}

struct Kept {
    revocation: Revocation,
    /// `None` if that is further away than this platform can count.
    until: Option<Instant>,
}

impl MemoryRevocations {
    /// Remembers each revocation for `retention`, and up to `max_keys` of them, about 150 bytes
    /// each.
    ///
    /// Make the retention as long as the longest life of a credential: after it, one that was
    /// issued before the revocation passes again.
    pub fn new(retention: Duration, max_keys: usize) -> Self {
        Self {
            revoked: Mutex::default(),
            retention,
            max_keys,
        }
    }

    fn keep(&self, key: Arc<str>, revocation: Revocation) -> Result<(), RevocationError> {
        let now = Instant::now();
        let mut revoked = self.lock();
        if revoked.len() >= self.max_keys && !revoked.contains_key(&key) {
            revoked.retain(|_, kept| kept.holds(now));
            if revoked.len() >= self.max_keys {
                return Err(RevocationError::new(Full(self.max_keys)));
            }
        }
        let until = now.checked_add(self.retention);
        revoked.insert(key, Kept { revocation, until });
        Ok(())
    }

    /// Nothing under the lock panics.
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Kept>> {
        self.revoked.lock().unwrap_or_else(PoisonError::into_inner)
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
        keys: Vec<Arc<str>>,
    ) -> BoxFuture<Result<Vec<Option<Revocation>>, RevocationError>> {
        let now = Instant::now();
        let revoked = self.lock();
        let find = |key: &Arc<str>| {
            let kept = revoked.get(key).filter(|kept| kept.holds(now));
            kept.map(|kept| kept.revocation.clone())
        };
        let found = keys.iter().map(find).collect();
        Box::pin(std::future::ready(Ok(found)))
    }

    fn record(
        &self,
        key: Arc<str>,
        revocation: Revocation,
    ) -> BoxFuture<Result<(), RevocationError>> {
        Box::pin(std::future::ready(self.keep(key, revocation)))
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

#[derive(Debug, thiserror::Error)]
#[error(
    "{0} keys are revoked, and no more are remembered: raise `max_keys` or shorten the retention"
)]
struct Full(usize);
