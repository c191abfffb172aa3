//! The gateway, and a client that looks at everything.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clap::Parser;
use futures_util::StreamExt;
use gateway::{Gateway, Open, Options, Reload};
use serde_json::{Value, json};
use test_support::handshake::KEY;
use test_support::within;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tower_ws_auth::jwt::{JwtEncoder, SigningKey};

pub(crate) use test_support::{PATIENCE, now};

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(crate) const SECRET: &str = "an example secret of 32 bytes ...";
pub(crate) const ORIGIN: &str = "https://app.example";
/// An immediate event comes sooner than this. An end by a wrong timeout takes far longer.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A gateway that runs until it is told to stop.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) open: Open,
    pub(crate) reload: Reload,
    pub(crate) admin: Option<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn start(upstream: SocketAddr, options: &[&str]) -> Self {
        Self::before(&format!("http://{upstream}"), options).await
    }

    pub(crate) async fn before(upstream: &str, options: &[&str]) -> Self {
        let common = ["gateway", "--listen", "127.0.0.1:0", "--hold-ms", "0"];
        let with = ["--upstream", upstream];
        let origin: &[&str] = if options.contains(&"--origin") {
            &[]
        } else {
            &["--origin", ORIGIN]
        };
        // Keys of an `--oidc-issuer` and sessions need none.
        let none = ["session", "--oidc-issuer"];
        let needed = !none.iter().any(|none| options.contains(none));
        let secret: &[&str] = if needed {
            &["--jwt-secret", SECRET]
        } else {
            &[]
        };
        // Far away where a test wants no other: no deadline ends what something else should end.
        let far = ["--head-timeout", "--connect-timeout", "--grace"];
        let far = far.into_iter().filter(|name| !options.contains(name));
        let far: Vec<_> = far.flat_map(|name| [name, "120"]).collect();
        let given = common.iter().chain(&with).chain(origin).chain(secret);
        let options = given.chain(&far).chain(options);
        let options = Options::try_parse_from(options).unwrap();
        let gateway = Gateway::bind(options).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        Self {
            address: gateway.address(),
            open: gateway.open(),
            reload: gateway.reload(),
            admin: gateway.admin_address(),
            stop: Some(stop),
            served: tokio::spawn(gateway.serve(async {
                // A test that does not stop it lets it run.
                if stopped.await.is_err() {
                    std::future::pending::<()>().await;
                }
            })),
        }
    }

    pub(crate) fn tell_to_stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    /// How long it took.
    pub(crate) async fn stopped(self) -> Duration {
        let began = Instant::now();
        timeout(PATIENCE, self.served).await.unwrap().unwrap();
        began.elapsed()
    }

    /// Waits until no socket and no task is left.
    pub(crate) async fn is_empty_within(&self, time: Duration) {
        let left = || format!("{:?} are left", self.open);
        let empty = || self.open.sockets() + self.open.tasks() == 0;
        within(time).until(left, empty).await;
    }
}

pub(crate) fn token(claims: &Value) -> String {
    let key = SigningKey::hs256(SECRET).unwrap();
    JwtEncoder::new(key).encode(claims).unwrap()
}

pub(crate) fn token_of(user: &str) -> String {
    token(&json!({ "sub": user, "exp": now() + 600 }))
}

/// Opens a socket as ada.
pub(crate) async fn ada(gateway: &Running, path: &str) -> Socket {
    let mut with = vec![("authorization", format!("Bearer {}", token_of("ada")))];
    let socket = connect(gateway.address, path, &mut with).await;
    socket.unwrap()
}

pub(crate) async fn connect(
    address: SocketAddr,
    path: &str,
    headers: &mut Vec<(&'static str, String)>,
) -> Result<Socket, Error> {
    let mut request = format!("ws://{address}{path}").into_client_request()?;
    for (name, value) in headers.drain(..) {
        request.headers_mut().append(name, value.parse()?);
    }
    let opened = timeout(PATIENCE, connect_async(request)).await;
    opened
        .map_err(|late| Error::Io(late.into()))?
        .map(|(socket, _)| socket)
}

/// Status and body of a refusal.
pub(crate) async fn refused(
    address: SocketAddr,
    path: &str,
    headers: &[(&'static str, &str)],
) -> (u16, String) {
    let headers = headers
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()));
    match connect(address, path, &mut headers.collect()).await {
        Err(Error::Http(response)) => {
            let body = response.body().clone().unwrap_or_default();
            (response.status().as_u16(), String::from_utf8(body).unwrap())
        }
        other => panic!("not refused: {other:?}"),
    }
}

/// Reads to the end: code and reason of the close frame, if there is one.
pub(crate) async fn end_of(socket: &mut Socket) -> Option<(u16, String)> {
    let mut close = None;
    let reading = async {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(Some(frame)) = message {
                close = Some((frame.code.into(), frame.reason.as_str().to_owned()));
            }
        }
    };
    timeout(PATIENCE, reading)
        .await
        .expect("the socket stays open");
    close
}

/// The next message, within the patience of a test.
pub(crate) async fn next(socket: &mut Socket) -> Message {
    let next = timeout(PATIENCE, socket.next()).await;
    next.expect("no message comes").unwrap().unwrap()
}

/// A handshake by hand, as ada; these lines beside the usual ones.
pub(crate) fn handshake(path: &str, lines: &str) -> String {
    let token = token_of("ada");
    format!(
        "GET {path} HTTP/1.1\r\nHost: app.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\
         Authorization: Bearer {token}\r\n{lines}\r\n"
    )
}

/// Sends bytes as they are and reads what comes up to the end of a head, and a bit more.
pub(crate) async fn raw(address: SocketAddr, request: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let reading = async {
        while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
            let mut bytes = [0; 4096];
            let count = stream.read(&mut bytes).await.unwrap();
            assert!(count > 0, "it hung up after {answer:?}");
            answer.extend_from_slice(&bytes[..count]);
        }
    };
    timeout(PATIENCE, reading).await.expect("no head comes");
    (stream, String::from_utf8_lossy(&answer).into_owned())
}
