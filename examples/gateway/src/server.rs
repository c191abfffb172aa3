use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tower_ws_auth::close::OriginalStatus;

use crate::access::Access;
use crate::body::Body;
use crate::cases::Cases;
use crate::headers::{Kept, cleanse};
use crate::router::Router;
use crate::socket::Socket;
use crate::strip::Strip;
use crate::tasks::{Peer, Tasks};
use crate::visits::Visits;

/// The maximum of connected clients without a WebSocket.
const AT_THE_DOOR: usize = 1024;
/// The longest head of a request. It has room for a JWT of 8 KiB and as much in cookies.
const MAX_HEAD: u32 = 64 * 1024;
/// The maximum of WebSockets on one HTTP/2 connection.
const STREAMS: u32 = 128;
/// The window of each of them, and the limit of its send buffer, in bytes. The connection's window
/// is the sum of all, so that one with a slow upstream does not delay the others.
const STREAM_WINDOW: u32 = 64 * 1024;

/// The router, which a reload replaces.
#[derive(Clone)]
pub(crate) struct Shared(Arc<RwLock<Arc<Router>>>);

impl Shared {
    pub(crate) fn new(router: Router) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(router))))
    }

    pub(crate) fn replace(&self, router: Router) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(router);
    }

    fn current(&self) -> Arc<Router> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Accepts connections, of HTTP/1.1 and of HTTP/2 with prior knowledge.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) router: Shared,
    pub(crate) tasks: Tasks,
    pub(crate) strip: Arc<Strip>,
    /// The usual spelling of names.
    pub(crate) usual: Cases,
    /// Whether the credential is needed once more.
    pub(crate) keeps: bool,
    pub(crate) http_timeout: Duration,
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
        let socket = Socket::new(stream, Arc::clone(&visits));
        let (unused, stuck) = (Arc::clone(&visits), Arc::clone(&visits));
        let (head, patience) = (self.head, self.http_timeout);
        let service = service_fn(move |mut request: Request<Incoming>| {
            let access = Access::begin(address, &request);
            let peer = Peer {
                address,
                access: Arc::clone(&access),
                visit: visits.begin(),
                visits: Arc::clone(&visits),
            };
            self.prepare(&mut request, peer);
            let answer = self.router.current().answer(request);
            async move {
                let response = answer.await;
                if let Ok(response) = &response {
                    access.status(status(response));
                }
                response
            }
        });
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(socket), service);
        let connection = watcher.watch(connection.into_owned());
        tokio::select! {
            served = connection => if let Err(error) = served {
                broke(&*error, address);
            },
            () = unused.unused(head) => {}
            () = stuck.stuck(patience, address) => {}
        }
    }

    /// What comes before every layer.
    fn prepare(&self, request: &mut Request<Incoming>, peer: Peer) {
        // hyper keeps the spelling of HTTP/1.1 alone. A client that wrote one of our names must not
        // choose how we write it.
        let is_http1 = request.version() <= Version::HTTP_11;
        let cases = is_http1.then(|| Cases::of(request.extensions()));
        let forged = cleanse(request.headers_mut(), &self.strip);
        let cases = cases.filter(|_| !forged);
        let cases = cases.unwrap_or_else(|| self.usual.clone());
        if self.keeps {
            let kept = Kept {
                uri: request.uri().clone(),
                headers: request.headers().clone(),
            };
            request.extensions_mut().insert(kept);
        }
        request.extensions_mut().insert(cases);
        request.extensions_mut().insert(peer);
    }

    fn builder(&self) -> auto::Builder<Tasks> {
        let mut builder = auto::Builder::new(self.tasks.clone());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.head)
            .preserve_header_case(true)
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

/// The status of an answer before it became a close frame.
fn status(response: &Response<Body>) -> u16 {
    let before = response.extensions().get::<OriginalStatus>();
    before.map_or(response.status(), |before| before.0).as_u16()
}

/// hyper answers what is no HTTP by itself, with 400 or 431, and nobody else sees it.
fn broke(error: &(dyn std::error::Error + 'static), client: SocketAddr) {
    let of_hyper = error.downcast_ref::<hyper::Error>();
    if of_hyper.is_some_and(|error| error.is_parse() || error.is_parse_too_large()) {
        tracing::info!(%client, error, "a request is no HTTP, or its head is too large");
    } else {
        tracing::debug!(%client, error, "a connection broke");
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
