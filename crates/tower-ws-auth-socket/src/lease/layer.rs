use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::frame::Close;
use crate::protocol::ClientProtocol;
use crate::upgrade::Limits;
use tower_layer::Layer;
use tower_ws_auth_core::credential::Carriers;
use tower_ws_auth_core::private::ConnectionLimits;
use tower_ws_auth_core::revocation::{DisconnectReason, OverLimit, Revocations};
use tower_ws_auth_core::{BoxFuture, Clock, MemoryRevocations};

use crate::lease::Leased;
use crate::lease::leases::Leases;
use crate::lease::renewals::{UserOf, Users};

/// Ends connections when what opened them ends; see the [module's documentation](crate::lease).
#[derive(Clone, Debug)]
#[must_use]
pub struct LeaseLayer {
    config: Arc<Config>,
}

/// What the layer, its services and their leases share.
#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) revocations: Revocations,
    pub(crate) leases: Leases,
    pub(crate) grace: Duration,
    pub(crate) close: Closing,
    pub(crate) limits: Limits,
    pub(crate) spawner: Option<Arc<dyn Fn(BoxFuture<()>) + Send + Sync>>,
    pub(crate) max_connections: Arc<ConnectionLimits>,
    pub(crate) cooperative: bool,
    pub(crate) connection_id: Option<Carriers>,
}

/// What an ended client is told.
#[derive(Clone)]
pub(crate) enum Closing {
    Protocol(ClientProtocol),
    Own(Arc<dyn Fn(&DisconnectReason) -> Close + Send + Sync>),
}

impl LeaseLayer {
    /// Ends connections at their expiry and when one of their keys is revoked.
    ///
    /// A handshake whose strategy was not [`revocable`] with the same `revocations` is checked
    /// here.
    ///
    /// [`revocable`]: tower_ws_auth_core::AuthenticateExt::revocable
    pub fn new(revocations: Revocations) -> Self {
        Self {
            config: Arc::new(Config {
                revocations,
                leases: Leases::new(Clock::system()),
                grace: Duration::ZERO,
                close: Closing::Protocol(ClientProtocol::plain()),
                limits: Limits::default(),
                spawner: None,
                max_connections: Arc::default(),
                cooperative: false,
                connection_id: None,
            }),
        }
    }

    /// Ends connections at their expiry, and by the revocations of a [`revocable`] strategy.
    ///
    /// [`revocable`]: tower_ws_auth_core::AuthenticateExt::revocable
    pub fn expiry_only() -> Self {
        Self::new(Revocations::new(MemoryRevocations::new(Duration::ZERO, 0)))
    }

    /// How long a connection may outlive its grant's end, for a client that is about to renew it.
    /// Zero by default. A revocation knows no grace.
    pub fn grace(self, grace: Duration) -> Self {
        self.with(|config| config.grace = grace)
    }

    /// How the clients are told, in place of [`ClientProtocol::plain`]: the value that
    /// [`CloseFrameLayer::client_protocol`](crate::close::CloseFrameLayer::client_protocol) has.
    ///
    /// The protocol's messages go between two messages of the handler. This and
    /// [`close_with`](Self::close_with) replace one another.
    pub fn client_protocol(self, protocol: ClientProtocol) -> Self {
        self.with(|config| config.close = Closing::Protocol(protocol))
    }

    /// The close frame for a disconnect reason, in place of [`ClientProtocol::disconnect`].
    ///
    /// The reason reaches the client: keep secrets out of it. If `f` panics, the client is told what
    /// it would be without it.
    pub fn close_with(
        self,
        f: impl Fn(&DisconnectReason) -> Close + Send + Sync + 'static,
    ) -> Self {
        self.with(|config| config.close = Closing::Own(Arc::new(f)))
    }

    /// How many connections may be open under each key that begins with `prefix`, such as
    /// `user:`, on this node. Can be said for several prefixes.
    ///
    /// A connection counts from the answer that accepts its handshake until it is told to go or is
    /// over, however it came to be: over HTTP/1.1 or HTTP/2, through this layer or through another
    /// one with the same [`Revocations`], or by a [renewal](crate::lease::Lease::renew) that brought it a
    /// new key. Handshakes under way and ordinary requests do not count.
    ///
    /// A ticket or another credential of single use is not spent on a handshake that is refused
    /// here, if its strategy is [`revocable`] with the same `Revocations` and each of their layers
    /// limits the key. A handshake that spends one holds a place until its connection is open or the
    /// handshake is over, for at most 10 seconds. Others are refused meanwhile. If the service takes
    /// longer to answer, another connection may take the place, and this one is ended at once.
    ///
    /// [`revocable`]: tower_ws_auth_core::AuthenticateExt::revocable
    pub fn max_connections(
        self,
        count: usize,
        prefix: impl Into<Arc<str>>,
        over: OverLimit,
    ) -> Self {
        self.with(|config| {
            let limits = Arc::unwrap_or_clone(std::mem::take(&mut config.max_connections));
            config.max_connections = Arc::new(limits.max_connections(count, prefix, over));
        })
    }

    /// How long a client has, once it was told, until its connection is dropped. 5 s by default.
    pub fn deadline(self, deadline: Duration) -> Self {
        self.with(|config| config.limits.deadline = deadline)
    }

    /// How many bytes of such a client are read and discarded at most. 4 MiB by default.
    ///
    /// A client that had more under way still reads its code and its reason, but a browser calls
    /// the close unclean (`wasClean`). Its HTTP/1.1 connection is held for a second and then reset,
    /// a stream of HTTP/2 is reset at once. The rest of a frame that the handler has half read takes
    /// at most 64 KiB of memory.
    pub fn byte_cap(self, bytes: u64) -> Self {
        self.with(|config| config.limits.bytes = bytes)
    }

    /// Only tells: the layer does not touch the connection, and the handler ends it when
    /// [`Lease::ended`](crate::lease::Lease::ended) is ready. A handler that drops its
    /// [`Lease`](crate::lease::Lease) is not told.
    pub fn cooperative(self) -> Self {
        self.with(|config| config.cooperative = true)
    }

    /// Who runs the closing handshakes, in place of the runtime that the handshake came on: a graceful
    /// shutdown can only wait for tasks that it knows. If `spawn` panics, the connection is dropped
    /// without a close frame.
    pub fn spawn_with(self, spawn: impl Fn(BoxFuture<()>) + Send + Sync + 'static) -> Self {
        self.with(|config| config.spawner = Some(Arc::new(spawn)))
    }

    /// The clock that says when a grant has ended, in place of the system's.
    pub fn clock(self, clock: Clock) -> Self {
        self.with(|config| config.leases = config.leases.with_clock(clock))
    }

    /// Lets clients [renew](Leases::renewals) their connections. `user` names the user of an
    /// identity: a connection is renewed by a credential of the same user only, and not at all if
    /// the name is empty.
    ///
    /// Set it before [`leases`](Self::leases) is called. Every request then needs an identity of
    /// this type, of the [`AuthLayer`](tower_ws_auth_core::AuthLayer) further out; others are
    /// refused with 503.
    pub fn renewable_by<I, N>(self, user: impl Fn(&I) -> N + Send + Sync + 'static) -> Self
    where
        I: Clone + Send + Sync + 'static,
        N: Into<Arc<str>>,
    {
        let user: UserOf<I> = Arc::new(move |identity| user(identity).into());
        self.with(|config| config.leases = config.leases.with_users(Users::new(user)))
    }

    /// Where a client puts the [`ConnectionId`](crate::lease::ConnectionId) that it has chosen, in
    /// its handshake. It is removed there. Without one the connection gets a random id.
    ///
    /// An invalid id is refused with 400. The strategy has decided by then: a ticket is used up.
    ///
    /// A query key is logged by layers further out, unless a
    /// [`RedactLayer`](tower_ws_auth_core::RedactLayer) names it too.
    ///
    /// ```
    /// # use tower_ws_auth_core::credential::{Carriers, SubprotocolFormat};
    /// # use tower_ws_auth_socket::lease::LeaseLayer;
    /// let carriers = Carriers::builder()
    ///     .query("connection")
    ///     .subprotocol(SubprotocolFormat::LastAfter("connection."))
    ///     .build()?;
    /// let layer = LeaseLayer::expiry_only()
    ///     .renewable_by(|user: &String| user.clone())
    ///     .connection_id(carriers);
    /// # let _ = layer;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connection_id(self, carriers: Carriers) -> Self {
        self.with(|config| config.connection_id = Some(carriers))
    }

    /// What is open under this layer and its clones.
    pub fn leases(&self) -> Leases {
        self.config.leases.clone()
    }

    fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(Arc::make_mut(&mut self.config));
        self
    }
}

impl<S> Layer<S> for LeaseLayer {
    type Service = Leased<S>;

    fn layer(&self, inner: S) -> Leased<S> {
        self.config
            .revocations
            .enforce(&self.config.max_connections);
        Leased::of(inner, Arc::clone(&self.config))
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("revocations", &self.revocations)
            .field("grace", &self.grace)
            .field("limits", &self.limits)
            .field("cooperative", &self.cooperative)
            .finish_non_exhaustive()
    }
}
