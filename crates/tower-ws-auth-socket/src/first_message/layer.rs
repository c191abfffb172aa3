use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use tokio::sync::Semaphore;
use tower_layer::Layer;
use tower_ws_auth_core::BoxFuture;
use tower_ws_auth_core::credential::Carriers;

use crate::close;
use crate::first_message::MessageFormat;
use crate::first_message::config::{Config, MOST_RUNNING};
use crate::first_message::places::Places;
use crate::first_message::service::FirstMessageService;
use crate::protocol::ClientProtocol;

/// Answers the handshake, and takes the credential from the client's first message; see the
/// [module's documentation](crate::first_message).
#[derive(Clone, Debug)]
#[must_use]
pub struct FirstMessageLayer {
    config: Arc<Config>,
}

impl FirstMessageLayer {
    /// The defaults: every handshake waits for its message, for 5 s and of at most 16 KiB; 4096
    /// clients wait at a time, 256 of one address; the strategy and the handler have 30 s to answer.
    pub fn new(format: MessageFormat) -> Self {
        Self {
            config: Arc::new(Config::new(format)),
        }
    }

    /// Which handshakes wait for a message. The others go their usual way: the strategy finds their
    /// credential in the handshake.
    pub fn when(self, f: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.with(|config| config.when = Some(Arc::new(f)))
    }

    /// Waits only where none of these carriers may hold a credential. Give it those of the strategy.
    ///
    /// This and [`when`](Self::when) replace one another.
    pub fn when_missing(self, carriers: Carriers) -> Self {
        self.when(move |head| !carriers.may_hold(head))
    }

    /// How a refused client is told, in place of the format's own language.
    pub fn client_protocol(self, protocol: ClientProtocol) -> Self {
        self.with(|config| config.protocol = Some(protocol))
    }

    /// The subprotocols of the service, best first, beside those of the format. The first that a
    /// client offers is selected, for the handshake is answered before the handler sees it.
    pub fn subprotocols<T: Into<String>>(self, names: impl IntoIterator<Item = T>) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        self.with(|config| config.subprotocols = names)
    }

    /// How long a client has for its message, from the handshake on. 5 s by default.
    pub fn timeout(self, time: Duration) -> Self {
        self.with(|config| config.time = time)
    }

    /// How many bytes a message may have. 16 KiB by default; 4 KiB more may stand around it.
    pub fn max_bytes(self, bytes: usize) -> Self {
        self.with(|config| config.bytes = bytes)
    }

    /// How many clients wait at a time. One more takes the place of the one that has waited the
    /// longest, which reads 4503. 4096 by default.
    pub fn max_waiting(self, count: usize) -> Self {
        self.with(|config| {
            config.most = count;
            config.places = Arc::new(Places::new(count, config.most_by_address));
        })
    }

    /// The same for the clients of one address, or of one network of IPv6 (/64). 256 by default.
    ///
    /// The address is in axum's `ConnectInfo<SocketAddr>`, or [`address`](Self::address) knows it.
    pub fn max_waiting_by_address(self, count: usize) -> Self {
        self.with(|config| {
            config.most_by_address = count;
            config.places = Arc::new(Places::new(config.most, count));
        })
    }

    /// Where a client is, such as by a header that a trusted proxy sets. Behind a proxy all clients
    /// have one address otherwise. `None` where that is unknown: such a client is not counted.
    pub fn address(self, f: impl Fn(&Parts) -> Option<IpAddr> + Send + Sync + 'static) -> Self {
        self.with(|config| config.address = Some(Arc::new(f)))
    }

    /// How long the service has for its answer. Then the client reads 4504. 30 s by default.
    pub fn answer_timeout(self, time: Duration) -> Self {
        self.with(|config| config.answer_time = time)
    }

    /// How much of a client is read while the service decides. It is kept for the handler. 4 KiB by
    /// default; more than that waits in the connection.
    pub fn max_ahead(self, bytes: usize) -> Self {
        self.with(|config| config.ahead = bytes)
    }

    /// How long a refused client waits for its refusal: 300 ms by default, or the protocol's delay.
    /// See [`CloseFrameLayer::reject_delay`](crate::close::CloseFrameLayer::reject_delay).
    pub fn reject_delay(self, delay: Duration) -> Self {
        self.with(|config| config.reject_delay = Some(delay))
    }

    /// How long the closing handshake of a refused client may take. 5 s by default.
    pub fn deadline(self, deadline: Duration) -> Self {
        self.with(|config| config.limits.deadline = deadline)
    }

    /// How many refused clients are told at a time. 1024 by default. Those beyond it have 100 ms for
    /// what they are told before the close frame, and 100 ms for their closing handshake.
    pub fn max_closing_handshakes(self, count: usize) -> Self {
        let count = count.min(Semaphore::MAX_PERMITS);
        self.with(|config| {
            config.closing_handshakes = Arc::new(Semaphore::new(count));
            config.max_closing_handshakes = count;
            config.listened_to = Arc::default();
        })
    }

    /// Who runs the connections until the handler has them, in place of the runtime on which the
    /// handshake came.
    pub fn spawn_with(self, spawn: impl Fn(BoxFuture<()>) + Send + Sync + 'static) -> Self {
        self.with(|config| config.spawner = Some(Arc::new(spawn)))
    }

    /// The clients of this layer and its clones that no handler has yet. Ask for it last.
    pub fn early(&self) -> EarlyConnections {
        EarlyConnections {
            places: Arc::clone(&self.config.places),
            running: Arc::clone(&self.config.running),
            listened_to: Arc::clone(&self.config.listened_to),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(Arc::make_mut(&mut self.config));
        self
    }
}

impl<S> Layer<S> for FirstMessageLayer {
    type Service = FirstMessageService<S>;

    fn layer(&self, inner: S) -> FirstMessageService<S> {
        FirstMessageService::of(inner, Arc::clone(&self.config))
    }
}

/// The connections that no handler has yet, for a graceful shutdown.
///
/// Over HTTP/1.1 a server does not know them: it has handed them over.
///
/// ```
/// # use std::time::Duration;
/// # use tower_ws_auth_socket::first_message::{FirstMessageLayer, MessageFormat};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let layer = FirstMessageLayer::new(MessageFormat::plain());
/// let early = layer.early();
/// # let server = async {};
/// // ... build the server with `layer`, and when it is told to stop:
/// server.await;
/// early.end_all();
/// let ended = tokio::time::timeout(Duration::from_secs(2), early.wait()).await;
/// assert!(ended.is_ok());
/// # }
/// ```
#[derive(Clone)]
pub struct EarlyConnections {
    places: Arc<Places>,
    running: Arc<Semaphore>,
    listened_to: Arc<close::Places>,
}

impl EarlyConnections {
    /// Ends those whose message has not come, with code 1001. Those that come later are ended at
    /// once; what the service decides about already goes on. A refused client that a script still
    /// listens to gets its close frame now.
    pub fn end_all(&self) {
        self.places.end_all();
        self.listened_to.free_all();
    }

    /// Waits until the handler has each of them, or it is over.
    pub async fn wait(&self) {
        // The semaphore is never closed, so this never fails.
        drop(self.running.acquire_many(MOST_RUNNING).await);
    }

    /// How many clients wait with their first message.
    pub fn waiting(&self) -> usize {
        self.places.count()
    }
}

impl fmt::Debug for EarlyConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EarlyConnections")
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}
