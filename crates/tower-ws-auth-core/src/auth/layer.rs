use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use crate::rejection::response::make_ready;
use crate::{Auth, Authenticate, Clock};

/// Lets a request through to the service only if its strategy grants it.
///
/// Exactly one per path: it takes the credential away, so a second one inside would refuse
/// everything. It authenticates every request that passes it, so scope it by route.
pub struct AuthLayer<A> {
    strategy: Arc<A>,
    any_request: bool,
    clock: Clock,
}

impl<A: Authenticate> AuthLayer<A> {
    /// Guards WebSocket routes: what is not a valid opening handshake is refused before the
    /// strategy decides.
    pub fn new(strategy: A) -> Self {
        make_ready();
        Self {
            strategy: Arc::new(strategy),
            any_request: false,
            clock: Clock::system(),
        }
    }

    /// Guards ordinary routes too, such as one that mints tickets: the handshake is not checked.
    ///
    /// A single-use strategy cannot be used so, at compile time: a request that is no handshake
    /// would burn its credential.
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

    /// The clock that says when a decision began, for what is [minted](crate::Validity) by it; the
    /// system's unless set.
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
