use std::io;
use std::net::SocketAddr;

use test_support::frame;
use test_support::handshake::{self, read_head};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::ORIGIN;

/// The bytes of an opening handshake of our page for `/path?query`, with this line beside the usual
/// ones.
pub fn request(target: &str, line: &str) -> String {
    let end = if line.is_empty() { "" } else { "\r\n" };
    handshake::head(target, &format!("Origin: {ORIGIN}\r\n{line}{end}"))
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

/// Reads frames up to the close frame, answers that one, and returns its code.
///
/// # Errors
///
/// The connection ended first.
pub async fn close_code(stream: &mut TcpStream) -> io::Result<u16> {
    loop {
        let frame = frame::read(stream).await?;
        if frame.opcode == frame::CLOSE {
            let code = frame.payload.first_chunk().copied().map(u16::from_be_bytes);
            stream.write_all(b"\x88\x80\0\0\0\0").await?;
            return Ok(code.unwrap_or(1005));
        }
    }
}
