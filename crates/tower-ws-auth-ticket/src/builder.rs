use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use tower_ws_auth_core::Clock;
use tower_ws_auth_core::credential::{Carriers, CarriersError};

use crate::purpose::Bindings;
use crate::tickets::Settings;
use crate::{TicketStore, Tickets};

/// Configures [`Tickets`]. Finish with [`build`](Self::build).
#[must_use]
pub struct TicketsBuilder<P> {
    store: Arc<dyn TicketStore>,
    bindings: Bindings,
    carriers: Option<Carriers>,
    ttl: Duration,
    long_ttl_allowed: bool,
    live_for: Option<Duration>,
    timeout: Duration,
    body_timeout: Duration,
    clock: Clock,
    payload: PhantomData<fn() -> P>,
}

/// A ticket that lives longer is a password in a URL.
const LONGEST_TTL: Duration = Duration::from_secs(5 * 60);

impl<P> TicketsBuilder<P> {
    pub(crate) fn new(store: Arc<dyn TicketStore>) -> Self {
        Self {
            store,
            bindings: Bindings::default(),
            carriers: None,
            ttl: Duration::from_secs(30),
            long_ttl_allowed: false,
            live_for: None,
            timeout: Duration::from_secs(2),
            body_timeout: Duration::from_secs(10),
            clock: Clock::system(),
            payload: PhantomData,
        }
    }

    /// Sets the time in which a ticket must be used; 30 seconds by default, 5 minutes at most.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self.long_ttl_allowed = false;
        self
    }

    /// Sets a [`ttl`](Self::ttl) of more than 5 minutes.
    ///
    /// A ticket travels in URLs, which proxies and browsers log. The longer it is valid, the more
    /// likely an attacker finds it in time.
    pub fn dangerous_long_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self.long_ttl_allowed = true;
        self
    }

    /// Sets the life of a ticket's grant, from the minting on. Without it, and without
    /// [`TicketRequest::until`](crate::TicketRequest::until), the grant is valid for as long as its
    /// connection.
    ///
    /// The [`ttl`](Self::ttl) is another limit: it bounds when a ticket is used, and not how long
    /// its connection lasts.
    pub fn live_for(mut self, life: Duration) -> Self {
        self.live_for = Some(life);
        self
    }

    /// Separates these tickets from all others in the same store. Two [`Tickets`] with different
    /// payloads on one store need different audiences.
    pub fn audience(mut self, audience: impl Into<Cow<'static, str>>) -> Self {
        self.bindings.audience = audience.into();
        self
    }

    /// Binds each ticket to one path: that of the request's URI as the layer sees it. A router
    /// further out may have stripped a prefix.
    pub fn bind_path(mut self) -> Self {
        self.bindings.path = true;
        self
    }

    /// Binds each ticket to one `Origin`, compared byte for byte. A handshake without an `Origin`
    /// is refused.
    pub fn bind_origin(mut self) -> Self {
        self.bindings.origin = true;
        self
    }

    /// Binds each ticket to one client address. `address_of` finds it, for instance in the
    /// extensions. Behind a proxy it must be the address that the proxy attests.
    ///
    /// Clients change addresses, especially between IPv4 and IPv6. They must then mint again.
    pub fn bind_address(
        mut self,
        address_of: impl Fn(&Parts) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Self {
        self.bindings.address = Some(Arc::new(address_of));
        self
    }

    /// Sets the carriers of tickets; `?ticket=…` by default.
    pub fn carriers(mut self, carriers: Carriers) -> Self {
        self.carriers = Some(carriers);
        self
    }

    /// Sets the time limit for an answer of the store; 2 seconds by default. A store that makes
    /// callers wait needs a tokio runtime with its timer.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the time limit for the body of a mint request to a
    /// [`TicketEndpoint`](crate::TicketEndpoint); 10 seconds by default. After it the endpoint
    /// answers 408. A client that makes it wait needs a tokio runtime with its timer.
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.body_timeout = timeout;
        self
    }

    /// Sets the clock of `expires_at` and of [`live_for`](Self::live_for); the system's by default.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// A duration of zero, a ttl above 5 minutes without `dangerous_long_ttl`, or a ttl that the
    /// store does not accept.
    pub fn build(self) -> Result<Tickets<P>, ConfigError> {
        let durations = [self.ttl, self.timeout, self.body_timeout];
        if durations
            .iter()
            .chain(&self.live_for)
            .any(Duration::is_zero)
        {
            return Err(ConfigError::Zero);
        }
        if self.ttl > LONGEST_TTL && !self.long_ttl_allowed {
            return Err(ConfigError::LongTtl);
        }
        if let Some(max) = self.store.max_ttl().filter(|max| self.ttl > *max) {
            return Err(ConfigError::StoreTtl(max));
        }
        let carriers = match self.carriers {
            Some(carriers) => carriers,
            None => Carriers::builder().query("ticket").build()?,
        };
        Ok(Tickets::new(Settings {
            store: self.store,
            bindings: self.bindings,
            carriers,
            ttl: self.ttl,
            live_for: self.live_for,
            timeout: self.timeout,
            body_timeout: self.body_timeout,
            clock: self.clock,
        }))
    }
}

impl<P> fmt::Debug for TicketsBuilder<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketsBuilder")
            .field("bindings", &self.bindings)
            .field("ttl", &self.ttl)
            .field("live_for", &self.live_for)
            .field("timeout", &self.timeout)
            .field("body_timeout", &self.body_timeout)
            .finish_non_exhaustive()
    }
}

/// Why [`TicketsBuilder::build`] failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A duration of zero.
    #[error("`ttl`, `live_for`, `timeout` or `body_timeout` is zero")]
    Zero,
    /// A ttl that is too long for a secret in a URL.
    #[error("the ttl is above 5 minutes: shorten it, or use `dangerous_long_ttl`")]
    LongTtl,
    /// A ttl that the store does not accept.
    #[error(
        "the ttl is above the store's limit of {0:?}: shorten it, or raise the store's `max_ttl`"
    )]
    StoreTtl(Duration),
    /// The carriers are invalid.
    #[error(transparent)]
    Carriers(#[from] CarriersError),
}
