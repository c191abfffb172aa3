//! Clients that say nothing, drip, flood, vanish or reset, at every phase of a connection. The
//! server has its resources back by the deadline, with some time for a slow machine.
//!
//! A client with an incomplete handshake costs the layers nothing: hyper's `header_read_timeout`
//! ends it. An accepted client may be as slow as it likes, until its lease ends.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use fault_tests::{LIFE, Server, Settings, close_code, request};
use test_support::frame::{self, BINARY, Frame};
use test_support::handshake::read_head;
use test_support::{PATIENCE, until, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tower_ws_auth::Clock;

/// Of each kind in each phase.
const CLIENTS: usize = 8;

/// When a client begins to misbehave.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// It has said nothing.
    Connected,
    /// Half of a request's head is sent.
    HalfHead,
    /// A handshake that is refused is sent, and its answer held.
    Held,
    /// A refused client has read 101.
    Refused,
    /// It has read its close frame, and sent half of its own.
    HalfClose,
    /// A handshake that is accepted is sent.
    Asked,
    /// An accepted client has read 101.
    Accepted,
    /// It has sent half a message.
    HalfMessage,
    /// It has sent a hundred messages, and reads no echo.
    Unread,
    /// Its handler never reads.
    Deaf,
    /// Its handler writes for ever.
    Firehose,
    /// Its lease has ended, and it has read why.
    Ended,
    /// It has sent half of its own close frame after that.
    HalfEnded,
}

const PHASES: [Phase; 13] = [
    Phase::Connected,
    Phase::HalfHead,
    Phase::Held,
    Phase::Refused,
    Phase::HalfClose,
    Phase::Asked,
    Phase::Accepted,
    Phase::HalfMessage,
    Phase::Unread,
    Phase::Deaf,
    Phase::Firehose,
    Phase::Ended,
    Phase::HalfEnded,
];

/// The client's behaviour from then on.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Silence,
    /// A byte from time to time.
    Drip,
    /// As much as goes out.
    Flood,
    /// Nothing passes any more in either direction, and neither side is told.
    Vanish,
    /// RST.
    Reset,
}

/// The slack for a slow machine. An unbounded client would stay for longer than this.
const SLACK: Duration = Duration::from_secs(20);
const PAUSE_OF_A_DRIP: Duration = Duration::from_millis(250);
const HALF_A_MESSAGE: &[u8] = b"\x82\xfe\x01\x00\0\0\0\0half";

impl Phase {
    fn is_refused(self) -> bool {
        matches!(self, Self::Held | Self::Refused | Self::HalfClose)
    }

    fn target(self, server: &Server) -> String {
        let path = match self {
            Self::Deaf => "deaf",
            Self::Firehose => "firehose",
            _ => "ws",
        };
        let token = if self.is_refused() {
            "x".to_owned()
        } else {
            server.token("ada", LIFE.as_secs()).unwrap()
        };
        format!("/{path}?token={token}")
    }

    /// By when the server has nothing left, from the client's first byte on.
    fn bound(self, fault: Fault) -> Duration {
        let settings = fault.settings();
        match self {
            // A head that drips on is cut by the same clock.
            Self::Connected | Self::HalfHead => settings.head + SLACK,
            _ if fault == Fault::Reset => match self {
                Self::Deaf | Self::Ended | Self::HalfEnded => LIFE + SLACK,
                _ => settings.hold + SLACK,
            },
            _ if self.is_refused() => settings.hold + settings.deadline + SLACK,
            _ => LIFE + settings.deadline + SLACK,
        }
    }

    /// Whether it needs a valid token: then no client misbehaves before this one is in.
    fn must_be_in(self) -> bool {
        matches!(
            self,
            Self::Accepted
                | Self::HalfMessage
                | Self::Unread
                | Self::Deaf
                | Self::Firehose
                | Self::Ended
                | Self::HalfEnded
        )
    }

    /// Whether it does not: it comes when those are in.
    fn may_be_late(self) -> bool {
        self.is_refused() || matches!(self, Self::Connected | Self::HalfHead)
    }
}

impl Fault {
    fn settings(self) -> Settings {
        let usual = Settings::default();
        match self {
            // No deadline ends what a reset should end.
            Self::Reset => Settings {
                deadline: Duration::from_secs(120),
                ..usual
            },
            _ => usual,
        }
    }
}

/// Where clients wait that must be in. Their tokens live from the moment in which all of them are, so
/// that a slow machine ends nobody's before.
struct AllIn {
    barrier: Barrier,
    since: OnceLock<Instant>,
}

type In = Arc<AllIn>;

impl AllIn {
    fn new(count: usize) -> In {
        Arc::new(Self {
            barrier: Barrier::new(count),
            since: OnceLock::new(),
        })
    }

    async fn wait(&self) {
        self.barrier.wait().await;
        self.since.get_or_init(Instant::now);
    }

    /// Stands still until all are in.
    fn clock(self: &Arc<Self>) -> Clock {
        let (all_in, began) = (Arc::clone(self), SystemTime::now());
        Clock::from_fn(move || began + all_in.since.get().map_or(Duration::ZERO, Instant::elapsed))
    }
}

/// Goes through a connection up to the phase.
async fn reach(phase: Phase, mut stream: TcpStream, target: &str, all_in: &In) -> TcpStream {
    let head = request(target, "");
    let half = head.len() / 2;
    match phase {
        Phase::Connected => return stream,
        Phase::HalfHead => {
            stream.write_all(&head.as_bytes()[..half]).await.unwrap();
            return stream;
        }
        _ => stream.write_all(head.as_bytes()).await.unwrap(),
    }
    if matches!(phase, Phase::Held | Phase::Asked) {
        return stream;
    }
    let answer = read_head(&mut stream).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 101"), "{phase:?}: {answer}");
    if phase.must_be_in() {
        all_in.wait().await;
    }
    match phase {
        Phase::HalfClose => {
            let frame = frame::read(&mut stream).await.unwrap();
            assert_eq!(frame.close().unwrap().0, 4401);
            stream.write_all(b"\x88\x82\0").await.unwrap();
        }
        Phase::HalfMessage => stream.write_all(HALF_A_MESSAGE).await.unwrap(),
        Phase::Unread => {
            let message = [b"\x82\xfe\x40\0\0\0\0\0".as_slice(), &[7; 0x4000]].concat();
            for _ in 0..100 {
                let sent = stream.write_all(&message);
                if timeout(Duration::from_millis(100), sent).await.is_err() {
                    break;
                }
            }
        }
        Phase::Ended | Phase::HalfEnded => {
            let frame = frame::read(&mut stream).await.unwrap();
            assert_eq!(frame.close().unwrap().1, "token_expired");
            if phase == Phase::HalfEnded {
                stream.write_all(b"\x88\x82\0").await.unwrap();
            }
        }
        _ => {}
    }
    stream
}

/// Misbehaves until it is aborted.
async fn misbehave(phase: Phase, fault: Fault, mut stream: TcpStream) {
    match fault {
        Fault::Reset => {
            stream.set_zero_linger().unwrap();
            drop(stream);
        }
        Fault::Drip => {
            // These phases end inside a head or a frame.
            let early = matches!(phase, Phase::Connected | Phase::HalfHead);
            let byte = if early { b'a' } else { 0x82 };
            while stream.write_all(&[byte]).await.is_ok() {
                sleep(PAUSE_OF_A_DRIP).await;
            }
        }
        Fault::Flood => {
            // Whole messages, so that the echo has something to do.
            let message = [b"\x82\xfe\x40\0\0\0\0\0".as_slice(), &[7; 0x4000]].concat();
            let (mut from, mut to) = stream.split();
            let mut buffer = vec![0; 65536];
            let write = async { while to.write_all(&message).await.is_ok() {} };
            let read = async { while matches!(from.read(&mut buffer).await, Ok(1..)) {} };
            tokio::join!(write, read);
        }
        Fault::Silence | Fault::Vanish => {}
    }
    // Held all the same, were it not for the reset.
    std::future::pending::<()>().await;
}

/// A way to the server that swallows everything from a moment on, and keeps both ends open.
struct Way {
    address: SocketAddr,
    swallow: Option<oneshot::Sender<()>>,
    task: AbortHandle,
}

impl Way {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (swallow, mut swallowed) = oneshot::channel();
        let task = tokio::spawn(async move {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut far = TcpStream::connect(server).await.unwrap();
            tokio::select! {
                _ = copy_bidirectional(&mut near, &mut far) => {}
                _ = &mut swallowed => {}
            }
            std::future::pending::<()>().await;
            drop((near, far));
        });
        Self {
            address,
            swallow: Some(swallow),
            task: task.abort_handle(),
        }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn client(phase: Phase, fault: Fault, server: SocketAddr, target: String, all_in: In) {
    if fault != Fault::Vanish {
        let stream = TcpStream::connect(server).await.unwrap();
        return misbehave(phase, fault, reach(phase, stream, &target, &all_in).await).await;
    }
    let mut way = Way::to(server).await;
    let stream = TcpStream::connect(way.address).await.unwrap();
    let stream = reach(phase, stream, &target, &all_in).await;
    let _ = way.swallow.take().unwrap().send(());
    // It continues to send, as long as its bytes are read.
    misbehave(phase, Fault::Flood, stream).await;
}

/// Some clients with this fault in this phase at a server of their own; how long it had them.
async fn suffers(phase: Phase, fault: Fault, all_in: In) -> Duration {
    let settings = Settings {
        clock: all_in.clock(),
        ..fault.settings()
    };
    let server = Server::start(settings).await.unwrap();
    if phase.may_be_late() {
        all_in.wait().await;
    }
    let bound = phase.bound(fault);
    let target = phase.target(&server);
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let target = target.clone();
        clients.spawn(client(phase, fault, server.address, target, all_in.clone()));
    }
    let left = || {
        format!(
            "{fault:?} in {phase:?}: {} sockets, {} handlers, {} closing handshakes, {} leases, \
             registered: {:?}, permits: {}",
            server.sockets.now(),
            server.handlers.now(),
            server.closing_handshakes.now(),
            server.leases.len(),
            server.revocations,
            server.has_all_permits(),
        )
    };
    let all_gone = within(bound).until(left, || {
        // One that has panicked says why; the others go on until they are aborted.
        while let Some(ended) = clients.try_join_next() {
            ended.unwrap();
        }
        server.sockets.ever() >= CLIENTS && server.is_idle()
    });
    all_gone.await;
    let refused = phase.is_refused();
    let has_called = server.handlers.ever() > 0;
    let is_early = matches!(phase, Phase::Connected | Phase::HalfHead);
    // A client that is reset right behind its handshake may be gone before it was read.
    if !(fault == Fault::Reset && phase == Phase::Asked) {
        assert_eq!(has_called, !refused && !is_early, "{fault:?} in {phase:?}");
    }
    began.elapsed()
}

/// In every phase at once, each at its own server.
async fn everywhere(fault: Fault) {
    rlimit::increase_nofile_limit(8192).unwrap();
    let mut phases = JoinSet::new();
    let must_be_in = PHASES.iter().filter(|phase| phase.must_be_in()).count();
    let late = PHASES.iter().filter(|phase| phase.may_be_late()).count();
    let all_in = AllIn::new(must_be_in * CLIENTS + late);
    for phase in PHASES {
        let all_in = Arc::clone(&all_in);
        phases.spawn(async move { (phase, suffers(phase, fault, all_in).await) });
    }
    let mut took = Vec::new();
    while let Some(done) = phases.join_next().await {
        took.push(done.unwrap());
    }
    println!("{fault:?}: {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_clients() {
    everywhere(Fault::Silence).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_drip() {
    everywhere(Fault::Drip).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_flood() {
    everywhere(Fault::Flood).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_vanish_silently() {
    everywhere(Fault::Vanish).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_reset() {
    everywhere(Fault::Reset).await;
}

/// The tasks of the runtime and the descriptors of the process, with everything mixed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_well_behaved_client_beside_them_is_served_and_nothing_of_the_process_is_left() {
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    {
        let server = Server::start(Settings::default()).await.unwrap();
        let mut clients = JoinSet::new();
        for fault in [Fault::Silence, Fault::Drip, Fault::Flood, Fault::Reset] {
            for phase in PHASES {
                let target = phase.target(&server);
                // No client waits for another one.
                let all_in = AllIn::new(1);
                clients.spawn(client(phase, fault, server.address, target, all_in));
            }
        }
        until("the others", || server.sockets.ever() >= clients.len()).await;
        for _ in 0..20 {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            let target = format!("/ws?token={}", server.token("bob", 600).unwrap());
            stream
                .write_all(request(&target, "").as_bytes())
                .await
                .unwrap();
            let echoed = async {
                assert!(
                    read_head(&mut stream)
                        .await
                        .unwrap()
                        .starts_with("HTTP/1.1 101")
                );
                stream.write_all(b"\x82\x82\0\0\0\0hi").await.unwrap();
                assert_eq!(
                    frame::read(&mut stream).await.unwrap(),
                    Frame::whole(BINARY, b"hi")
                );
                stream.write_all(b"\x88\x82\0\0\0\0\x03\xe8").await.unwrap();
                assert_eq!(close_code(&mut stream).await.unwrap(), 1000);
            };
            timeout(PATIENCE, echoed)
                .await
                .expect("it is served in time");
        }
        let longest = Phase::Accepted.bound(Fault::Silence);
        let nothing = within(longest).until("nothing is left", || server.is_idle());
        nothing.await;
        clients.shutdown().await;
    }
    until("no task is left", || tasks() <= before).await;
}
