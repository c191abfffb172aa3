//! The time of day jumps by an hour, forward and back, while connections are open and credentials
//! are outstanding.
//!
//! | part | reads | set forward | set back |
//! |---|---|---|---|
//! | JWT | the time of day: `exp` is one | expires by it | a token that had expired meanwhile is valid again until its `exp` |
//! | tickets, sessions in memory | [`Clock::steady`] unless told otherwise | no effect | no effect: none lives longer |
//! | a session's record, a ticket's `live_for` | the time of day | end by it | the store forgets them all the same |
//! | leases | the time of day | end within a second | live as much longer; with a steady clock they do not |
//! | revocations | the time of day, and never the same moment twice | earlier credentials stay refused | a token of the repeated hour is refused |
//! | `Jwks` | [`Clock::steady`] | no effect | no effect |

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use fault_tests::{Server, Settings, close_code, open};
use test_support::frame::{self, BINARY, Frame};
use test_support::{PATIENCE, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tower_ws_auth::{Clock, DisconnectReason};

const HOUR: i64 = 3600;
const SOON: Duration = Duration::from_secs(20);
/// Of four seconds.
const LONGER_THAN_ITS_TOKEN: Duration = Duration::from_millis(4500);
/// A token says in whole seconds when it was issued.
const UNTIL_THE_NEXT_SECOND: Duration = Duration::from_millis(1100);

/// The system's clock, and how many seconds it goes wrong.
#[derive(Clone, Default)]
struct Wrong(Arc<AtomicI64>);

impl Wrong {
    fn set(&self, seconds: i64) {
        self.0.store(seconds, Ordering::SeqCst);
    }

    fn clock(&self) -> Clock {
        let wrong = Arc::clone(&self.0);
        Clock::from_fn(move || {
            let seconds = wrong.load(Ordering::SeqCst);
            let by = Duration::from_secs(seconds.unsigned_abs());
            if seconds < 0 {
                SystemTime::now() - by
            } else {
                SystemTime::now() + by
            }
        })
    }
}

/// No deadline cuts off a client of a slow machine.
fn slow() -> Settings {
    Settings {
        hold: Duration::ZERO,
        deadline: Duration::from_secs(20),
        head: Duration::from_secs(60),
        ..Settings::default()
    }
}

async fn server(wrong: &Wrong) -> Server {
    let settings = Settings {
        clock: wrong.clock(),
        ..slow()
    };
    Server::start(settings).await.unwrap()
}

/// A connection that is accepted.
async fn by_token(server: &Server, token: &str) -> TcpStream {
    let (mut stream, status) = open(server.address, &format!("/ws?token={token}"), "")
        .await
        .unwrap();
    assert_eq!(status, Some(101));
    // A closing handshake is a 101 too, and no echo.
    stream.write_all(b"\x82\x82\0\0\0\0hi").await.unwrap();
    let echo = frame::read(&mut stream).await.unwrap();
    assert_eq!(echo, Frame::whole(BINARY, b"hi"));
    stream
}

/// The code of a refusal, or `None` for a connection with an echo.
async fn refusal(server: &Server, target: &str, line: &str) -> Option<u16> {
    let (mut stream, status) = open(server.address, target, line).await.unwrap();
    assert_eq!(status, Some(101));
    stream.write_all(b"\x82\x82\0\0\0\0hi").await.unwrap();
    let frame = timeout(PATIENCE, frame::read(&mut stream))
        .await
        .expect("neither a refusal nor an echo")
        .unwrap();
    if frame == Frame::whole(BINARY, b"hi") {
        return None;
    }
    Some(frame.close().expect("another message").0)
}

async fn refusal_of_token(server: &Server, token: &str) -> Option<u16> {
    refusal(server, &format!("/ws?token={token}"), "").await
}

async fn is_open(stream: &mut TcpStream) -> bool {
    timeout(Duration::from_millis(200), stream.read_u8())
        .await
        .is_err()
}

/// How it is closed, sooner than by a clock that goes right.
async fn closed(stream: &mut TcpStream) -> u16 {
    timeout(SOON, close_code(stream))
        .await
        .expect("it lives on")
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_hour_forward_ends_only_the_expired_connections() {
    let wrong = Wrong::default();
    let server = server(&wrong).await;
    let [short, long] = [600, 7200].map(|seconds| server.token("ada", seconds).unwrap());
    let (mut over, mut good) = (
        by_token(&server, &short).await,
        by_token(&server, &long).await,
    );
    let ticket = format!("/ws?ticket={}", server.ticket("ada").await.unwrap());
    let session = server.session("ada").await.unwrap();
    let (mut by_session, _) = open(server.address, "/ws", &session).await.unwrap();

    wrong.set(HOUR);
    assert_eq!(closed(&mut over).await, 4401);
    assert_eq!(closed(&mut by_session).await, 4401);
    assert!(is_open(&mut good).await);
    assert_eq!(refusal_of_token(&server, &short).await, Some(4401));
    assert_eq!(refusal_of_token(&server, &long).await, None);
    // Its store has a clock of its own, but the connection that it would open was over before.
    assert_eq!(refusal(&server, &ticket, "").await, Some(4401));
    assert_eq!(refusal(&server, "/ws", &session).await, Some(4401));

    // And back: ended connections stay ended, and taken tickets stay taken.
    wrong.set(0);
    assert!(is_open(&mut good).await);
    assert_eq!(refusal(&server, &ticket, "").await, Some(4401));
    assert_eq!(refusal_of_token(&server, &long).await, None);
    drop((over, good, by_session));
    idle(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_hour_back_prolongs_no_ticket_and_no_session_that_a_store_keeps_in_memory() {
    let wrong = Wrong::default();
    // A steady clock, of which the test can let time pass.
    let passed = Wrong::default();
    let settings = Settings {
        clock: wrong.clock(),
        store_clock: passed.clock(),
        ..slow()
    };
    let server = Server::start(settings).await.unwrap();
    let ticket = async || format!("/ws?ticket={}", server.ticket("ada").await.unwrap());
    let (late, in_time) = (ticket().await, ticket().await);
    let session = server.session("ada").await.unwrap();

    wrong.set(-HOUR);
    assert_eq!(refusal(&server, &in_time, "").await, None);
    assert_eq!(refusal(&server, &in_time, "").await, Some(4401), "twice");
    // 31 seconds of a ticket's 30 have passed, at any time of day.
    passed.set(31);
    assert_eq!(refusal(&server, &late, "").await, Some(4401));
    assert_eq!(refusal(&server, "/ws", &session).await, None);
    passed.set(1801);
    assert_eq!(refusal(&server, "/ws", &session).await, Some(4401));
    // Made in the wrong hour, good for as long as any other.
    let made = ticket().await;
    passed.set(1801 + 29);
    assert_eq!(refusal(&server, &made, "").await, None);
    idle(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_credential_is_never_accepted_and_a_lease_follows_the_time_of_day() {
    let wrong = Wrong::default();
    let server = server(&wrong).await;
    let expired = {
        wrong.set(-2 * HOUR);
        let token = server.token("ada", 600).unwrap();
        wrong.set(0);
        token
    };
    let short = server.token("ada", 5).unwrap();
    let began = Instant::now();
    let mut lease = by_token(&server, &short).await;
    for seconds in [0, -HOUR, HOUR, 0] {
        wrong.set(seconds);
        assert_eq!(refusal_of_token(&server, &expired).await, Some(4401));
        if seconds == HOUR {
            // Over by the wrong clock: it does not come back with the right one.
            assert_eq!(closed(&mut lease).await, 4401);
        }
    }
    // Expired by both.
    sleep(Duration::from_secs(5).saturating_sub(began.elapsed())).await;
    assert_eq!(refusal_of_token(&server, &short).await, Some(4401));

    // Opened an hour too early, by a clock that is then set right.
    wrong.set(-HOUR);
    let early = server.token("ada", 600).unwrap();
    let mut lease = by_token(&server, &early).await;
    wrong.set(0);
    assert_eq!(closed(&mut lease).await, 4401);
    // Opened right, and then the clock goes back: the lease lives with the token.
    let soon = server.token("ada", 4).unwrap();
    let mut lease = by_token(&server, &soon).await;
    wrong.set(-HOUR);
    sleep(LONGER_THAN_ITS_TOKEN).await;
    assert!(is_open(&mut lease).await);
    wrong.set(0);
    assert_eq!(closed(&mut lease).await, 4401);
    idle(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_holds_if_the_clock_jumps_either_way() {
    let wrong = Wrong::default();
    let server = server(&wrong).await;
    let before = server.token("ada", 7200).unwrap();
    let mut lease = by_token(&server, &before).await;
    server
        .revocations
        .revoke("user:ada", DisconnectReason::Revoked)
        .await
        .unwrap();
    assert_eq!(closed(&mut lease).await, 4403);
    for seconds in [0, HOUR, -HOUR, 0] {
        wrong.set(seconds);
        assert_eq!(refusal_of_token(&server, &before).await, Some(4401));
    }
    // Of an hour ago, by a clock that goes wrong: it counts as older.
    wrong.set(-HOUR);
    let again = server.token("ada", 7200).unwrap();
    assert_eq!(refusal_of_token(&server, &again).await, Some(4401));
    // Revoked in the wrong hour: later than the one before all the same, so nothing is undone.
    server
        .revocations
        .revoke("user:ada", DisconnectReason::Revoked)
        .await
        .unwrap();
    wrong.set(0);
    for token in [&before, &again] {
        assert_eq!(refusal_of_token(&server, token).await, Some(4401));
    }
    sleep(UNTIL_THE_NEXT_SECOND).await;
    let new = server.token("ada", 7200).unwrap();
    assert_eq!(refusal_of_token(&server, &new).await, None);
    idle(&server).await;
}

async fn idle(server: &Server) {
    until("nothing is left", || server.is_idle()).await;
}
