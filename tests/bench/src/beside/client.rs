//! A client: a handshake, and messages that it waits for.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::{Buf as _, BytesMut};
use test_support::frame::{BINARY, TEXT, masked};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::server::Speaks;

/// The addresses of the clients. From one alone there are not enough ports for all that have just
/// left.
const SOURCES: u32 = 200;
/// The room for an answer to a handshake.
const SMALL: usize = 2048;

pub(super) struct Client {
    stream: TcpStream,
    read: BytesMut,
    /// The room for each read.
    room: usize,
}

pub(super) enum Answer {
    Accepted(Client),
    /// The status.
    Refused(String),
}

impl Client {
    /// Sends a handshake and waits for the answer, with Socket.IO until the namespace is connected.
    pub(super) async fn ask(
        address: SocketAddr,
        speaks: Speaks,
        request: &[u8],
    ) -> io::Result<Answer> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(source())?;
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        let mut client = Self {
            stream,
            read: BytesMut::new(),
            room: SMALL,
        };
        client.stream.write_all(request).await?;
        let head = client.head().await?;
        if !head.starts_with(b"HTTP/1.1 101") {
            let status = head.iter().skip(9).take(3).copied().map(char::from);
            return Ok(Answer::Refused(status.collect()));
        }
        if speaks == Speaks::SocketIo {
            client.expect(b"0{").await?;
            client.send(&masked(true, TEXT, b"40")).await?;
            client.expect(b"40{").await?;
        }
        Ok(Answer::Accepted(client))
    }

    /// Sends messages of this size until it is told to stop, and returns their number.
    pub(super) async fn echo(
        &mut self,
        speaks: Speaks,
        size: usize,
        goes_on: impl Fn() -> bool,
    ) -> io::Result<u32> {
        let message = message(speaks, size);
        self.room = size + SMALL;
        let mut echoed = 0;
        while goes_on() {
            self.send(&message).await?;
            // A ping may come between.
            while self.frame().await?.len() != size {}
            echoed += 1;
        }
        Ok(echoed)
    }

    async fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.stream.write_all(frame).await
    }

    async fn expect(&mut self, start: &[u8]) -> io::Result<()> {
        loop {
            let frame = self.frame().await?;
            if frame.starts_with(start) {
                return Ok(());
            }
            // A ping of Engine.IO may come first.
            if frame != b"2"[..] {
                return Err(io::Error::other(format!("unexpected {frame:?}")));
            }
        }
    }

    async fn head(&mut self) -> io::Result<BytesMut> {
        loop {
            let end = self
                .read
                .windows(4)
                .position(|window| window == b"\r\n\r\n");
            if let Some(end) = end {
                return Ok(self.read.split_to(end + 4));
            }
            self.more().await?;
        }
    }

    /// The payload of the next frame.
    async fn frame(&mut self) -> io::Result<BytesMut> {
        loop {
            if let Some((start, end)) = extent(&self.read)
                && self.read.len() >= end
            {
                let mut frame = self.read.split_to(end);
                frame.advance(start);
                return Ok(frame);
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        self.read.reserve(self.room);
        if self.stream.read_buf(&mut self.read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

/// The next of the clients' addresses, with any port.
fn source() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed) % SOURCES;
    let last = u8::try_from(next + 2).unwrap_or(u8::MAX);
    SocketAddr::from(([127, 0, 0, last], 0))
}

/// Where the payload of an unmasked frame begins and ends, once its head is here.
fn extent(bytes: &[u8]) -> Option<(usize, usize)> {
    let (start, length) = match bytes.get(1)? {
        126 => (
            4,
            u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?).into(),
        ),
        127 => {
            let length = u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
            (10, usize::try_from(length).unwrap_or(usize::MAX))
        }
        short => (2, usize::from(*short)),
    };
    Some((start, start.saturating_add(length)))
}

/// A frame whose payload has this size, and is echoed in the same.
fn message(speaks: Speaks, size: usize) -> Vec<u8> {
    match speaks {
        Speaks::Plain => masked(true, BINARY, &vec![7; size]),
        Speaks::SocketIo => {
            let around = r#"42["echo",""]"#.len();
            let text = format!(r#"42["echo","{}"]"#, "a".repeat(size - around));
            masked(true, TEXT, text.as_bytes())
        }
    }
}
