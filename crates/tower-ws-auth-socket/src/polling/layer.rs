use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use crate::polling::Polling;
use crate::polling::binding::Binding;

/// Binds a session of Socket.IO's polling transport to the identity that opened it; see the
/// [module's documentation](crate::polling).
#[must_use]
pub struct PollingLayer<I> {
    config: Arc<Config<I>>,
}

pub(crate) struct Config<I> {
    pub(crate) binding: Binding,
    pub(crate) identify: Box<dyn Fn(&I) -> String + Send + Sync>,
}

/// A secret that could be guessed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret has {0} bytes: use at least 32")]
pub struct PollingError(pub(crate) usize);

impl<I> PollingLayer<I> {
    /// A layer for identities `I`, which an `AuthLayer` leaves further out.
    ///
    /// Nodes that share sessions share the secret, of at least 32 random bytes. `identify` names
    /// the user of an identity: two with the same name may use each other's sessions. It should
    /// stay the same when a token is refreshed.
    ///
    /// # Errors
    ///
    /// A secret of fewer than 32 bytes.
    pub fn new(
        secret: impl AsRef<[u8]>,
        identify: impl Fn(&I) -> String + Send + Sync + 'static,
    ) -> Result<Self, PollingError> {
        let config = Arc::new(Config {
            binding: Binding::new(secret.as_ref())?,
            identify: Box::new(identify),
        });
        Ok(Self { config })
    }
}

impl<I, S> Layer<S> for PollingLayer<I> {
    type Service = Polling<I, S>;

    fn layer(&self, inner: S) -> Polling<I, S> {
        Polling::new(inner, Arc::clone(&self.config))
    }
}

impl<I> Clone for PollingLayer<I> {
    fn clone(&self) -> Self {
        let config = Arc::clone(&self.config);
        Self { config }
    }
}

impl<I> fmt::Debug for PollingLayer<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollingLayer").finish_non_exhaustive()
    }
}
