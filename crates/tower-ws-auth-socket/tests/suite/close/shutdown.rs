//! A server that goes down lets its closing handshakes end, and waits no longer than it has to.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use futures_util::StreamExt;
use http::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use test_support::PATIENCE;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tokio_util::task::TaskTracker;
use tower::{Layer, service_fn};
use tower_ws_auth_core::{AuthLayer, Grant, Rejection, RejectionKind};
use tower_ws_auth_socket::close::CloseFrameLayer;

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A server that refuses everybody, until it is told to stop.
struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

macro_rules! refusing {
    ($close:expr) => {
        tower::ServiceBuilder::new()
            .layer($close)
            .layer(AuthLayer::new(|_: &mut http::request::Parts| async {
                let rejection = Rejection::new(RejectionKind::TokenExpired, "");
                Err::<Grant<()>, _>(rejection)
            }))
    };
}

async fn axum_server(close: CloseFrameLayer) -> Server {
    let (listener, address) = listen().await;
    let handler = axum::routing::any(async || "never");
    let router = Router::new().route("/", handler.layer(refusing!(close)));
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(async move {
        axum::serve(listener, router)
            .with_graceful_shutdown(async {
                let _ = stopped.await;
            })
            .await
            .unwrap();
    });
    Server {
        address,
        stop,
        running,
    }
}

async fn hyper_server(close: CloseFrameLayer) -> Server {
    let (listener, address) = listen().await;
    let never = service_fn(async |_: Request<hyper::body::Incoming>| {
        Ok::<_, Infallible>(Response::new(Body::empty()))
    });
    let service = refusing!(close).service(never);
    let (stop, mut stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(async move {
        let graceful = GracefulShutdown::new();
        let server = auto::Builder::new(TokioExecutor::new());
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let io = TokioIo::new(accepted.unwrap().0);
                    let service = TowerToHyperService::new(service.clone());
                    let connection = server.serve_connection_with_upgrades(io, service);
                    tokio::spawn(graceful.watch(connection.into_owned()));
                }
                _ = &mut stopped => break,
            }
        }
        graceful.shutdown().await;
    });
    Server {
        address,
        stop,
        running,
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

impl Server {
    async fn open(&self) -> Result<Client, Error> {
        let mut request = format!("ws://{}/", self.address).into_client_request()?;
        let origin = "https://app.example".parse()?;
        request.headers_mut().insert("origin", origin);
        connect_async(request).await.map(|(client, _)| client)
    }

    /// Stops it; the connections that were handed over are none of its own.
    async fn stop(self) {
        self.stop.send(()).unwrap();
        let running = timeout(PATIENCE, self.running).await;
        running.expect("the server stops").unwrap();
    }
}

/// What is left for the client to read after the server has stopped.
async fn read_late(mut client: Client) -> Option<u16> {
    let mut code = None;
    while let Some(Ok(message)) = client.next().await {
        if let Message::Close(Some(close)) = message {
            code = Some(close.code.into());
        }
    }
    code
}

/// Its deadline is beyond all patience: what ends, ends without it.
fn layer() -> CloseFrameLayer {
    let layer = CloseFrameLayer::new().reject_delay(Duration::ZERO);
    layer.deadline(2 * PATIENCE)
}

#[tokio::test]
async fn axum_and_then_its_closing_handshakes_end() {
    let close = layer();
    let closing_handshakes = close.closing_handshakes();
    outlives(axum_server(close).await, async move || {
        closing_handshakes.wait().await;
    })
    .await;
}

#[tokio::test]
async fn hyper_and_then_its_closing_handshakes_end() {
    let close = layer();
    let closing_handshakes = close.closing_handshakes();
    outlives(hyper_server(close).await, async move || {
        closing_handshakes.wait().await;
    })
    .await;
}

#[tokio::test]
async fn a_task_tracker_knows_them_too() {
    for axum in [true, false] {
        let tracker = TaskTracker::new();
        let tasks = tracker.clone();
        let close = layer().spawn_with(move |closing_handshake| {
            assert_eq!(format!("{closing_handshake:?}"), "ClosingHandshake");
            tasks.spawn(closing_handshake);
        });
        let server = if axum {
            axum_server(close).await
        } else {
            hyper_server(close).await
        };
        outlives(server, async move || {
            tracker.close();
            tracker.wait().await;
        })
        .await;
    }
}

const PAUSE_OF_A_LATE_READER: Duration = Duration::from_millis(300);

/// A client that has not read its reason when the server stops reads it after that.
async fn outlives(server: Server, wait: impl AsyncFnOnce()) {
    let client = server.open().await.unwrap();
    server.stop().await;
    let began = Instant::now();
    let reading = async {
        tokio::time::sleep(PAUSE_OF_A_LATE_READER).await;
        read_late(client).await
    };
    let (code, ()) = timeout(PATIENCE, async { tokio::join!(reading, wait()) })
        .await
        .expect("no wait for a deadline");
    assert_eq!(code, Some(4401));
    assert!(began.elapsed() >= PAUSE_OF_A_LATE_READER);
}

#[tokio::test]
async fn a_client_that_never_answers_costs_no_more_than_the_deadline_or_the_grace() {
    for (deadline, ends) in [(2 * PATIENCE, false), (Duration::from_millis(400), true)] {
        let close = layer().deadline(deadline);
        let closing_handshakes = close.closing_handshakes();
        let server = axum_server(close).await;
        let silent = server.open().await.unwrap();
        server.stop().await;
        let began = Instant::now();
        if ends {
            // One that has given up is in nobody's way.
            let _ = timeout(Duration::from_millis(50), closing_handshakes.wait()).await;
            closing_handshakes.wait().await;
            // And not for the default deadline, which is 5 s.
            let took = began.elapsed();
            assert!(took < Duration::from_millis(4900), "{took:?}");
        } else {
            let grace = Duration::from_millis(100);
            assert!(timeout(grace, closing_handshakes.wait()).await.is_err());
        }
        drop(silent);
    }
}

#[tokio::test]
async fn while_somebody_waits_no_closing_handshake_begins() {
    let close = layer();
    let closing_handshakes = close.closing_handshakes();
    let server = axum_server(close).await;
    let client = server.open().await.unwrap();
    let mut waiting = Box::pin(closing_handshakes.wait());
    assert!(futures_util::poll!(&mut waiting).is_pending());
    let refused = server.open().await;
    assert!(matches!(refused, Err(Error::Http(response)) if response.status() == 401));
    let (code, ()) = tokio::join!(read_late(client), waiting);
    assert_eq!(code, Some(4401));
    // And then they do again.
    assert_eq!(read_late(server.open().await.unwrap()).await, Some(4401));
}

#[tokio::test]
async fn there_is_nothing_to_wait_for_without_closing_handshakes() {
    let close = layer();
    close.closing_handshakes().wait().await;
    let none = close.max_closing_handshakes(0);
    none.closing_handshakes().wait().await;
    let _ = none.layer(());
}
