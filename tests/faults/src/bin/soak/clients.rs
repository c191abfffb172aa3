//! Clients of every kind, which check the answers that they expect.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fault_tests::{Server, close_code, open, request};
use test_support::Gauge;
use test_support::frame::{self, BINARY, Frame};
use test_support::handshake::read_head;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_ws_auth::DisconnectReason;

use crate::BoxError;

/// The number of kinds. A client's number selects its kind.
pub(crate) const KINDS: usize = 12;

/// No client waits longer than this.
const PATIENCE: Duration = Duration::from_secs(30);
/// The token of a silent client is valid for two seconds.
const LONGER_THAN_ITS_TOKEN: Duration = Duration::from_secs(3);
/// Revocations are remembered by key, so there are a few hundred users for all clients.
const USERS: usize = 500;

#[derive(Clone)]
pub(crate) struct Clients {
    server: Arc<Server>,
    here: Gauge,
    came: Arc<[AtomicUsize; KINDS]>,
    surprises: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Clients {
    pub(crate) fn new(server: Arc<Server>) -> Self {
        Self {
            server,
            here: Gauge::default(),
            came: Arc::default(),
            surprises: Arc::default(),
        }
    }

    /// Runs one client.
    pub(crate) async fn come(&self, number: usize) {
        let held = self.here.hold();
        let (kind, met) = match number % KINDS {
            0 => ("token", self.with_token(number).await),
            1 => ("ticket", self.with_ticket(number).await),
            2 => ("session", self.with_session(number).await),
            3 => ("forged", self.refused("x").await),
            4 => ("no origin", self.refused_plainly().await),
            5 => ("silent, refused", self.silent_and_refused().await),
            6 => ("silent, accepted", self.silent_and_accepted().await),
            7 => ("resetting", self.resetting(number).await),
            8 => ("half a head", self.half_a_head().await),
            9 => ("revoked", self.revoked(number).await),
            10 => ("expiring", self.expiring().await),
            _ => ("flooding", self.flooding().await),
        };
        self.came[number % KINDS].fetch_add(1, Ordering::SeqCst);
        if let Err(error) = met {
            let surprise = format!("{kind}: {error}");
            let mut surprises = self
                .surprises
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *surprises.entry(surprise).or_default() += 1;
        }
        drop(held);
    }

    pub(crate) fn are_here(&self) -> bool {
        self.here.now() > 0
    }

    pub(crate) fn report(&self) -> String {
        let each = self.came.iter().map(|came| came.load(Ordering::SeqCst));
        let fewest = each.clone().min().unwrap_or_default();
        let all: usize = each.sum();
        format!("{all} clients of {KINDS} kinds, at least {fewest} of each")
    }

    /// Whether every client got its expected answers.
    pub(crate) fn verdict(&self) -> Result<(), BoxError> {
        let surprises = self
            .surprises
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if surprises.is_empty() {
            return Ok(());
        }
        Err(format!("clients met what they should not: {surprises:?}").into())
    }

    async fn accepted(&self, target: &str, line: &str) -> Result<TcpStream, BoxError> {
        let opened = timeout(PATIENCE, open(self.server.address, target, line)).await??;
        let (mut stream, status) = opened;
        expect(&status, &Some(101))?;
        // An echo shows that it is no closing handshake.
        stream.write_all(b"\x82\x82\0\0\0\0hi").await?;
        let frame = timeout(PATIENCE, frame::read(&mut stream)).await??;
        expect(&frame, &Frame::whole(BINARY, b"hi"))?;
        Ok(stream)
    }

    async fn refused_with(&self, target: &str, line: &str, code: u16) -> Result<(), BoxError> {
        let opened = timeout(PATIENCE, open(self.server.address, target, line)).await??;
        let (mut stream, status) = opened;
        expect(&status, &Some(101))?;
        ends_with(&mut stream, code).await
    }

    async fn with_token(&self, number: usize) -> Result<(), BoxError> {
        let token = self.server.token(&format!("t{}", number % USERS), 600)?;
        let stream = self.accepted(&format!("/ws?token={token}"), "").await?;
        goodbye(stream).await
    }

    async fn with_ticket(&self, number: usize) -> Result<(), BoxError> {
        let ticket = self.server.ticket(&format!("t{}", number % USERS)).await?;
        let target = format!("/ws?ticket={ticket}");
        let stream = self.accepted(&target, "").await?;
        self.refused_with(&target, "", 4401).await?;
        goodbye(stream).await
    }

    async fn with_session(&self, number: usize) -> Result<(), BoxError> {
        let user = Some(format!("t{}", number % USERS));
        let sessions = &self.server.sessions;
        let (id, cookie) = sessions.create(&fault_tests::Record { user }).await?;
        let cookie = cookie.to_str()?;
        let line = format!("Cookie: {}", cookie.split(';').next().unwrap_or_default());
        let stream = self.accepted("/ws", &line).await?;
        goodbye(stream).await?;
        sessions.destroy(&id).await?;
        self.refused_with("/ws", &line, 4401).await
    }

    async fn refused(&self, token: &str) -> Result<(), BoxError> {
        self.refused_with(&format!("/ws?token={token}"), "", 4401)
            .await
    }

    async fn refused_plainly(&self) -> Result<(), BoxError> {
        let mut stream = TcpStream::connect(self.server.address).await?;
        let head = request("/ws?token=x", "").replace("Origin:", "X-Origin:");
        stream.write_all(head.as_bytes()).await?;
        let head = timeout(PATIENCE, read_head(&mut stream)).await??;
        expect(&head.starts_with("HTTP/1.1 401"), &true)
    }

    async fn silent_and_refused(&self) -> Result<(), BoxError> {
        let opened = timeout(PATIENCE, open(self.server.address, "/ws", "")).await??;
        until_the_end(opened.0).await
    }

    async fn silent_and_accepted(&self) -> Result<(), BoxError> {
        let token = self.server.token("silent", 2)?;
        let target = format!("/firehose?token={token}");
        let opened = timeout(PATIENCE, open(self.server.address, &target, "")).await??;
        expect(&opened.1, &Some(101))?;
        // Nothing is read while the handler writes, until the server gives up.
        tokio::time::sleep(LONGER_THAN_ITS_TOKEN).await;
        until_the_end(opened.0).await
    }

    async fn resetting(&self, number: usize) -> Result<(), BoxError> {
        let token = self.server.token("resetting", 600)?;
        let target = match number / KINDS % 2 {
            0 => format!("/ws?token={token}"),
            _ => "/ws?token=x".to_owned(),
        };
        let mut stream = TcpStream::connect(self.server.address).await?;
        stream.set_zero_linger()?;
        let head = request(&target, "");
        // At any byte of the handshake, or after it.
        let most = head.len() + 1;
        let at = number.wrapping_mul(7919) % most;
        stream
            .write_all(&head.as_bytes()[..at.min(head.len())])
            .await?;
        if at == head.len() {
            timeout(PATIENCE, read_head(&mut stream)).await??;
        }
        Ok(())
    }

    async fn half_a_head(&self) -> Result<(), BoxError> {
        let mut stream = TcpStream::connect(self.server.address).await?;
        stream
            .write_all(b"GET /ws?token=x HTTP/1.1\r\nHost: lo")
            .await?;
        until_the_end(stream).await
    }

    async fn revoked(&self, number: usize) -> Result<(), BoxError> {
        let user = format!("r{}", number / KINDS % USERS);
        let token = self.server.token(&user, 600)?;
        let target = format!("/ws?token={token}");
        let mut stream = self.accepted(&target, "").await?;
        let key = format!("user:{user}");
        self.server
            .revocations
            .revoke(&key, DisconnectReason::Revoked)
            .await?;
        ends_with(&mut stream, 4403).await?;
        self.refused_with(&target, "", 4401).await
    }

    async fn expiring(&self) -> Result<(), BoxError> {
        let token = self.server.token("expiring", 2)?;
        let mut stream = self.accepted(&format!("/ws?token={token}"), "").await?;
        ends_with(&mut stream, 4401).await
    }

    async fn flooding(&self) -> Result<(), BoxError> {
        let opened = timeout(PATIENCE, open(self.server.address, "/ws", "")).await??;
        let mut stream = opened.0;
        let flood = vec![0x82; 16 * 1024];
        // More than the cap. The server may have closed before it has all bytes.
        for _ in 0..16 {
            let sent = timeout(PATIENCE, stream.write_all(&flood)).await?;
            if sent.is_err() {
                break;
            }
        }
        until_the_end(stream).await
    }
}

async fn ends_with(stream: &mut TcpStream, code: u16) -> Result<(), BoxError> {
    let closed = timeout(PATIENCE, close_code(stream)).await??;
    expect(&closed, &code)
}

async fn goodbye(mut stream: TcpStream) -> Result<(), BoxError> {
    stream.write_all(b"\x88\x82\0\0\0\0\x03\xe8").await?;
    ends_with(&mut stream, 1000).await
}

/// Reads until the server ends the connection in any way.
async fn until_the_end(mut stream: TcpStream) -> Result<(), BoxError> {
    let mut bytes = vec![0; 16 * 1024];
    let end = async { while matches!(stream.read(&mut bytes).await, Ok(1..)) {} };
    Ok(timeout(PATIENCE, end).await?)
}

fn expect<T: PartialEq + std::fmt::Debug>(met: &T, expected: &T) -> Result<(), BoxError> {
    if met == expected {
        return Ok(());
    }
    Err(format!("{met:?} in place of {expected:?}").into())
}
