//! A handshake that came over a connection in memory: the request with its upgrade as hyper made
//! it, in the hands of a test.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tower::Service;

use super::inner::SERVICE_WAITS;
use super::steps::waits;

/// Dropped, hyper drops the connection.
pub(crate) struct Respond(oneshot::Sender<Response<Empty<Bytes>>>);

impl Respond {
    /// The answer without its body.
    pub(crate) fn with<B>(self, answer: Response<B>) {
        self.0.send(answer.map(|_| Empty::new())).unwrap();
    }
}

pub(crate) struct Wire {
    pub(crate) request: Request<Incoming>,
    pub(crate) respond: Respond,
    pub(crate) client: DuplexStream,
    pub(crate) server: JoinHandle<()>,
}

/// What a client answers to a close frame.
pub(crate) const CLOSE: &[u8] = b"\x88\x80\x01\x02\x03\x04";

impl Wire {
    /// Of so many bytes in each direction.
    pub(crate) async fn open(bytes: usize) -> Self {
        Self::asking(bytes, "/ws?token=x", "").await
    }

    /// With header fields beside the handshake's.
    pub(crate) async fn asking(bytes: usize, target: &str, fields: &str) -> Self {
        let handshake = format!(
            "GET {target} HTTP/1.1\r\nHost: localhost\r\nOrigin: https://app.example\r\n\
             Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
        );
        let (mut client, far) = duplex(bytes);
        let (requests, mut arrived) = mpsc::channel(1);
        let server = tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let (respond, answer) = oneshot::channel();
                let requests = requests.clone();
                async move {
                    let _ = requests.send((request, respond)).await;
                    answer.await
                }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(far), service);
            let _ = connection.with_upgrades().await;
        });
        client.write_all(handshake.as_bytes()).await.unwrap();
        let (request, respond) = arrived.recv().await.unwrap();
        Self {
            request,
            respond: Respond(respond),
            client,
            server,
        }
    }
}

/// Reads the answer's head; whether it was 101.
pub(crate) async fn is_switching(client: &mut DuplexStream) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    head.starts_with(b"HTTP/1.1 101")
}

/// The server's task is over, and the client reads its end.
pub(crate) async fn is_over(server: JoinHandle<()>, client: &mut DuplexStream) {
    let rest = async {
        server.await.unwrap();
        let mut rest = Vec::new();
        // Broken is an end too.
        let _ = client.read_to_end(&mut rest).await;
    };
    timeout(Duration::from_secs(60), rest)
        .await
        .expect("the connection stays");
}

/// A service that upgrades. It counts its calls, those that it let in, and the handlers that have
/// not ended.
#[derive(Clone)]
pub(crate) struct Upgrading {
    says: StatusCode,
    calls: Arc<AtomicUsize>,
    let_in: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
}

impl Default for Upgrading {
    fn default() -> Self {
        Self {
            says: StatusCode::SWITCHING_PROTOCOLS,
            calls: Arc::default(),
            let_in: Arc::default(),
            open: Arc::default(),
        }
    }
}

/// Counts for as long as it lives.
struct Handler(Arc<AtomicUsize>);

impl Handler {
    fn begin(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(open))
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Upgrading {
    /// It asks for the upgrade all the same.
    pub(crate) fn refusing(status: StatusCode) -> Self {
        Self {
            says: status,
            ..Self::default()
        }
    }

    pub(crate) fn refuses(&self) -> bool {
        self.says != StatusCode::SWITCHING_PROTOCOLS
    }

    pub(crate) fn let_in(&self) -> usize {
        self.let_in.load(Ordering::SeqCst)
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Waits, answers, and reads until the end.
    pub(crate) fn service(
        &self,
    ) -> impl Service<
        Request<Incoming>,
        Response = Response<Empty<Bytes>>,
        Error = Infallible,
        Future: Send,
    > + Clone
    + use<> {
        let Self {
            says,
            calls,
            let_in,
            open,
        } = self.clone();
        tower::service_fn(move |mut request: Request<Incoming>| {
            calls.fetch_add(1, Ordering::SeqCst);
            let handler = Handler::begin(&open);
            let let_in = Arc::clone(&let_in);
            async move {
                waits(SERVICE_WAITS).await;
                let upgrade = hyper::upgrade::on(&mut request);
                tokio::spawn(async move {
                    let _handler = handler;
                    if let Ok(io) = upgrade.await {
                        let_in.fetch_add(1, Ordering::SeqCst);
                        let mut all = Vec::new();
                        let _ = TokioIo::new(io).read_to_end(&mut all).await;
                    }
                });
                let mut response = Response::builder().status(says);
                if says == StatusCode::SWITCHING_PROTOCOLS {
                    response = response
                        .header("connection", "upgrade")
                        .header("upgrade", "websocket");
                }
                Ok(response.body(Empty::new()).unwrap())
            }
        })
    }
}
