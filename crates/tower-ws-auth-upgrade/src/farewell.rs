use std::fmt;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::request::Parts;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{sleep, timeout};

use crate::scan::Scanner;

/// The connection of a client whose handshake is being answered.
///
/// hyper hands it over once the response has been written; until then this is a promise of it.
pub struct Socket(pub(crate) OnUpgrade);

/// How long and how much a farewell may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// After this time the connection is dropped, whatever the client does. 5 s by default.
    pub deadline: Duration,
    /// After this many bytes from the client nothing more is read. 64 KiB by default.
    pub bytes: u64,
    /// How long the connection is then held, so that a reset does not overtake the reason.
    /// 1 s by default.
    pub hold: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let (deadline, hold) = (Duration::from_secs(5), Duration::from_secs(1));
        Self {
            deadline,
            bytes: 64 * 1024,
            hold,
        }
    }
}

/// How a farewell ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// The client answered the close frame with its own: it has read the reason.
    PeerClosed,
    /// The client went away without a close frame.
    PeerGone,
    /// The client sent more than it may.
    ByteCap,
    /// Time was up.
    Deadline,
    /// The connection broke.
    Broken(io::Error),
    /// There was no connection to be had: as a rule the server was built without upgrades
    /// (`serve_connection` in place of `serve_connection_with_upgrades`).
    UpgradeFailed(hyper::Error),
    /// There was no connection to be had behind a [`Tether`](crate::Tether): the service answered
    /// without an upgrade, or the upgrade failed.
    NotUpgraded,
}

impl Outcome {
    /// A stable name for logs and counters.
    pub fn name(&self) -> &'static str {
        match self {
            Self::PeerClosed => "peer_closed",
            Self::PeerGone => "peer_gone",
            Self::ByteCap => "byte_cap",
            Self::Deadline => "deadline",
            Self::Broken(_) => "broken",
            Self::UpgradeFailed(_) => "upgrade_failed",
            Self::NotUpgraded => "not_upgraded",
        }
    }
}

impl Socket {
    /// Takes the connection out of a request's head; `None` if the server offers none.
    pub fn take(head: &mut Parts) -> Option<Self> {
        head.extensions.remove().map(Self)
    }

    /// Writes `words` (whole frames, the last one a close frame), reads until the client's own
    /// close frame, and only then ends the stream.
    ///
    /// Ending it together with the words would lose them in proxies, dropping it at once would
    /// lose them in a reset. What the client sends is not looked at.
    pub async fn farewell(self, words: Vec<u8>, limits: Limits) -> Outcome {
        let told = async {
            match self.0.await {
                Ok(io) => tell(&mut TokioIo::new(io), words, &limits)
                    .await
                    .unwrap_or_else(Outcome::Broken),
                Err(error) => Outcome::UpgradeFailed(error),
            }
        };
        timeout(limits.deadline, told)
            .await
            .unwrap_or(Outcome::Deadline)
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Socket")
    }
}

async fn tell(
    io: &mut (impl AsyncRead + AsyncWrite + Unpin),
    words: Vec<u8>,
    // By reference, as below: what a farewell holds, each refused client holds.
    limits: &Limits,
) -> io::Result<Outcome> {
    write_all(io, &words).await?;
    drop(words);
    end(io, Scanner::default(), limits).await
}

pub(crate) async fn write_all(
    io: &mut (impl AsyncWrite + Unpin),
    mut bytes: &[u8],
) -> io::Result<()> {
    while !bytes.is_empty() {
        match poll_fn(|cx| Pin::new(&mut *io).poll_write(cx, bytes)).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => bytes = &bytes[written..],
        }
    }
    poll_fn(|cx| Pin::new(&mut *io).poll_flush(cx)).await
}

/// Everything after the words. The scanner stands where the client's frames stand.
pub(crate) async fn end(
    io: &mut (impl AsyncRead + AsyncWrite + Unpin),
    scanner: Scanner,
    limits: &Limits,
) -> io::Result<Outcome> {
    let outcome = read_until_close(io, scanner, limits.bytes).await?;
    match outcome {
        // Unread bytes turn a close into a reset; give the client time to read.
        // In a box, because only a flood comes here and every farewell has room for it.
        Outcome::ByteCap => Box::pin(sleep(limits.hold)).await,
        _ => shut_down(io).await?,
    }
    Ok(outcome)
}

pub(crate) async fn shut_down(io: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    poll_fn(|cx| Pin::new(&mut *io).poll_shutdown(cx)).await
}

async fn read_until_close(
    io: &mut (impl AsyncRead + Unpin),
    mut scanner: Scanner,
    cap: u64,
) -> io::Result<Outcome> {
    let mut total: u64 = 0;
    while !scanner.closed() {
        // The buffer lives on the stack of one poll, not in the task.
        let read = poll_fn(|cx| poll_scan(io, cx, &mut scanner)).await?;
        total = total.saturating_add(read);
        match read {
            0 => return Ok(Outcome::PeerGone),
            _ if total >= cap && !scanner.closed() => return Ok(Outcome::ByteCap),
            _ => {}
        }
    }
    Ok(Outcome::PeerClosed)
}

fn poll_scan(
    io: &mut (impl AsyncRead + Unpin),
    cx: &mut Context<'_>,
    scanner: &mut Scanner,
) -> Poll<io::Result<u64>> {
    let mut bytes = [const { MaybeUninit::uninit() }; 4096];
    let mut buffer = ReadBuf::uninit(&mut bytes);
    ready!(Pin::new(io).poll_read(cx, &mut buffer))?;
    scanner.pass(buffer.filled());
    Poll::Ready(Ok(buffer.filled().len() as u64))
}

#[cfg(test)]
mod closing_handshake_rfc6455_7_1 {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::Instant;

    const CLOSE: &[u8] = b"\x88\x80\x01\x02\x03\x04";

    async fn say_goodbye(client: impl AsyncFnOnce(tokio::io::DuplexStream)) -> io::Result<Outcome> {
        let (mut server, far) = duplex(1024);
        let words = b"\x88\x02\x03\xe8".to_vec();
        let telling = async move { tell(&mut server, words, &Limits::default()).await };
        tokio::join!(telling, client(far)).0
    }

    #[tokio::test(start_paused = true)]
    async fn the_stream_ends_only_after_the_peers_close_frame() {
        let outcome = say_goodbye(async |mut far| {
            let mut words = [0; 4];
            far.read_exact(&mut words).await.unwrap();
            assert_eq!(&words, b"\x88\x02\x03\xe8");
            let early = tokio::time::timeout(Duration::from_secs(3), far.read_u8()).await;
            assert!(
                early.is_err(),
                "nothing, not even the end, before the peer's close"
            );
            far.write_all(CLOSE).await.unwrap();
            assert_eq!(far.read(&mut words).await.unwrap(), 0);
        });
        assert!(matches!(outcome.await, Ok(Outcome::PeerClosed)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_goes_without_a_close_frame_is_let_go() {
        let outcome = say_goodbye(async |far| drop(far)).await;
        assert!(
            matches!(outcome, Ok(Outcome::PeerGone) | Err(_)),
            "{outcome:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_read_up_to_the_cap_and_then_held_unread() {
        let began = Instant::now();
        let outcome = say_goodbye(async |mut far| {
            let mut sent: u64 = 0;
            while far.write_all(&[0x82; 1024]).await.is_ok() {
                sent += 1024;
            }
            assert!(sent < 80 * 1024, "{sent}");
        });
        assert!(matches!(outcome.await, Ok(Outcome::ByteCap)));
        assert_eq!(began.elapsed(), Limits::default().hold);
    }
}
