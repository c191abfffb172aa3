use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::ORIGIN;

/// The head of an opening handshake for `/path?query`, with this line beside the usual ones.
pub fn request(target: &str, line: &str) -> String {
    let line = if line.is_empty() {
        String::new()
    } else {
        format!("{line}\r\n")
    };
    format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nOrigin: {ORIGIN}\r\n{line}\
         Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// Reads the head of an answer.
///
/// # Errors
///
/// The connection ended first.
pub async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Connects, sends a handshake, and reads the status of its answer.
///
/// # Errors
///
/// The connection ended first.
pub async fn open(
    address: SocketAddr,
    target: &str,
    line: &str,
) -> io::Result<(TcpStream, Option<u16>)> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request(target, line).as_bytes()).await?;
    let head = read_head(&mut stream).await?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    Ok((stream, status))
}

/// Reads a server's frame: its first byte, and its payload.
///
/// # Errors
///
/// The connection ended first.
pub async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(u8, Vec<u8>)> {
    let first = stream.read_u8().await?;
    let length = match stream.read_u8().await? {
        126 => u64::from(stream.read_u16().await?),
        127 => stream.read_u64().await?,
        short => u64::from(short),
    };
    let length = usize::try_from(length).map_err(io::Error::other)?;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await?;
    Ok((first, payload))
}

/// Reads frames up to the close frame, and answers that; its code.
///
/// # Errors
///
/// The connection ended first.
pub async fn close_code(stream: &mut TcpStream) -> io::Result<u16> {
    loop {
        let (first, payload) = read_frame(stream).await?;
        if first == 0x88 {
            let code = payload.first_chunk().copied().map(u16::from_be_bytes);
            stream.write_all(b"\x88\x80\0\0\0\0").await?;
            return Ok(code.unwrap_or(1005));
        }
    }
}
