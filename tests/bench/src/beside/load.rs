//! What the clients do together, and how much of it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Serialize;
use test_support::handshake::KEY;
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;
use tower_ws_auth::jwt::{JwtEncoder, SigningKey};

use super::client::{Answer, Client};
use super::server::Speaks;
use crate::random::Random;
use crate::rows::jwt::{AUDIENCE, ISSUER};
use crate::{SECRET, SESSION_USER};

/// Handshakes at a time.
const AT_ONCE: usize = 16;
/// Connections that send messages.
const TALKING: usize = 8;
/// No client waits longer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most handshakes of a paced load at a time.
const MOST: usize = 2000;
/// The share of its time by which a paced load may lag behind in the end.
const MOST_LATE: f64 = 0.05;
/// Of the random pauses between them.
const STEPS: u32 = 1 << 20;

/// A server, and what its clients send.
pub(super) struct Target {
    address: SocketAddr,
    speaks: Speaks,
    good: Vec<u8>,
    expired: Vec<u8>,
}

#[derive(Serialize)]
struct Claims {
    sub: &'static str,
    name: &'static str,
    role: &'static str,
    room: &'static str,
    iss: &'static str,
    aud: &'static str,
    exp: u64,
}

impl Target {
    pub(super) fn new(address: SocketAddr, speaks: Speaks) -> Self {
        Self {
            address,
            speaks,
            good: request(speaks, 2_000_000_000, "Origin: https://example.com\r\n"),
            // Not from a page: to a page we would send a close frame, and the others a status.
            expired: request(speaks, 1_700_000_000, ""),
        }
    }

    async fn accepted(&self) -> Result<Client, String> {
        match self.ask(&self.good).await? {
            Answer::Accepted(client) => Ok(client),
            Answer::Refused(status) => Err(format!("a good token was refused with {status}")),
        }
    }

    async fn refused(&self) -> Result<(), String> {
        match self.ask(&self.expired).await? {
            // Socket.IO says 400.
            Answer::Refused(status) if matches!(&*status, "400" | "401" | "403") => Ok(()),
            Answer::Refused(status) => Err(format!("an expired token was refused with {status}")),
            Answer::Accepted(_) => Err("an expired token was accepted".to_owned()),
        }
    }

    async fn ask(&self, request: &[u8]) -> Result<Answer, String> {
        let asked = Client::ask(self.address, self.speaks, request);
        let asked = timeout(PATIENCE, asked).await;
        let answered = asked.map_err(|_| "a handshake took too long".to_owned())?;
        answered.map_err(|error| format!("a handshake failed: {error}"))
    }
}

fn request(speaks: Speaks, exp: u64, fields: &str) -> Vec<u8> {
    let key = SigningKey::hs256(SECRET).expect("it is long enough");
    let claims = Claims {
        sub: SESSION_USER,
        name: "Ada Lovelace",
        role: "admin",
        room: "lobby",
        iss: ISSUER,
        aud: AUDIENCE,
        exp,
    };
    let token = JwtEncoder::new(key).encode(&claims);
    let token = token.expect("the claims are JSON");
    let path = match speaks {
        Speaks::Plain => "/ws?",
        Speaks::SocketIo => "/socket.io/?EIO=4&transport=websocket&",
    };
    let head = format!(
        "GET {path}token={token} HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{fields}\r\n"
    );
    head.into_bytes()
}

/// One of each: an accepted token, a refused one, and a message of each size.
pub(super) async fn check(target: &Target) -> Result<(), String> {
    target.refused().await?;
    for size in [1024, 64 * 1024] {
        let mut client = target.accepted().await?;
        let one = std::cell::Cell::new(true);
        let echoed = client.echo(target.speaks, size, || one.replace(false));
        let echoed = timeout(PATIENCE, echoed).await;
        match echoed {
            Ok(Ok(1)) => {}
            other => return Err(format!("a message of {size} bytes: {other:?}")),
        }
    }
    Ok(())
}

/// So many handshakes, a few at a time. Their clients leave at once.
pub(super) async fn warm_up(target: &Target, handshakes: u32) -> Result<(), String> {
    let handshakes = stream::iter(0..handshakes).map(|_| target.accepted());
    let handshakes = handshakes.buffer_unordered(AT_ONCE);
    handshakes.try_for_each(async |_| Ok(())).await
}

/// Opens this many sockets.
pub(super) async fn open(target: &Target, sockets: u32) -> Result<Vec<Client>, String> {
    let opening = stream::iter(0..sockets).map(|_| target.accepted());
    opening.buffer_unordered(AT_ONCE).try_collect().await
}

/// The number of accepted handshakes in this time. Their clients leave at once.
pub(super) async fn accepted(target: &Target, time: Duration) -> Result<u32, String> {
    in_turns(time, async || target.accepted().await.map(drop)).await
}

/// The number of refused handshakes in this time.
pub(super) async fn refused(target: &Target, time: Duration) -> Result<u32, String> {
    in_turns(time, async || target.refused().await).await
}

async fn in_turns(
    time: Duration,
    one: impl AsyncFn() -> Result<(), String>,
) -> Result<u32, String> {
    let began = Instant::now();
    let clients = (0..AT_ONCE).map(async |_| {
        let mut done = 0;
        while began.elapsed() < time {
            one().await?;
            done += 1;
        }
        Ok::<u32, String>(done)
    });
    Ok(try_join_all(clients).await?.into_iter().sum())
}

/// The number of echoed messages in this time.
pub(super) async fn echoes(target: &Target, size: usize, time: Duration) -> Result<u32, String> {
    let mut clients = Vec::new();
    for _ in 0..TALKING {
        clients.push(target.accepted().await?);
    }
    let began = Instant::now();
    let goes_on = || began.elapsed() < time;
    let talking = clients
        .iter_mut()
        .map(|client| client.echo(target.speaks, size, goes_on));
    let echoed = try_join_all(talking).await;
    let echoed = echoed.map_err(|error| format!("messages of {size} bytes: {error}"))?;
    Ok(echoed.into_iter().sum())
}

/// The 99th percentile of an accepted handshake, in seconds, at this many of them a second.
///
/// # Errors
///
/// A handshake failed, or the clients could not begin so many.
pub(super) async fn p99(
    target: &Target,
    rate: f64,
    time: Duration,
    random: &mut Random,
) -> Result<f64, String> {
    // The tasks outlive this call's borrow.
    let target = std::sync::Arc::new(Target::new(target.address, target.speaks));
    let mut handshakes = JoinSet::new();
    let mut took = Vec::new();
    let began = Instant::now();
    let mut due = 0.0;
    while began.elapsed() < time {
        // The clients have a core of their own. A timer is too coarse: it would let the handshakes
        // of a whole millisecond come at once.
        yield_now().await;
        // A server that cannot keep up has no queue without end.
        if began.elapsed().as_secs_f64() >= due && handshakes.len() < MOST {
            // Clients that know nothing of one another come by the exponential distribution.
            let step = u32::try_from(random.below(STEPS.into())).unwrap_or(0);
            due -= (f64::from(step + 1) / f64::from(STEPS)).ln() / rate;
            let target = std::sync::Arc::clone(&target);
            handshakes.spawn(async move {
                let began = Instant::now();
                let client = target.accepted().await;
                client.map(|_| began.elapsed().as_secs_f64())
            });
        }
        while let Some(done) = handshakes.try_join_next() {
            took.push(done.map_err(|error| error.to_string())??);
        }
    }
    let late = time.as_secs_f64() - due.min(time.as_secs_f64());
    if late > time.as_secs_f64() * MOST_LATE {
        return Err(format!(
            "the clients cannot begin {rate:.0} handshakes a second"
        ));
    }
    for done in handshakes.join_all().await {
        took.push(done?);
    }
    took.sort_by(f64::total_cmp);
    let percentile = took.get(took.len() * 99 / 100).copied();
    percentile.ok_or_else(|| "too few handshakes for a percentile".to_owned())
}
