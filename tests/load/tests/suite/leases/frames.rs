//! A client of its own: it reads whole, unmasked, well-formed frames or fails.

use std::net::SocketAddr;
use std::time::Duration;

use test_support::frame::{self, BINARY, CLOSE, CONTINUATION, masked};
use test_support::{Random, handshake};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The byte that fills every data frame of both sides, so that a torn one shows.
pub(crate) const FILL: u8 = 9;

/// For a frame of a megabyte among a thousand, on the slowest of machines.
const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) async fn bounded<T>(what: &str, future: impl Future<Output = T>) -> T {
    let Ok(value) = timeout(PATIENCE, future).await else {
        panic!("{what}: never")
    };
    value
}

/// Opens a WebSocket; nothing of it is read yet.
pub(crate) async fn open(address: SocketAddr, target: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let request = handshake::head(target, "");
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = bounded("a head", handshake::read_head(&mut stream)).await;
    let head = head.unwrap();
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    stream
}

/// Reads frames in their order.
pub(crate) struct Reader<R> {
    stream: R,
    /// Between the first and the last frame of a message.
    in_message: bool,
    /// How many bytes of messages have come.
    pub(crate) payload: usize,
}

impl<R: AsyncReadExt + Unpin> Reader<R> {
    pub(crate) fn new(stream: R) -> Self {
        Self {
            stream,
            in_message: false,
            payload: 0,
        }
    }

    /// Reads messages up to the close frame; its code and its reason.
    pub(crate) async fn close(&mut self) -> (u16, String) {
        loop {
            if let Some(close) = bounded("a frame", self.frame()).await {
                return close;
            }
        }
    }

    /// Reads one frame; the code and the reason if it is the close frame.
    pub(crate) async fn frame(&mut self) -> Option<(u16, String)> {
        let frame = frame::read(&mut self.stream).await.expect("a whole frame");
        if let Some((code, reason)) = frame.close() {
            return Some((code, reason.to_owned()));
        }
        // Anything else is a control frame.
        if frame.opcode <= BINARY {
            assert_eq!(
                frame.opcode == CONTINUATION,
                self.in_message,
                "fragments in order"
            );
            self.in_message = !frame.fin;
            assert!(
                frame.payload.iter().all(|byte| *byte == FILL),
                "a torn payload"
            );
            self.payload += frame.payload.len();
        }
        None
    }

    /// After the close frame comes nothing but the end.
    pub(crate) async fn end(mut self) {
        let mut byte = [0];
        let end = bounded("the end", self.stream.read(&mut byte)).await;
        assert!(
            matches!(end, Ok(0) | Err(_)),
            "after the close frame: {byte:?}"
        );
    }
}

pub(crate) fn masked_close(code: u16) -> Vec<u8> {
    masked(true, CLOSE, &code.to_be_bytes())
}

/// The size of a message: as a rule small, at times larger than any buffer on the way.
pub(crate) fn size(random: &mut Random) -> usize {
    match random.below(16) {
        0 => 65_536 + random.below(100_000),
        1..3 => random.below(20_000),
        3..6 => random.below(2000),
        _ => random.below(126),
    }
}
