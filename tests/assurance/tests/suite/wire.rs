//! Clients of the plainest kind, on real sockets. A refusal by close frame counts as the HTTP
//! refusal that it stands for.

use std::net::SocketAddr;

use bytes::Bytes;
use http::Version;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use test_support::{PATIENCE, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::corpora::carriers::Wire;
use crate::stack::Answer;

/// The status, and the text of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) status: u16,
    pub(crate) text: String,
    /// How a close frame brought it.
    pub(crate) by_close_frame: bool,
}

impl Heard {
    pub(crate) fn is(&self, answer: Answer) -> bool {
        self.status == answer.status && self.text == answer.refusal.unwrap_or_default()
    }

    fn closed(frame: &[u8]) -> Option<Self> {
        let [0x88, length, payload @ ..] = frame else {
            return None;
        };
        let payload = payload.get(..usize::from(*length))?;
        let (code, reason) = payload.split_first_chunk()?;
        Some(Self {
            status: u16::from_be_bytes(*code).checked_sub(4000)?,
            text: str::from_utf8(reason).ok()?.to_owned(),
            by_close_frame: true,
        })
    }
}

/// Says this on a new connection and listens until the server has nothing more to say.
pub(crate) async fn http1(address: SocketAddr, request: &[u8]) -> Heard {
    let talk = async {
        let mut stream = connect(address).await;
        // A server that refuses early may not read the rest.
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        loop {
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).await.unwrap_or(0);
            answer.extend_from_slice(&buffer[..read]);
            if read == 0 {
                return heard(&answer);
            }
            if let Some(heard) = close_frame(&answer) {
                let _ = stream.write_all(b"\x88\x80\0\0\0\0").await;
                return heard;
            }
            if complete(&answer) {
                return heard(&answer);
            }
        }
    };
    timeout(PATIENCE, talk).await.unwrap()
}

/// Says this on a new connection and listens until the server ends it.
pub(crate) async fn http1_to_its_end(address: SocketAddr, requests: &[u8]) -> String {
    let talk = async {
        let mut stream = connect(address).await;
        let _ = stream.write_all(requests).await;
        let mut answers = Vec::new();
        // A reset is an end too.
        let _ = stream.read_to_end(&mut answers).await;
        String::from_utf8_lossy(&answers).into_owned()
    };
    timeout(PATIENCE, talk).await.unwrap()
}

/// Without Nagle's algorithm, which waits for the acknowledgement that the other side delays.
async fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn split(answer: &[u8]) -> Option<(&str, &[u8])> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((str::from_utf8(&answer[..end]).ok()?, &answer[end + 4..]))
}

fn status(head: &str) -> Option<u16> {
    head.get(9..12)?.parse().ok()
}

fn close_frame(answer: &[u8]) -> Option<Heard> {
    let (head, body) = split(answer)?;
    (status(head)? == 101)
        .then(|| Heard::closed(body))
        .flatten()
}

/// Whether the announced length is there: not every answer ends its connection.
fn complete(answer: &[u8]) -> bool {
    let Some((head, body)) = split(answer) else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    });
    length.is_some_and(|length: usize| body.len() >= length)
}

fn heard(answer: &[u8]) -> Heard {
    let (head, body) = split(answer).unwrap_or_default();
    Heard {
        status: status(head).unwrap_or_default(),
        text: String::from_utf8_lossy(body).into_owned(),
        by_close_frame: false,
    }
}

/// One HTTP/2 connection, with a stream for each request.
pub(crate) struct Http2(SendRequest<Empty<Bytes>>);

impl Http2 {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TokioIo::new(connect(address).await);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), stream)
            .await
            .unwrap();
        // Nothing tells when the server's settings are there.
        let enabled = || connection.is_extended_connect_protocol_enabled();
        until("extended CONNECT", enabled).await;
        tokio::spawn(connection);
        Self(sender)
    }

    pub(crate) async fn ask(&mut self, wire: &Wire) -> Heard {
        let request = wire.request(Version::HTTP_2).map(|()| Empty::new());
        timeout(PATIENCE, self.talk(request)).await.unwrap()
    }

    pub(crate) async fn talk(&mut self, request: http::Request<Empty<Bytes>>) -> Heard {
        self.0.ready().await.unwrap();
        let response = self.0.send_request(request).await.unwrap();
        let status = response.status().as_u16();
        let let_in = response.headers().contains_key("x-let-in");
        if status == 200 && !let_in {
            let mut stream = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
            let mut frame = Vec::new();
            loop {
                let mut buffer = [0; 256];
                let read = stream.read(&mut buffer).await.unwrap();
                frame.extend_from_slice(&buffer[..read]);
                if let Some(heard) = Heard::closed(&frame) {
                    let _ = stream.write_all(b"\x88\x80\0\0\0\0").await;
                    return heard;
                }
                assert_ne!(read, 0, "the stream ended without a close frame");
            }
        }
        let body = match status {
            200 => Bytes::new(),
            _ => response.into_body().collect().await.unwrap().to_bytes(),
        };
        Heard {
            status,
            text: String::from_utf8_lossy(&body).into_owned(),
            by_close_frame: false,
        }
    }
}
