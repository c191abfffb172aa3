use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::headers::cleanse;
use crate::stack::Stack;
use crate::tasks::{Peer, Tasks};

/// The maximum of connected clients without a WebSocket.
const AT_THE_DOOR: usize = 1024;
/// The longest head of a request. It has room for a JWT of 8 KiB and as much in cookies.
const MAX_HEAD: u32 = 64 * 1024;
/// The time after which an unused HTTP/2 connection ends. Longer than a closing handshake takes.
const QUIET: Duration = Duration::from_secs(15);
/// The maximum of WebSockets on one HTTP/2 connection.
const STREAMS: u32 = 128;
/// The window of each of them, and the limit of its send buffer, in bytes. The connection's window
/// is the sum of all, so that one with a slow upstream does not delay the others.
const STREAM_WINDOW: u32 = 64 * 1024;

/// Accepts connections, of HTTP/1.1 and of HTTP/2 with prior knowledge.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) stack: Stack,
    pub(crate) tasks: Tasks,
    pub(crate) trust_forwarded: bool,
    /// The time limit for the head of a request.
    pub(crate) head: Duration,
}

impl Server {
    /// Runs until it is dropped.
    pub(crate) async fn run(&self, listener: &TcpListener, graceful: &GracefulShutdown, most: u32) {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let most = most.saturating_add(AT_THE_DOOR).min(Semaphore::MAX_PERMITS);
        let door = Arc::new(Semaphore::new(most));
        // The semaphore is never closed.
        while let Ok(place) = Arc::clone(&door).acquire_owned().await {
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    wait_after(&error).await;
                    continue;
                }
            };
            let connection = self.clone().connection(stream, peer, graceful.watcher());
            self.tasks.spawn(async move {
                connection.await;
                drop(place);
            });
        }
    }

    async fn connection(self, stream: TcpStream, address: SocketAddr, watcher: Watcher) {
        // Without it small frames would wait for an acknowledgement.
        let _ = stream.set_nodelay(true);
        let builder = self.builder();
        let visits = Arc::new(Visits::default());
        let unused = unused(Arc::clone(&visits), self.head);
        let service = service_fn(move |mut request: Request<Incoming>| {
            cleanse(request.headers_mut(), self.trust_forwarded);
            let visit = visits.begin();
            request.extensions_mut().insert(Peer { address, visit });
            self.stack.clone().oneshot(request)
        });
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
        let connection = watcher.watch(connection.into_owned());
        tokio::select! {
            served = connection => if let Err(error) = served {
                tracing::debug!(%error, "a connection broke");
            },
            () = unused => {}
        }
    }

    fn builder(&self) -> auto::Builder<Tasks> {
        let mut builder = auto::Builder::new(self.tasks.clone());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.head)
            .max_buf_size(usize::try_from(MAX_HEAD).unwrap_or(usize::MAX));
        builder
            .http2()
            .timer(TokioTimer::new())
            .enable_connect_protocol()
            .max_header_list_size(MAX_HEAD)
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(STREAMS * STREAM_WINDOW)
            .max_send_buf_size(usize::try_from(STREAM_WINDOW).unwrap_or(usize::MAX))
            .keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(10));
        builder
    }
}

/// The uses of a connection: requests that are being answered, and WebSockets.
#[derive(Default)]
struct Visits {
    open: TaskTracker,
    came: AtomicBool,
}

impl Visits {
    fn begin(&self) -> tokio_util::task::task_tracker::TaskTrackerToken {
        self.came.store(true, Ordering::Relaxed);
        self.open.token()
    }

    /// Whether there was one since the last call.
    fn were_there(&self) -> bool {
        self.came.swap(false, Ordering::Relaxed) || !self.open.is_empty()
    }
}

/// Ready when a connection has been unused for too long. hyper has no timeout before it knows the
/// protocol, and none for an idle HTTP/2 connection.
async fn unused(visits: Arc<Visits>, head: Duration) {
    sleep(head).await;
    while visits.were_there() {
        sleep(QUIET).await;
    }
}

/// Errors of one client need no pause. Too many open files do.
async fn wait_after(error: &io::Error) {
    let of_one_client = [
        io::ErrorKind::ConnectionRefused,
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::ConnectionReset,
    ];
    if !of_one_client.contains(&error.kind()) {
        tracing::error!(%error, "a connection cannot be accepted");
        sleep(Duration::from_secs(1)).await;
    }
}
