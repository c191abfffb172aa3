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

/// What clocks may differ by unless it is set.
const ALLOWED_SKEW: Duration = Duration::from_secs(60);

impl RevocationsBuilder {
    pub(super) fn new(store: Box<dyn RevocationStore>) -> Self {
        Self {
            store,
            clock: Clock::system(),
            allowed_skew: ALLOWED_SKEW,
        }
    }

    /// The clock that dates revocations; the system's by default.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// By how much the clocks of those who issue credentials and of those who revoke them may
    /// differ; 60 seconds by default.
    ///
    /// A credential that was issued up to this long after a revocation is refused as well, because
    /// its issuer's clock may be ahead. This does not concern credentials that [know the
    /// revocation](super::RevocationKey::issued_after): they are accepted at once. Nor does it
    /// concern [final](super::RevocationKey::into_final) keys, for which no clock matters.
    ///
    /// With less than the clocks really differ, a credential that was issued shortly before a
    /// revocation may outlive it. Zero is right where one process does both.
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
