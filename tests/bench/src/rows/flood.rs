//! Valid handshakes beside a flood of refused ones.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::accept::{request, stack};
use super::connection::CLOSE;
use super::socket::{listen, runtime};
use crate::Case;

/// Refused handshakes a second.
const FLOOD: u32 = 2000;
/// Valid ones, in a measured second.
const GOOD: u32 = 250;
const PAIRS: usize = 9;
/// By then as many are delayed as may be, or none any more.
const SETTLES: Duration = Duration::from_millis(700);

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::number("attack/flood", || ratio(false)).slow(),
        Case::number("attack/flood-close", || ratio(true)).slow(),
    ]
}

/// The effect of the flood on the 99th percentile of the valid ones: the median of this many
/// seconds with it and without it, in turns.
fn ratio(browsers: bool) -> f64 {
    let (address, _) = listen(stack);
    let flood = Flood::start(address, browsers);
    let good = request(true);
    let mut ratios: Vec<f64> = (0..PAIRS)
        .map(|_| {
            let idle = percentile(address, good);
            flood.on.store(true, Ordering::Relaxed);
            std::thread::sleep(SETTLES);
            let before = (flood.refused.load(Ordering::Relaxed), Instant::now());
            let beside = percentile(address, good);
            let refused = flood.refused.load(Ordering::Relaxed) - before.0;
            let rate = f64::from(refused) / before.1.elapsed().as_secs_f64();
            flood.on.store(false, Ordering::Relaxed);
            std::thread::sleep(SETTLES);
            assert!(rate > 0.8 * f64::from(FLOOD), "only {rate} were refused");
            beside / idle
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    ratios[PAIRS / 2]
}

/// The percentile of one second of valid handshakes, in seconds.
fn percentile(address: SocketAddr, request: &[u8]) -> f64 {
    let pause = Duration::from_secs(1) / GOOD;
    let mut next = Instant::now();
    let mut took: Vec<f64> = (0..GOOD)
        .map(|_| {
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            next += pause;
            let began = Instant::now();
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(request).unwrap();
            let mut answer = [0; 256];
            let count = stream.read(&mut answer).unwrap();
            assert!(answer[..count].starts_with(b"HTTP/1.1 101"));
            began.elapsed().as_secs_f64()
        })
        .collect();
    took.sort_by(f64::total_cmp);
    took[took.len() * 99 / 100]
}

struct Flood {
    on: Arc<AtomicBool>,
    refused: Arc<AtomicU32>,
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.on.store(false, Ordering::Relaxed);
    }
}

impl Flood {
    /// From a thread of its own, which does nothing until it is switched on.
    fn start(address: SocketAddr, browsers: bool) -> Self {
        let flood = Self {
            on: Arc::default(),
            refused: Arc::default(),
        };
        let (on, refused) = (Arc::clone(&flood.on), Arc::clone(&flood.refused));
        let request = if browsers {
            request(false)
        } else {
            without_origin()
        };
        std::thread::spawn(move || {
            runtime().block_on(async move {
                let mut tick = tokio::time::interval(Duration::from_millis(5));
                tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
                let mut last = Instant::now();
                let mut owed = 0.0;
                loop {
                    let now = tick.tick().await.into_std();
                    owed += (now - last).as_secs_f64() * f64::from(FLOOD);
                    last = now;
                    if !on.load(Ordering::Relaxed) {
                        owed = 0.0;
                    }
                    while owed >= 1.0 {
                        owed -= 1.0;
                        let refused = Arc::clone(&refused);
                        tokio::spawn(async move {
                            if knock(address, request, browsers).await.is_ok() {
                                refused.fetch_add(1, Ordering::Relaxed);
                            }
                        });
                    }
                }
            });
        });
        flood
    }
}

/// A request that is no page's gets its 401.
pub(super) fn without_origin() -> &'static [u8] {
    let text =
        String::from_utf8_lossy(request(false)).replace("origin: https://example.com\r\n", "");
    text.leak().as_bytes()
}

async fn knock(address: SocketAddr, request: &[u8], browser: bool) -> std::io::Result<()> {
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    stream.write_all(request).await?;
    let mut answer = [0; 512];
    let mut length = stream.read(&mut answer).await?;
    let expected: &[u8] = if browser {
        b"HTTP/1.1 101"
    } else {
        b"HTTP/1.1 401"
    };
    assert!(answer[..length].starts_with(expected));
    if browser {
        let whole = |bytes: &[u8]| bytes.windows(5).any(|end| end == b"\r\n\r\n\x88");
        while !whole(&answer[..length]) {
            match stream.read(&mut answer[length..]).await? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                count => length += count,
            }
        }
        stream.write_all(CLOSE).await?;
    }
    while stream.read(&mut answer).await? > 0 {}
    Ok(())
}
