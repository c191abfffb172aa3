//! A handshake that came over a connection in memory: the request with its upgrade as hyper made
//! it, in the hands of a test.

use std::convert::Infallible;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use test_support::handshake::{head, read_head};
use test_support::{Gauge, bounded};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tower::Service;

use super::inner::SERVICE_WAITS;
use super::steps::{polled, waits};

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

/// A handshake whose answer was waited for up to some poll, and dropped there unless it had come.
pub(crate) struct Visit {
    /// Of the answer that came; the client has it too.
    pub(crate) status: Option<StatusCode>,
    pub(crate) client: DuplexStream,
    pub(crate) server: JoinHandle<()>,
}

/// The client's answer to a close frame.
pub(crate) const CLOSE: &[u8] = b"\x88\x80\x01\x02\x03\x04";

impl Wire {
    /// Of so many bytes in each direction.
    pub(crate) async fn open(bytes: usize) -> Self {
        Self::asking(bytes, "/ws?token=x", "").await
    }

    /// With header fields beside the handshake's.
    pub(crate) async fn asking(bytes: usize, target: &str, fields: &str) -> Self {
        let handshake = head(target, &format!("Origin: https://app.example\r\n{fields}"));
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

    /// Asks with the request, and polls what comes of it so many times.
    pub(crate) async fn visit<F, B, E>(
        self,
        ask: impl FnOnce(Request<Incoming>) -> F,
        polls: usize,
    ) -> Visit
    where
        F: Future<Output = Result<Response<B>, E>>,
        E: Debug,
    {
        let answer = polled(ask(self.request), polls).await.map(Result::unwrap);
        let status = answer.as_ref().map(Response::status);
        if let Some(answer) = answer {
            self.respond.with(answer);
        }
        Visit {
            status,
            client: self.client,
            server: self.server,
        }
    }
}

impl Visit {
    /// The server's task is over, and the client reads its end.
    pub(crate) async fn ends(mut self) {
        is_over(self.server, &mut self.client).await;
    }
}

/// Reads the answer's head; whether it was 101.
pub(crate) async fn is_switching(client: &mut DuplexStream) -> bool {
    let head = read_head(client).await.unwrap();
    head.starts_with("HTTP/1.1 101")
}

/// The server's task is over, and the client reads its end.
pub(crate) async fn is_over(server: JoinHandle<()>, client: &mut DuplexStream) {
    let rest = async {
        server.await.unwrap();
        let mut rest = Vec::new();
        // Broken is an end too.
        let _ = client.read_to_end(&mut rest).await;
    };
    bounded("the connection's end", rest).await;
}

/// A service that upgrades. It counts its calls, those that it let in, and the handlers that have
/// not ended.
#[derive(Clone)]
pub(crate) struct Upgrading {
    says: StatusCode,
    let_in: Arc<AtomicUsize>,
    handlers: Gauge,
}

impl Default for Upgrading {
    fn default() -> Self {
        Self {
            says: StatusCode::SWITCHING_PROTOCOLS,
            let_in: Arc::default(),
            handlers: Gauge::default(),
        }
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
        self.handlers.ever()
    }

    pub(crate) fn open(&self) -> usize {
        self.handlers.now()
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
            let_in,
            handlers,
        } = self.clone();
        tower::service_fn(move |mut request: Request<Incoming>| {
            let handler = handlers.hold();
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
