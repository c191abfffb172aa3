use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Version;
use http::request::Parts;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::task::coop::{Unconstrained, unconstrained};
use tokio::time::{Sleep, sleep};

use crate::frame::scanner::Scanner;
use crate::upgrade::last_words::{LastRead, Words};

/// The connection of a client whose handshake is being answered.
///
/// hyper hands it over once the response has been written; until then this is a promise of it.
pub struct Socket {
    pub(super) upgrade: OnUpgrade,
    pub(super) shared: bool,
}

/// How long and how much a closing handshake may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// After this time the connection is dropped, whatever the client does. 5 s by default.
    pub deadline: Duration,
    /// What the client still sends is read and discarded, up to this many bytes. 4 MiB by default:
    /// a browser sends what it has queued before its own close frame.
    pub bytes: u64,
    /// How long an HTTP/1.1 connection is then held unread, so that a reset does not overtake the
    /// reason. 1 s by default. A stream of HTTP/2 is reset at once: held unread, it would take the
    /// window away from the other streams of its connection.
    pub hold: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let (deadline, hold) = (Duration::from_secs(5), Duration::from_secs(1));
        Self {
            deadline,
            bytes: 4 * 1024 * 1024,
            hold,
        }
    }
}

/// How a closing handshake ended.
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
    /// The connection was unavailable: as a rule the server was built without upgrades
    /// (`serve_connection` in place of `serve_connection_with_upgrades`).
    UpgradeFailed(hyper::Error),
    /// The connection was unavailable behind a [`UpgradeGuard`](crate::upgrade::UpgradeGuard): the service answered
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
        let shared = is_shared(head.version);
        let upgrade = head.extensions.remove()?;
        Some(Self { upgrade, shared })
    }

    pub(crate) fn new(upgrade: OnUpgrade, shared: bool) -> Self {
        Self { upgrade, shared }
    }

    /// Writes `words` (whole frames, the last one a close frame), reads until the client's own
    /// close frame, and only then ends the stream.
    ///
    /// Ending it together with the words would lose them in proxies, dropping it at once would
    /// lose them in a reset. What the client sends is not looked at.
    pub fn closing_handshake(
        self,
        words: Vec<u8>,
        limits: Limits,
    ) -> impl Future<Output = Outcome> + Send + 'static {
        // Made here and never moved below: whatever an `async` block hands on it has room for twice.
        let mut telling = Telling {
            connection: Connection::Promised(self.upgrade),
            words: Some(Words::new(words)),
            ending: LastRead::new(Scanner::default(), self.shared),
            limits,
        };
        async move {
            let mut deadline = pin!(None);
            poll_fn(|cx| telling.poll_until(deadline.as_mut(), cx)).await
        }
    }
}

/// Whether other requests go over the same connection meanwhile: each is a stream of HTTP/2 or later.
pub(crate) fn is_shared(version: Version) -> bool {
    version >= Version::HTTP_2
}

/// A closing handshake under way.
struct Telling {
    connection: Connection,
    words: Option<Words>,
    ending: LastRead,
    limits: Limits,
}

enum Connection {
    Promised(OnUpgrade),
    Open(TokioIo<Upgraded>),
}

/// A flood that uses the task's budget up must not put off its end.
type Deadline = Unconstrained<Sleep>;

impl Telling {
    fn poll_until(
        &mut self,
        mut deadline: Pin<&mut Option<Deadline>>,
        cx: &mut Context<'_>,
    ) -> Poll<Outcome> {
        if let Poll::Ready(told) = self.poll(cx) {
            return Poll::Ready(told.unwrap_or_else(Outcome::Broken));
        }
        if deadline.is_none() {
            deadline.set(Some(unconstrained(sleep(self.limits.deadline))));
        }
        match deadline.as_pin_mut() {
            Some(deadline) => deadline.poll(cx).map(|()| Outcome::Deadline),
            None => Poll::Pending,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Outcome>> {
        let io = match &mut self.connection {
            Connection::Open(io) => io,
            Connection::Promised(upgrade) => match ready!(Pin::new(upgrade).poll(cx)) {
                Err(error) => return Poll::Ready(Ok(Outcome::UpgradeFailed(error))),
                Ok(io) => {
                    self.connection = Connection::Open(TokioIo::new(io));
                    return self.poll(cx);
                }
            },
        };
        if let Some(words) = &mut self.words {
            ready!(words.poll_say(io, cx))?;
            // What a closing handshake holds, each refused client holds.
            self.words = None;
        }
        self.ending.poll_end(io, &self.limits, cx)
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Socket")
    }
}

#[cfg(test)]
mod closing_handshake_rfc6455_7_1 {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::Instant;

    const CLOSE: &[u8] = b"\x88\x80\x01\x02\x03\x04";
    const CAP: u64 = 4 * 1024 * 1024;

    async fn say_goodbye(client: impl AsyncFnOnce(tokio::io::DuplexStream)) -> io::Result<Outcome> {
        say_goodbye_to(client, false).await
    }

    async fn say_goodbye_to(
        client: impl AsyncFnOnce(tokio::io::DuplexStream),
        shared: bool,
    ) -> io::Result<Outcome> {
        let (mut server, far) = duplex(1024);
        let mut words = Words::new(b"\x88\x02\x03\xe8".to_vec());
        let mut ending = LastRead::new(Scanner::default(), shared);
        let telling = async move {
            poll_fn(|cx| words.poll_say(&mut server, cx)).await?;
            poll_fn(|cx| ending.poll_end(&mut server, &Limits::default(), cx)).await
        };
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
            assert!((CAP..CAP + 16 * 1024).contains(&sent), "{sent}");
        });
        assert!(matches!(outcome.await, Ok(Outcome::ByteCap)));
        assert_eq!(began.elapsed(), Limits::default().hold);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_on_a_shared_connection_is_not_held_unread() {
        let began = Instant::now();
        let flood = async |mut far: tokio::io::DuplexStream| {
            let mut sent: u64 = 0;
            while far.write_all(&[0x82; 1024]).await.is_ok() {
                sent += 1024;
            }
            assert!((CAP..CAP + 16 * 1024).contains(&sent), "{sent}");
        };
        let outcome = say_goodbye_to(flood, true).await;
        assert!(matches!(outcome, Ok(Outcome::ByteCap)));
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_four_mebibytes_first_ends_cleanly() {
        let outcome = say_goodbye(async |mut far| {
            // One binary frame, then its close frame: just below the limit.
            let length = CAP - 64;
            far.write_all(b"\x82\xff").await.unwrap();
            far.write_all(&length.to_be_bytes()).await.unwrap();
            far.write_all(&[0; 4]).await.unwrap();
            let payload = vec![b'x'; usize::try_from(length).unwrap()];
            far.write_all(&payload).await.unwrap();
            far.write_all(CLOSE).await.unwrap();
            let mut words = Vec::new();
            far.read_to_end(&mut words).await.unwrap();
            assert_eq!(words, b"\x88\x02\x03\xe8");
        });
        assert!(matches!(outcome.await, Ok(Outcome::PeerClosed)));
    }
}
