use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::close_watch::CloseWatch;

/// How a tunnel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// One side ended its stream or broke, and the other side was told.
    Closed,
    /// No byte has passed for too long.
    Idle,
}

/// What has passed in one direction.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    pub(crate) bytes: u64,
    pub(crate) close: CloseWatch,
}

/// The time that the other side has after one side has ended.
const CLOSING: Duration = Duration::from_secs(5);
/// No timer reaches further, and no connection lives that long.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);
/// The maximum of bytes under way in each direction.
const CHUNK: usize = 16 * 1024;

impl Passed {
    fn note(&mut self, bytes: &[u8]) {
        self.bytes += u64::try_from(bytes.len()).unwrap_or_default();
        self.close.read(bytes);
    }
}

/// Passes bytes both ways until both sides have ended. It reads only as much as the other side
/// takes.
///
/// When one side ends its stream, the other one's is ended too, and may still answer for a moment.
/// If a side takes no more bytes, its own last bytes are still delivered. Bytes for it are read and
/// discarded meanwhile, or the reset of a full socket would overtake its last bytes.
pub(crate) async fn tunnel<C, U>(
    mut client: C,
    mut upstream: U,
    idle: Option<Duration>,
    [passed_up, passed_down]: &mut [Passed; 2],
) -> End
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let mut up = Pump::new(passed_up);
    let mut down = Pump::new(passed_down);
    let mut watch = Watch {
        idle,
        last: Instant::now(),
        closing: false,
    };
    let mut timer = pin!(sleep_until(watch.last + idle.unwrap_or(FAR)));
    poll_fn(|cx| {
        let moved_up = up.poll(cx, &mut client, &mut upstream);
        let moved_down = down.poll(cx, &mut upstream, &mut client);
        // A client that neither sends nor reads is gone, so nothing else needs delivery.
        if up.is_over() && (down.is_over() || down.void) {
            return Poll::Ready(End::Closed);
        }
        if moved_up || moved_down {
            watch.last = Instant::now();
        }
        if up.is_closing() || down.is_closing() {
            watch.close(timer.as_mut());
        }
        watch.poll(cx, timer.as_mut())
    })
    .await
}

/// Checks the time when a wait ends, and not at every byte.
struct Watch {
    idle: Option<Duration>,
    last: Instant,
    closing: bool,
}

impl Watch {
    fn close(&mut self, timer: Pin<&mut Sleep>) {
        if !self.closing {
            self.closing = true;
            timer.reset(Instant::now() + CLOSING);
        }
    }

    fn poll(&self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<End> {
        while timer.as_mut().poll(cx).is_ready() {
            if self.closing {
                return Poll::Ready(End::Closed);
            }
            let end = self.last + self.idle.unwrap_or(FAR);
            if self.idle.is_some() && end <= Instant::now() {
                return Poll::Ready(End::Idle);
            }
            timer.as_mut().reset(end);
        }
        Poll::Pending
    }
}

/// One direction.
struct Pump<'p> {
    passed: &'p mut Passed,
    /// The bytes that were read and not taken. Empty, and without memory, while the other side
    /// keeps up.
    rest: Vec<u8>,
    taken: usize,
    unflushed: bool,
    state: State,
    /// The writer is gone.
    void: bool,
}

#[derive(PartialEq)]
enum State {
    Open,
    /// The reader has ended, and the writer must be told.
    SourceEnded,
    Over,
}

impl<'p> Pump<'p> {
    fn new(passed: &'p mut Passed) -> Self {
        Self {
            passed,
            rest: Vec::new(),
            taken: 0,
            unflushed: false,
            state: State::Open,
            void: false,
        }
    }

    fn is_over(&self) -> bool {
        self.state == State::Over
    }

    fn is_closing(&self) -> bool {
        self.void || self.state != State::Open
    }

    /// Returns whether a byte has passed.
    fn poll<R, W>(&mut self, cx: &mut Context<'_>, reader: &mut R, writer: &mut W) -> bool
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut moved = false;
        // On the stack: in the future it would cost memory for every idle connection.
        let mut bytes = [const { MaybeUninit::uninit() }; CHUNK];
        loop {
            if !self.poll_rest(cx, writer, &mut moved) {
                return moved;
            }
            match self.state {
                State::Over => return moved,
                State::SourceEnded => {
                    if !self.void && Pin::new(&mut *writer).poll_shutdown(cx).is_pending() {
                        return moved;
                    }
                    self.state = State::Over;
                }
                State::Open => {
                    let mut buffer = ReadBuf::uninit(&mut bytes);
                    match Pin::new(&mut *reader).poll_read(cx, &mut buffer) {
                        Poll::Pending => {
                            self.poll_flush(cx, writer);
                            return moved;
                        }
                        Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                            moved = true;
                            self.passed.note(buffer.filled());
                            self.pass(cx, writer, buffer.filled());
                        }
                        Poll::Ready(_) => self.state = State::SourceEnded,
                    }
                }
            }
        }
    }

    /// Writes as much as possible, and keeps the rest.
    fn pass<W: AsyncWrite + Unpin>(&mut self, cx: &mut Context<'_>, writer: &mut W, bytes: &[u8]) {
        let mut taken = 0;
        while taken < bytes.len() && !self.void {
            match Pin::new(&mut *writer).poll_write(cx, &bytes[taken..]) {
                Poll::Ready(Ok(count)) if count > 0 => {
                    taken += count;
                    self.unflushed = true;
                }
                Poll::Ready(_) => self.void = true,
                Poll::Pending => {
                    self.rest.extend_from_slice(&bytes[taken..]);
                    return;
                }
            }
        }
    }

    /// Returns `false` while a rest remains.
    fn poll_rest<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        writer: &mut W,
        moved: &mut bool,
    ) -> bool {
        while self.taken < self.rest.len() && !self.void {
            match Pin::new(&mut *writer).poll_write(cx, &self.rest[self.taken..]) {
                Poll::Ready(Ok(count)) if count > 0 => {
                    self.taken += count;
                    self.unflushed = true;
                    *moved = true;
                }
                Poll::Ready(_) => self.void = true,
                Poll::Pending => {
                    self.poll_flush(cx, writer);
                    return false;
                }
            }
        }
        self.rest = Vec::new();
        self.taken = 0;
        true
    }

    /// The next write reports a failure.
    fn poll_flush<W: AsyncWrite + Unpin>(&mut self, cx: &mut Context<'_>, writer: &mut W) {
        if self.unflushed && Pin::new(writer).poll_flush(cx).is_ready() {
            self.unflushed = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    async fn passing(near: DuplexStream, far: DuplexStream, idle: Option<Duration>) -> End {
        tunnel(near, far, idle, &mut Default::default()).await
    }

    fn start(idle: Option<Duration>) -> (DuplexStream, DuplexStream, tokio::task::JoinHandle<End>) {
        let (client, near) = duplex(1024);
        let (far, upstream) = duplex(1024);
        (client, upstream, tokio::spawn(passing(near, far, idle)))
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_pass_both_ways_and_both_ends_end_it() {
        let (mut client, mut upstream, tunnel) = start(None);
        let mut four = [0; 4];
        client.write_all(b"ping").await.unwrap();
        upstream.read_exact(&mut four).await.unwrap();
        assert_eq!(&four, b"ping");
        upstream.write_all(b"pong").await.unwrap();
        upstream.shutdown().await.unwrap();
        let began = Instant::now();
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"pong");
        client.shutdown().await.unwrap();
        assert_eq!(tunnel.await.unwrap(), End::Closed);
        // By the end itself, and not by the timeout after it.
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_side_that_has_ended_is_answered_and_then_left() {
        let (mut client, mut upstream, tunnel) = start(None);
        client.shutdown().await.unwrap();
        let mut rest = Vec::new();
        upstream.read_to_end(&mut rest).await.unwrap();
        upstream.write_all(b"bye").await.unwrap();
        let mut three = [0; 3];
        client.read_exact(&mut three).await.unwrap();
        let began = Instant::now();
        assert_eq!(tunnel.await.unwrap(), End::Closed);
        assert!(began.elapsed() <= CLOSING + Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_it_and_a_byte_in_either_direction_is_none() {
        let (idle, almost) = (Duration::from_secs(10), Duration::from_secs(9));
        let (mut client, mut upstream, tunnel) = start(Some(idle));
        for _ in 0..5 {
            tokio::time::sleep(almost).await;
            client.write_all(b"x").await.unwrap();
            tokio::time::sleep(almost).await;
            upstream.write_all(b"x").await.unwrap();
        }
        assert!(!tunnel.is_finished());
        tokio::time::sleep(idle + Duration::from_millis(10)).await;
        assert_eq!(tunnel.await.unwrap(), End::Idle);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_not_read_for() {
        let (_client, mut upstream, _tunnel) = start(None);
        let mut sent = 0;
        let sending = async {
            loop {
                sent += upstream.write(&[0; 1024]).await.unwrap();
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(60), sending).await;
        assert!(sent <= CHUNK + 4 * 1024, "{sent} bytes were taken");
    }

    #[tokio::test(start_paused = true)]
    async fn a_side_that_takes_nothing_is_still_heard() {
        let (mut client, near) = duplex(1024);
        let (far, upstream) = duplex(64 * 1024);
        let tunnel = tokio::spawn(passing(near, far, None));
        let (upstream_read, mut upstream_write) = tokio::io::split(upstream);
        drop(upstream_read);
        upstream_write.write_all(b"last words").await.unwrap();
        upstream_write.shutdown().await.unwrap();
        let mut words = [0; 10];
        client.write_all(&[0; 512]).await.unwrap();
        client.read_exact(&mut words).await.unwrap();
        assert_eq!(&words, b"last words");
        drop(client);
        assert_eq!(tunnel.await.unwrap(), End::Closed);
    }
}
