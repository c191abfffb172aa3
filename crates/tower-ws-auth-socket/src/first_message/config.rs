use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use tokio::sync::Semaphore;
use tower_ws_auth_core::BoxFuture;

use crate::close;
use crate::first_message::MessageFormat;
use crate::first_message::places::Places;
use crate::protocol::ClientProtocol;
use crate::upgrade::Limits;

/// What the layer and its services share.
#[derive(Clone)]
pub(super) struct Config {
    pub(super) format: MessageFormat,
    /// `None`: that of the format.
    pub(super) protocol: Option<ClientProtocol>,
    pub(super) when: Option<Arc<When>>,
    pub(super) address: Option<Arc<Address>>,
    pub(super) subprotocols: Arc<[String]>,
    /// For the first message, from the handshake on.
    pub(super) time: Duration,
    pub(super) bytes: usize,
    pub(super) answer_time: Duration,
    pub(super) ahead: usize,
    pub(super) reject_delay: Option<Duration>,
    pub(super) limits: Limits,
    pub(super) most: usize,
    pub(super) most_by_address: usize,
    pub(super) places: Arc<Places>,
    /// Every connection that is not the service's.
    pub(super) running: Arc<Semaphore>,
    pub(super) closing_handshakes: Arc<Semaphore>,
    pub(super) max_closing_handshakes: usize,
    /// The refused clients that a script listens to.
    pub(super) listened_to: Arc<close::Places>,
    pub(super) spawner: Option<Arc<dyn Fn(BoxFuture<()>) + Send + Sync>>,
}

type When = dyn Fn(&Parts) -> bool + Send + Sync;
type Address = dyn Fn(&Parts) -> Option<IpAddr> + Send + Sync;

/// More than any server has connections.
pub(super) const MOST_RUNNING: u32 = u32::MAX >> 4;

impl Config {
    pub(super) fn new(format: MessageFormat) -> Self {
        const WAITING: usize = 4096;
        const BY_ADDRESS: usize = 256;
        const CLOSING_HANDSHAKES: usize = 1024;
        Self {
            format,
            protocol: None,
            when: None,
            address: None,
            subprotocols: Arc::new([]),
            time: Duration::from_secs(5),
            bytes: 16 * 1024,
            answer_time: Duration::from_secs(30),
            ahead: 4 * 1024,
            reject_delay: None,
            limits: Limits::default(),
            most: WAITING,
            most_by_address: BY_ADDRESS,
            places: Arc::new(Places::new(WAITING, BY_ADDRESS)),
            running: Arc::new(Semaphore::new(MOST_RUNNING as usize)),
            closing_handshakes: Arc::new(Semaphore::new(CLOSING_HANDSHAKES)),
            max_closing_handshakes: CLOSING_HANDSHAKES,
            listened_to: Arc::default(),
            spawner: None,
        }
    }

    pub(super) fn protocol(&self) -> &ClientProtocol {
        self.protocol.as_ref().unwrap_or(&self.format.protocol)
    }

    /// Where this client is, as far as that is known.
    pub(super) fn address_of(&self, head: &Parts) -> Option<IpAddr> {
        if let Some(address) = &self.address {
            return address(head);
        }
        #[cfg(feature = "axum")]
        {
            use axum::extract::ConnectInfo;
            let info = head.extensions.get::<ConnectInfo<std::net::SocketAddr>>();
            info.map(|ConnectInfo(address)| address.ip())
        }
        #[cfg(not(feature = "axum"))]
        None
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("format", &self.format)
            .field("time", &self.time)
            .field("bytes", &self.bytes)
            .field("waiting", &self.places.count())
            .finish_non_exhaustive()
    }
}
