use std::ops::RangeInclusive;
use std::time::Duration;

use test_support::Random;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// A slow route to a port of 127.0.0.1: bytes arrive later and in order, in both directions.
#[derive(Clone, Copy, Debug)]
pub struct LongWay {
    port: u16,
}

impl LongWay {
    /// A route with this delay in each direction. It lives as long as the runtime.
    pub async fn to(port: u16, delay: Duration) -> Self {
        Self::varying(port, delay..=delay, 0).await
    }

    /// A route with a delay that varies from read to read, and the same ones for the same seed.
    pub async fn varying(port: u16, delay: RangeInclusive<Duration>, seed: u64) -> Self {
        let mut seeds = Random::new(seed);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                if let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await {
                    client.set_nodelay(true).unwrap();
                    server.set_nodelay(true).unwrap();
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    let mut delays = || Delays::new(delay.clone(), seeds.next());
                    pass(from_client, to_server, delays());
                    pass(from_server, to_client, delays());
                }
            }
        });
        Self { port: own }
    }

    /// The port of its entry.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://127.0.0.1:…`
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

/// The delays of one direction.
struct Delays {
    range: RangeInclusive<Duration>,
    random: Random,
}

impl Delays {
    fn new(range: RangeInclusive<Duration>, seed: u64) -> Self {
        let random = Random::new(seed);
        Self { range, random }
    }

    fn next(&mut self) -> Duration {
        let (least, most) = (*self.range.start(), *self.range.end());
        let micros = usize::try_from(most.saturating_sub(least).as_micros()).unwrap();
        let more = self.random.below(micros + 1);
        least + Duration::from_micros(more as u64)
    }
}

fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut delays: Delays) {
    let (sender, mut under_way) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    tokio::spawn(async move {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            let arrives = Instant::now() + delays.next();
            if sender.send((arrives, buffer[..read].to_vec())).is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        while let Some((arrives, bytes)) = under_way.recv().await {
            sleep_until(arrives).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
}
