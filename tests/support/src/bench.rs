//! For benches: a client of an echo server, the CPU time of the echoing thread, and measurements
//! that take turns.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use crate::frame::{BINARY, masked};

/// A client with one message. It checks only the length of the answers.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    frame: Vec<u8>,
    answer: Vec<u8>,
}

impl Client {
    /// Opens a connection with this request, for messages of this many bytes.
    ///
    /// # Panics
    ///
    /// The answer is not 101.
    pub fn connect(address: SocketAddr, request: &[u8], size: usize) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(request).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        assert!(head.starts_with(b"HTTP/1.1 101"));
        let frame = masked(true, BINARY, &vec![7; size]);
        // A server's frame has no mask.
        let answer = vec![0; frame.len() - 4];
        Self {
            stream,
            frame,
            answer,
        }
    }

    /// Sends its message and reads the echo, this many times.
    pub fn echo(&mut self, times: u32) {
        for _ in 0..times {
            self.stream.write_all(&self.frame).unwrap();
            self.stream.read_exact(&mut self.answer).unwrap();
        }
    }
}

/// The CPU time of one thread; zero if the system does not report it.
#[derive(Debug)]
pub struct ThreadTime(PathBuf);

impl ThreadTime {
    /// Of this thread.
    #[must_use]
    pub fn of_this_thread() -> Self {
        let thread = std::fs::read_link("/proc/thread-self").unwrap_or_default();
        Self(PathBuf::from("/proc").join(thread).join("schedstat"))
    }

    /// The time so far.
    pub fn now(&self) -> Duration {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        let nanos = text.split(' ').next().and_then(|word| word.parse().ok());
        Duration::from_nanos(nanos.unwrap_or_default())
    }
}

/// Measurements in turns: without and with some part.
#[derive(Debug, Default)]
pub struct Pairs(Vec<[Duration; 2]>);

impl Pairs {
    /// The two values of one round.
    pub fn push(&mut self, pair: [Duration; 2]) {
        self.0.push(pair);
    }

    /// The medians of both values.
    ///
    /// # Panics
    ///
    /// There was no round.
    pub fn medians(&self) -> [Duration; 2] {
        [0, 1].map(|index| {
            let mut times: Vec<_> = self.0.iter().map(|pair| pair[index]).collect();
            times.sort_unstable();
            times[times.len() / 2]
        })
    }

    /// The best rounds, which other load on the machine disturbs the least.
    pub fn best(&self) -> [Duration; 2] {
        [0, 1].map(|index| {
            let times = self.0.iter().map(|pair| pair[index]);
            times.min().unwrap_or_default()
        })
    }

    /// The median of the ratios of the second to the first.
    ///
    /// # Panics
    ///
    /// There was no round.
    pub fn ratio(&self) -> f64 {
        let ratio = |[without, with]: &[Duration; 2]| with.as_secs_f64() / without.as_secs_f64();
        let mut ratios: Vec<_> = self.0.iter().map(ratio).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        ratios[ratios.len() / 2]
    }
}
