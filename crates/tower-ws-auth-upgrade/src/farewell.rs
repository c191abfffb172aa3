use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::request::Parts;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::task::coop::{Unconstrained, unconstrained};
use tokio::time::{Sleep, sleep};

use crate::scan::Scanner;
use crate::tell::{Ending, Words};

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
    pub fn farewell(
        self,
        words: Vec<u8>,
        limits: Limits,
    ) -> impl Future<Output = Outcome> + Send + 'static {
        // Made here and never moved below: whatever an `async` block hands on it has room for twice.
        let mut telling = Telling {
            connection: Connection::Promised(self.0),
            words: Some(Words::new(words)),
            ending: Ending::new(Scanner::default()),
            limits,
        };
        async move {
            let mut deadline = pin!(None);
            poll_fn(|cx| telling.poll_until(deadline.as_mut(), cx)).await
        }
    }
}

/// A farewell under way.
struct Telling {
    connection: Connection,
    words: Option<Words>,
    ending: Ending,
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
            // What a farewell holds, each refused client holds.
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

    async fn say_goodbye(client: impl AsyncFnOnce(tokio::io::DuplexStream)) -> io::Result<Outcome> {
        let (mut server, far) = duplex(1024);
        let mut words = Words::new(b"\x88\x02\x03\xe8".to_vec());
        let mut ending = Ending::new(Scanner::default());
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
            assert!(sent < 80 * 1024, "{sent}");
        });
        assert!(matches!(outcome.await, Ok(Outcome::ByteCap)));
        assert_eq!(began.elapsed(), Limits::default().hold);
    }
}
