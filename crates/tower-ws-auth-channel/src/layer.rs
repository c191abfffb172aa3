use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use crate::ChannelAuth;

/// Passes a join to the service only if its policy admits it. See the [crate's
/// documentation](crate).
///
/// Use exactly one per path: it removes the credential, so a second one inside finds none. Combine
/// policies instead.
#[must_use]
pub struct ChannelAuthLayer<P> {
    policy: Arc<P>,
    longest: usize,
}

/// The longest accepted name of a channel, in bytes, unless it is configured.
const LONGEST: usize = 256;

impl<P> ChannelAuthLayer<P> {
    /// Decides by this policy, about channels of at most 256 bytes.
    pub fn new(policy: P) -> Self {
        Self {
            policy: Arc::new(policy),
            longest: LONGEST,
        }
    }

    /// Sets the longest name of a channel, in bytes. A join with a longer one is `forbidden` before
    /// any policy is asked.
    pub fn longest_channel(mut self, bytes: usize) -> Self {
        self.longest = bytes;
        self
    }
}

impl<P, S> Layer<S> for ChannelAuthLayer<P> {
    type Service = ChannelAuth<P, S>;

    fn layer(&self, inner: S) -> Self::Service {
        ChannelAuth::of(inner, Arc::clone(&self.policy), self.longest)
    }
}

impl<P> Clone for ChannelAuthLayer<P> {
    fn clone(&self) -> Self {
        Self {
            policy: Arc::clone(&self.policy),
            longest: self.longest,
        }
    }
}

impl<P> fmt::Debug for ChannelAuthLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelAuthLayer")
            .field("longest", &self.longest)
            .finish_non_exhaustive()
    }
}
