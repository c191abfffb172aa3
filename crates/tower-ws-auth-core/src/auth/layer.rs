use std::any::Any;
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
    who: Option<Who>,
}

/// Names an identity of the one type that the strategy grants.
pub(crate) type Who = Arc<dyn Fn(&dyn Any) -> Option<String> + Send + Sync>;

impl<A: Authenticate> AuthLayer<A> {
    /// Guards WebSocket routes. An invalid opening handshake is refused before the strategy
    /// decides.
    pub fn new(strategy: A) -> Self {
        make_ready();
        Self {
            strategy: Arc::new(strategy),
            any_request: false,
            clock: Clock::system(),
            who: None,
        }
    }

    /// Names the identity in the field `who` of the events `handshake accepted` and `lease ended`.
    /// Without it no event names anybody.
    ///
    /// The log then holds personal data. Keep it short: 256 characters of it are logged. Do not
    /// return a credential.
    ///
    /// ```
    /// # use http::request::Parts;
    /// # use tower_ws_auth_core::{AuthLayer, Grant, Rejection};
    /// # #[derive(Clone)] struct User { id: u64 }
    /// # let strategy = |_: &mut Parts| async { Ok::<_, Rejection>(Grant::new(User { id: 7 })) };
    /// let layer = AuthLayer::new(strategy).log_identity(|user| user.id.to_string());
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn log_identity(
        self,
        name: impl Fn(&A::Identity) -> String + Send + Sync + 'static,
    ) -> Self {
        const LONGEST: usize = 256;
        let who = move |identity: &dyn Any| {
            let name = name(identity.downcast_ref()?);
            Some(name.chars().take(LONGEST).collect())
        };
        Self {
            who: Some(Arc::new(who)),
            ..self
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

    /// Like [`any_request`](Self::any_request), with a single-use strategy too. For a service that
    /// has checked by itself that the request is one of its own.
    #[doc(hidden)]
    #[must_use]
    pub fn checked_request(self) -> Self {
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
            self.who.clone(),
        )
    }
}

impl<A> Clone for AuthLayer<A> {
    fn clone(&self) -> Self {
        Self {
            strategy: Arc::clone(&self.strategy),
            any_request: self.any_request,
            clock: self.clock.clone(),
            who: self.who.clone(),
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
