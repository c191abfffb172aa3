//! Servers on loopback, and clients that wait for them.

use std::convert::Infallible;
use std::future::ready;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::{Body, Incoming};
use sha1::{Digest as _, Sha1};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tower::{BoxError, Service, service_fn};

use super::connection::{CLOSE, REQUEST, Says, try_serve};

const TICK: Duration = Duration::from_millis(500);

const HANDSHAKES: u32 = 25;

pub(super) type Answer = Result<Response<Empty<Bytes>>, Infallible>;

/// The type of a server.
macro_rules! server {
    () => {
        impl tower::Service<
            http::Request<hyper::body::Incoming>,
            Response = http::Response<impl hyper::body::Body<Data = bytes::Bytes, Error: Into<tower::BoxError> + 'static> + Send + 'static>,
            Error = std::convert::Infallible,
            Future: Send,
        > + Clone + Send + Sync + 'static
    };
}
pub(super) use server;

/// The minimum.
pub(super) fn hyper() -> server!() {
    service_fn(|request: Request<Incoming>| ready(Answer::Ok(switch(request))))
}

/// 101, and a task that waits for the socket and drops it.
pub(super) fn switch<B>(mut request: Request<B>) -> Response<Empty<Bytes>> {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move { drop(upgrade.await) });
    accept(&request)
}

/// 101 with the accept key.
pub(super) fn accept<B>(request: &Request<B>) -> Response<Empty<Bytes>> {
    let key = &request.headers()[SEC_WEBSOCKET_KEY];
    let mut digest = Sha1::new();
    digest.update(key.as_bytes());
    digest.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let accept = BASE64_STANDARD.encode(digest.finalize());
    let mut response = Response::new(Empty::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept.parse().unwrap());
    response
}

pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// The handshakes of a client: each of its requests in turn, and what it says behind each.
pub(super) struct Talk {
    requests: Vec<&'static [u8]>,
    says: Says,
}

impl Talk {
    pub(super) fn of(request: &'static [u8], says: Says) -> Self {
        let requests = vec![request];
        Self { requests, says }
    }

    /// Of requests that pass only once.
    pub(super) fn each_of(requests: Vec<&'static [u8]>) -> Self {
        let says = Says::Nothing;
        Self { requests, says }
    }

    /// It says nothing more.
    pub(super) fn cut() -> Self {
        Self::of(REQUEST, Says::Nothing)
    }

    /// It answers the server's close frame.
    pub(super) fn polite() -> Self {
        Self::of(REQUEST, Says::AfterFrame(CLOSE))
    }
}

/// Serves on a thread of its own, whose `schedstat` is returned beside the address.
pub(crate) fn listen<S, B>(service: impl FnOnce() -> S + Send + 'static) -> (SocketAddr, PathBuf)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = runtime();
        let entered = runtime.enter();
        let service = service();
        drop(entered);
        runtime.block_on(async move {
            // A busy server always has a timer. On an idle one the next timer would cost a system
            // call.
            tokio::spawn(async {
                loop {
                    tokio::time::sleep(TICK).await;
                }
            });
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let thread = std::fs::read_link("/proc/thread-self").unwrap();
            let clock = PathBuf::from("/proc").join(thread).join("schedstat");
            tell.send((listener.local_addr().unwrap(), clock)).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                // Clients that leave early need no further answer.
                tokio::spawn(try_serve(stream, service.clone()));
            }
        });
    });
    told.recv().unwrap()
}

/// The CPU time that a handshake costs the server, which has a thread to itself.
pub(super) fn on_loopback<S, B>(
    service: impl FnOnce() -> S + Send + 'static,
    talk: Talk,
) -> impl FnMut() -> f64
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let Talk { requests, says } = talk;
    let mut requests = requests.into_iter().cycle();
    on_loopback_by(service, move |address| {
        let request = requests.next().unwrap();
        shake_hands(address, request, says);
    })
}

/// The same for any client.
pub(super) fn on_loopback_by<S, B>(
    service: impl FnOnce() -> S + Send + 'static,
    mut client: impl FnMut(SocketAddr) + Send + 'static,
) -> impl FnMut() -> f64
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let (address, clock) = listen(move || {
        share_a_core();
        service()
    });
    let (order, orders) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        share_a_core();
        for () in orders {
            for _ in 0..HANDSHAKES {
                client(address);
            }
            tell.send(()).unwrap();
        }
    });
    move || {
        let before = nanoseconds(&clock);
        order.send(()).unwrap();
        told.recv().unwrap();
        (nanoseconds(&clock) - before) / f64::from(HANDSHAKES)
    }
}

/// Puts the calling thread on one core with the other threads that call this. Between two cores
/// each wake-up is an interrupt. Its price depends on the cores, and would hide the server's own
/// cost. Without that core or the tool the threads run anywhere.
fn share_a_core() {
    let Ok(thread) = std::fs::read_link("/proc/thread-self") else {
        return;
    };
    let mut taskset = Command::new("taskset");
    taskset
        .args(["--pid", "--cpu-list", "0"])
        .args(thread.file_name())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    drop(taskset.status());
}

fn nanoseconds(clock: &PathBuf) -> f64 {
    let text = std::fs::read_to_string(clock).unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

fn shake_hands(address: SocketAddr, request: &[u8], says: Says) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    stream.write_all(request).unwrap();
    let mut read = Vec::with_capacity(512);
    let mut buffer = [0; 512];
    let mut to_say = !matches!(says, Says::Nothing | Says::Refused);
    loop {
        let count = stream.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        read.extend_from_slice(&buffer[..count]);
        let head = read.windows(4).position(|window| window == b"\r\n\r\n");
        let message = head.and_then(|head| says.after(read.len() - head - 4));
        if let Some(message) = message.filter(|_| to_say) {
            stream.write_all(message).unwrap();
            to_say = false;
        }
    }
    assert!(!to_say && read.starts_with(says.answer()));
}
