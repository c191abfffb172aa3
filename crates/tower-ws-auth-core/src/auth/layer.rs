use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use crate::rejection::response::make_ready;
use crate::{Auth, Authenticate, Clock};

/// Passes a request to the service only if its strategy grants it.
///
/// Use exactly one per path: it removes the credential, so a second one inside refuses everything,
/// and says why in its event. Combine strategies by [`or`](crate::AuthenticateExt::or). It authenticates every request that passes it, so scope it by route.
pub struct AuthLayer<A> {
    strategy: Arc<A>,
    any_request: bool,
    clock: Clock,
}

impl<A: Authenticate> AuthLayer<A> {
    /// Guards WebSocket routes. An invalid opening handshake is refused before the strategy
    /// decides.
    pub fn new(strategy: A) -> Self {
        make_ready();
        Self {
            strategy: Arc::new(strategy),
            any_request: false,
            clock: Clock::system(),
        }
    }

    /// Guards ordinary routes too, such as a ticket endpoint. The handshake is not checked.
    ///
    /// A single-use strategy does not compile here: a request that is no handshake would use its
    /// credential up.
    #[must_use]
    pub fn any_request(self) -> Self {
        const {
            assert!(
                !A::SINGLE_USE,
                "a single-use credential is only taken in a checked handshake"
            );
        }
        Self {
            any_request: true,
            ..self
        }
    }

    /// Sets the clock that dates a decision, for the [validity](crate::Validity) of credentials
    /// minted by it. The default is the system's clock.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }
}

impl<A, S> Layer<S> for AuthLayer<A> {
    type Service = Auth<A, S>;

    fn layer(&self, inner: S) -> Auth<A, S> {
        Auth::of(
            inner,
            Arc::clone(&self.strategy),
            self.any_request,
            self.clock.clone(),
        )
    }
}

impl<A> Clone for AuthLayer<A> {
    fn clone(&self) -> Self {
        Self {
            strategy: Arc::clone(&self.strategy),
            any_request: self.any_request,
            clock: self.clock.clone(),
        }
    }
}

impl<A> fmt::Debug for AuthLayer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthLayer")
            .field("any_request", &self.any_request)
            .finish_non_exhaustive()
    }
}
