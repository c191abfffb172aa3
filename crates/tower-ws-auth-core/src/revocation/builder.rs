use std::fmt;
use std::time::Duration;

use super::{RevocationStore, Revocations};
use crate::Clock;

/// Configures [`Revocations`]. Made by [`Revocations::builder`]; finish with
/// [`build`](Self::build).
#[must_use]
pub struct RevocationsBuilder {
    store: Box<dyn RevocationStore>,
    clock: Clock,
    allowed_skew: Duration,
}

/// The default of the allowed skew.
const ALLOWED_SKEW: Duration = Duration::from_secs(60);

impl RevocationsBuilder {
    pub(super) fn new(store: Box<dyn RevocationStore>) -> Self {
        Self {
            store,
            clock: Clock::system(),
            allowed_skew: ALLOWED_SKEW,
        }
    }

    /// Sets the clock that dates revocations; the system's by default.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the greatest difference between the clocks that issue credentials and those that revoke
    /// them; 60 seconds by default.
    ///
    /// A credential issued up to this long after a revocation is refused too, because its issuer's
    /// clock may be ahead. Credentials that [know the
    /// revocation](super::RevocationKey::issued_after) are still accepted at once. No clock matters
    /// for [final](super::RevocationKey::into_final) keys.
    ///
    /// If the clocks differ by more than this, a credential issued shortly before a revocation may
    /// outlive it. Zero is right if one process does both.
    pub fn allowed_skew(mut self, skew: Duration) -> Self {
        self.allowed_skew = skew;
        self
    }

    /// Builds the handle.
    #[must_use]
    pub fn build(self) -> Revocations {
        Revocations::of(self.store, self.clock, self.allowed_skew)
    }
}

impl fmt::Debug for RevocationsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationsBuilder")
            .field("clock", &self.clock)
            .field("allowed_skew", &self.allowed_skew)
            .finish_non_exhaustive()
    }
}
