//! Ends at bad moments, of connections that behave badly.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use test_support::frame::{BINARY, CONTINUATION, masked};
use test_support::{Stopwatch, arrives_no_more, until};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;
use tower_ws_auth::Clock;
use tower_ws_auth::lease::DisconnectReason;

use super::frames::{FILL, Reader, masked_close, open};
use super::server::Server;
use crate::ALONE;

const DEADLINE: Duration = Duration::from_millis(500);
/// A deadline that would show an end by mistake, far beyond the expected one.
const FAR: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(20);

/// Its deadline ends nothing here.
async fn server() -> Server {
    Server::start(|layer| layer.deadline(FAR)).await
}

async fn server_with_deadline() -> Server {
    Server::start(|layer| layer.deadline(DEADLINE)).await
}

/// A message and its echo, and together with the message the beginning of what follows it: that is
/// at the server by then.
async fn writes(stream: &mut TcpStream, more: &[u8]) {
    let message = masked(true, BINARY, &[FILL; 5]);
    stream.write_all(&[&message, more].concat()).await.unwrap();
    assert_eq!(Reader::new(stream).frame().await, None, "an echo");
}

async fn revoke(server: &Server) {
    let revoked = server
        .revocations
        .revoke("user:ada", DisconnectReason::Revoked);
    revoked.await.unwrap();
}

/// Reads the code, answers it, and reads the end.
async fn is_told(mut stream: TcpStream, code: u16, reason: &str) {
    let (read, mut write) = stream.split();
    let mut reader = Reader::new(read);
    assert_eq!(reader.close().await, (code, reason.to_owned()));
    write.write_all(&masked_close(code)).await.unwrap();
    reader.end().await;
}

#[tokio::test]
async fn a_revocation_before_the_upgrade_has_finished_is_the_first_that_the_client_reads() {
    let _alone = ALONE.lock().await;
    let server = server().await;
    let opening = tokio::spawn(open(server.hyper, "/duplex-late2000?user=ada"));
    server.began(1).await;
    revoke(&server).await;
    let mut stream = opening.await.unwrap();
    let mut reader = Reader::new(&mut stream);
    let first = reader.frame().await;
    assert_eq!(first, Some((4403, "revoked".to_owned())));
    stream.write_all(&masked_close(1000)).await.unwrap();
    Reader::new(stream).end().await;
    server.is_as_before().await;
}

#[tokio::test]
async fn a_revocation_between_two_fragments_of_the_server_is_read_between_them() {
    let _alone = ALONE.lock().await;
    let server = server().await;
    let mut stream = open(server.hyper, "/fragment?user=ada").await;
    let mut reader = Reader::new(&mut stream);
    assert_eq!(reader.frame().await, None);
    assert_eq!(reader.payload, 300);
    revoke(&server).await;
    is_told(stream, 4403, "revoked").await;
    server.is_as_before().await;
    assert_eq!(server.handlers.closes(), [(4403, "revoked".to_owned())]);
}

#[tokio::test]
async fn a_revocation_between_two_fragments_of_the_client_reaches_the_handler_there() {
    let _alone = ALONE.lock().await;
    let server = server().await;
    for address in [server.axum, server.hyper] {
        let mut stream = open(address, "/echo?user=ada").await;
        let fragment = masked(false, BINARY, &[FILL; 300]);
        writes(&mut stream, &fragment).await;
        revoke(&server).await;
        is_told(stream, 4403, "revoked").await;
    }
    server.is_as_before().await;
    let revoked = (4403, "revoked".to_owned());
    assert_eq!(server.handlers.closes(), [revoked.clone(), revoked]);
}

#[tokio::test]
async fn a_revocation_in_the_middle_of_a_clients_frame_waits_for_its_rest_in_the_handler_alone() {
    let _alone = ALONE.lock().await;
    let server = server().await;
    for address in [server.axum, server.hyper] {
        let mut stream = open(address, "/echo?user=ada").await;
        // In the second fragment of a message of three.
        let mut bytes = masked(false, BINARY, &[FILL; 300]);
        bytes.extend(masked(false, CONTINUATION, &[FILL; 3000]));
        let (first, rest) = bytes.split_at(2000);
        writes(&mut stream, first).await;
        revoke(&server).await;
        let mut reader = Reader::new(&mut stream);
        assert_eq!(reader.close().await, (4403, "revoked".to_owned()));
        stream.write_all(rest).await.unwrap();
        stream.write_all(&masked_close(4403)).await.unwrap();
        Reader::new(stream).end().await;
    }
    server.is_as_before().await;
    let revoked = (4403, "revoked".to_owned());
    assert_eq!(server.handlers.closes(), [revoked.clone(), revoked]);
}

#[tokio::test]
async fn a_sleeping_handler_delays_no_client() {
    let _alone = ALONE.lock().await;
    let server = server().await;
    for address in [server.axum, server.hyper] {
        let stream = open(address, "/asleep?user=ada").await;
        revoke(&server).await;
        is_told(stream, 4403, "revoked").await;
    }
    // Nothing is left but the handlers, which sleep on.
    until("leases", || server.layer.leases().is_empty()).await;
    assert!(server.revocations.is_empty());
    assert_eq!(server.handlers.running(), 2);
    server.handlers.wake();
    server.is_as_before().await;
}

#[tokio::test]
async fn a_handler_that_writes_without_reading_ends() {
    let _alone = ALONE.lock().await;
    let server = server().await;
    for address in [server.axum, server.hyper] {
        let stream = open(address, "/chatter?user=ada").await;
        arrives_no_more(&stream).await;
        revoke(&server).await;
        is_told(stream, 4403, "revoked").await;
    }
    server.is_as_before().await;
}

#[tokio::test]
async fn a_client_that_never_answers_is_gone_a_second_after_the_deadline() {
    let _alone = ALONE.lock().await;
    let server = server_with_deadline().await;
    for address in [server.axum, server.hyper] {
        let stream = open(address, "/echo?user=ada").await;
        let (began, machine) = (Instant::now(), Stopwatch::start());
        revoke(&server).await;
        let mut reader = Reader::new(stream);
        assert_eq!(reader.close().await, (4403, "revoked".to_owned()));
        reader.end().await;
        let took = machine.elapsed();
        assert!(began.elapsed() >= DEADLINE.mul_f64(0.95), "{took:?}");
        assert!(took < DEADLINE + Duration::from_secs(1), "{took:?}");
    }
    server.is_as_before().await;
}

#[tokio::test]
async fn a_client_that_never_reads_is_gone_a_second_after_the_deadline() {
    let _alone = ALONE.lock().await;
    let server = server_with_deadline().await;
    let mut open_ones = Vec::new();
    for address in [server.axum, server.hyper] {
        open_ones.push(open(address, "/chatter?user=ada").await);
    }
    // Every buffer on the way is full, and a frame is half written.
    for stream in &open_ones {
        arrives_no_more(stream).await;
    }
    let began = Stopwatch::start();
    revoke(&server).await;
    until("leases", || server.layer.leases().is_empty()).await;
    let took = began.elapsed();
    assert!(took < DEADLINE + Duration::from_secs(1), "{took:?}");
    drop(open_ones);
    server.is_as_before().await;
}

#[tokio::test]
async fn a_clock_that_jumps_forward_ends_and_one_that_jumps_back_prolongs() {
    const LONGER_THAN_ITS_GRANT: Duration = Duration::from_millis(3200);
    let _alone = ALONE.lock().await;
    let ahead = Arc::new(AtomicI64::new(0));
    let reads = Arc::clone(&ahead);
    let clock = Clock::from_fn(move || {
        let seconds = reads.load(Ordering::SeqCst);
        let by = Duration::from_secs(seconds.unsigned_abs());
        let now = SystemTime::now();
        if seconds < 0 { now - by } else { now + by }
    });
    let server = Server::start(|layer| layer.clock(clock)).await;
    let mut soon = open(server.axum, "/echo?user=ada&ms=3000").await;
    let later = open(server.hyper, "/echo?user=bob&ms=3600000").await;
    ahead.store(-3600, Ordering::SeqCst);
    // Its end has come by the clock that was, and is an hour away by the one that is.
    sleep(LONGER_THAN_ITS_GRANT).await;
    soon.write_all(&masked(true, BINARY, &[FILL; 5]))
        .await
        .unwrap();
    assert_eq!(Reader::new(&mut soon).frame().await, None, "an echo");
    assert_eq!(server.layer.leases().len(), 2);

    ahead.store(0, Ordering::SeqCst);
    let began = Instant::now();
    is_told(soon, 4401, "token_expired").await;
    assert!(began.elapsed() < SOON);
    ahead.store(3601, Ordering::SeqCst);
    let began = Instant::now();
    is_told(later, 4401, "token_expired").await;
    assert!(began.elapsed() < SOON);
    server.is_as_before().await;
}

#[tokio::test]
async fn a_clients_frame_too_large_to_wait_for_is_cut_off_in_the_handler() {
    let _alone = ALONE.lock().await;
    let server = server_with_deadline().await;
    let mut stream = open(server.axum, "/echo?user=ada").await;
    let frame = masked(true, BINARY, &vec![FILL; 1 << 20]);
    writes(&mut stream, &frame[..1000]).await;
    revoke(&server).await;
    until("the handler's end", || server.handlers.running() == 0).await;
    let mut reader = Reader::new(stream);
    assert_eq!(reader.close().await, (4403, "revoked".to_owned()));
    reader.end().await;
    assert_eq!(server.handlers.closes(), []);
    server.is_as_before().await;
}
