use std::fmt;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::close::places::Places;

/// The closing handshakes of a layer and its clones, for a shutdown that lets them end.
///
/// A server's graceful shutdown does not know them: on HTTP/1.1 a connection is over for it once
/// it was handed over. So wait for the server first, and then for these.
///
/// ```
/// # use std::time::Duration;
/// # use tower_ws_auth_socket::close::CloseFrameLayer;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let layer = CloseFrameLayer::new();
/// let closing_handshakes = layer.closing_handshakes();
/// # let server = async {};
/// // ... build the server with `layer`, and when it is told to stop:
/// server.await;
/// let ended = tokio::time::timeout(Duration::from_secs(2), closing_handshakes.wait()).await;
/// assert!(ended.is_ok());
/// # }
/// ```
#[derive(Clone)]
pub struct ClosingHandshakes {
    permits: Arc<Semaphore>,
    most: u32,
    places: Arc<Places>,
}

impl ClosingHandshakes {
    pub(crate) fn new(permits: Arc<Semaphore>, most: u32, places: Arc<Places>) -> Self {
        Self {
            permits,
            most,
            places,
        }
    }

    /// Waits until none is left: at the longest for the layer's
    /// [`hold`](crate::close::CloseFrameLayer::reject_delay) and [`deadline`](crate::close::CloseFrameLayer::deadline)
    /// and a second. A shorter grace is a `tokio::time::timeout` around it.
    ///
    /// While somebody waits no closing handshake begins: who is refused then gets the plain HTTP answer.
    /// A client that a script still listens to gets its close frame now.
    pub async fn wait(&self) {
        self.places.free_all();
        // The semaphore is never closed, so this fails never. It queues before the next closing handshake.
        drop(self.permits.acquire_many(self.most).await);
    }
}

impl fmt::Debug for ClosingHandshakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClosingHandshakes")
    }
}
