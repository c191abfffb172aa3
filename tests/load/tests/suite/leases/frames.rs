//! A client of its own: it reads whole, unmasked, well-formed frames or fails.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What every data frame of both sides consists of, so that a torn one shows.
pub(crate) const FILL: u8 = 9;

/// For a frame of a megabyte among a thousand, on the slowest of machines.
const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;

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
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(bounded("head", stream.read_u8()).await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
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
        let stream = &mut self.stream;
        let first = stream.read_u8().await.expect("a frame, not the end");
        let second = stream.read_u8().await.expect("a whole header");
        let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
        assert_eq!(first & 0x70, 0, "reserved bits");
        assert_eq!(second & 0x80, 0, "a server does not mask");
        let length = match second {
            126 => stream.read_u16().await.expect("a whole header").into(),
            127 => stream.read_u64().await.expect("a whole header"),
            short => short.into(),
        };
        assert!(length <= 1 << 20, "a torn frame: {length}");
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        let read = stream.read_exact(&mut payload).await;
        read.expect("a whole payload");
        match opcode {
            CLOSE => {
                assert!(fin && length >= 2, "a close frame with a code");
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                return Some((code, String::from_utf8(payload[2..].to_vec()).unwrap()));
            }
            9 | 10 => assert!(fin && length <= 125, "a control frame"),
            CONTINUATION..=BINARY => {
                assert_eq!(
                    opcode == CONTINUATION,
                    self.in_message,
                    "fragments in order"
                );
                self.in_message = !fin;
                assert!(payload.iter().all(|byte| *byte == FILL), "a torn payload");
                self.payload += payload.len();
            }
            other => panic!("opcode {other}"),
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

/// A client's frame.
pub(crate) fn masked(fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x1f, 0x2e, 0x3d, 0x4c];
    let mut frame = vec![if fin { 0x80 } else { 0 } | opcode];
    match payload.len() {
        short @ 0..=125 => frame.push(0x80 | u8::try_from(short).unwrap()),
        middle @ 126..=65_535 => {
            frame.push(0xfe);
            frame.extend(u16::try_from(middle).unwrap().to_be_bytes());
        }
        long => {
            frame.push(0xff);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(a, b)| a ^ b));
    frame
}

pub(crate) fn masked_close(code: u16) -> Vec<u8> {
    masked(true, CLOSE, &code.to_be_bytes())
}

/// Small, and the same in every run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: usize) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ (seed as u64 + 1) << 17)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }

    /// The size of a message: as a rule small, at times larger than any buffer on the way.
    pub(crate) fn size(&mut self) -> usize {
        match self.below(16) {
            0 => 65_536 + self.below(100_000),
            1..3 => self.below(20_000),
            3..6 => self.below(2000),
            _ => self.below(126),
        }
    }
}
