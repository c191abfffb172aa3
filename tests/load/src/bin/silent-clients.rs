//! `silent-clients ADDRESS COUNT`: opens COUNT refused WebSockets, and reads the answer to each
//! handshake. It then neither sends nor closes anything until its standard input ends.
//!
//! A process of its own, because 10,000 connections cost both ends a descriptor each. It prints
//! `upgraded N plain M` once every client has read its answer.

use std::error::Error;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

const HANDSHAKE: &[u8] = b"GET /ws?token=x HTTP/1.1\r\nHost: localhost\r\n\
    Origin: https://app.example\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(count)) = (arguments.next(), arguments.next()) else {
        return Err("usage: silent-clients ADDRESS COUNT".into());
    };
    let count: usize = count.parse()?;
    let at_once = Arc::new(Semaphore::new(256));
    let mut clients = Vec::with_capacity(count);
    for _ in 0..count {
        let permit = Arc::clone(&at_once).acquire_owned().await?;
        let address = address.clone();
        clients.push(tokio::spawn(async move {
            let client = tokio::time::timeout(Duration::from_secs(120), refused(&address)).await;
            drop(permit);
            client.unwrap_or_else(|late| Err(late.into()))
        }));
    }
    let mut open = Vec::with_capacity(count);
    let mut upgraded = 0;
    for client in clients {
        let (stream, switched) = client.await??;
        upgraded += usize::from(switched);
        open.push(stream);
    }
    println!("upgraded {upgraded} plain {}", count - upgraded);
    io::stdout().flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    drop(open);
    Ok(())
}

/// The open connection, and whether the answer was 101.
async fn refused(address: &str) -> io::Result<(TcpStream, bool)> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(HANDSHAKE).await?;
    let mut head = Vec::with_capacity(512);
    let mut buffer = [0; 512];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut buffer).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => head.extend_from_slice(&buffer[..read]),
        }
    }
    Ok((stream, head.starts_with(b"HTTP/1.1 101")))
}
