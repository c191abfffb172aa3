//! Opening handshakes (RFC 6455 §4.1), written and read by hand.

use std::io;
use std::net::SocketAddr;

use http::Request;
use http::request::Builder;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::bounded;

/// The key of the RFC's example.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A valid request for this URI, without a credential and without an origin.
pub fn request(uri: &str) -> Builder {
    Request::get(uri)
        .header("host", "example.com")
        .header("upgrade", "websocket")
        .header("connection", "Upgrade")
        .header("sec-websocket-key", KEY)
        .header("sec-websocket-version", "13")
}

/// The same from a page of this origin, or from no page.
pub fn request_from(uri: &str, origin: Option<&str>) -> Builder {
    match origin {
        Some(origin) => request(uri).header("origin", origin),
        None => request(uri),
    }
}

/// The bytes of a valid request for `/path?query`, with these lines beside the usual ones.
///
/// Each of them ends with CRLF.
pub fn head(target: &str, fields: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{fields}\r\n"
    )
}

/// Reads an answer up to the empty line.
///
/// # Errors
///
/// The connection ended first.
pub async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    String::from_utf8(head).map_err(io::Error::other)
}

/// Connects, sends such a request, and reads the head of its answer.
///
/// # Panics
///
/// There is none within the patience of a test.
pub async fn ask(address: SocketAddr, target: &str, fields: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let request = head(target, fields);
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = bounded("a head", read_head(&mut stream)).await.unwrap();
    (stream, head)
}

/// Sends a handshake, which is answered by 101. Nothing else of the connection is read.
///
/// # Panics
///
/// The answer is another one.
pub async fn open(address: SocketAddr, target: &str, fields: &str) -> TcpStream {
    let (stream, head) = ask(address, target, fields).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    stream
}
