//! A cut with messages before its close frame: they stand between two messages, or not at all.

use std::future::pending;

use test_support::frame::{CLOSE, CONTINUATION, Frame, PONG, TEXT, unmasked};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower_ws_auth_socket::private::write_text;
use tower_ws_auth_socket::private::{CloseHandle, Limits, Outcome};

use crate::upgrade::handlers;
use crate::upgrade::lab::{Client, Io, Lab, close, patient, short};

fn cut_after(lab: &Lab, close_handle: &CloseHandle, limits: Limits) -> bool {
    let mut frames = Vec::new();
    write_text("ended", &mut frames);
    close_handle.cut_after(frames, &close(), limits, lab.spawner())
}

async fn reads_both(client: &mut Client) {
    assert_eq!(client.frame().await, Frame::whole(TEXT, b"ended"));
    reads_the_close_frame_next(client).await;
}

async fn reads_the_close_frame_next(client: &mut Client) {
    assert_eq!(client.frame().await.opcode, CLOSE);
    client.send(CLOSE, b"\x11\x31").await;
    client.reads_the_end().await;
}

#[tokio::test]
async fn an_idle_connection_reads_them_and_then_the_close_frame() {
    let (mut lab, mut client, close_handle) = Lab::opened(handlers::reads_the_code).await;
    client.send(TEXT, b"hello").await;
    assert!(cut_after(&lab, &close_handle, patient()));
    assert!(!cut_after(&lab, &close_handle, patient()));
    reads_both(&mut client).await;
    assert!(matches!(lab.outcome().await, Outcome::PeerClosed));
    lab.is_empty().await;
}

async fn writes_a_message(mut io: Io) {
    io.write_all(b"\x81\x02hi").await.unwrap();
    io.flush().await.unwrap();
    pending::<()>().await;
}

#[tokio::test]
async fn after_a_whole_message_they_come() {
    let (mut lab, mut client, close_handle) = Lab::opened(writes_a_message).await;
    assert_eq!(client.frame().await, Frame::whole(TEXT, b"hi"));
    cut_after(&lab, &close_handle, patient());
    reads_both(&mut client).await;
    assert!(matches!(lab.outcome().await, Outcome::PeerClosed));
}

/// Two of its fragments, and a control frame.
async fn writes_a_part_of_a_message(mut io: Io) {
    io.write_all(b"\x01\x02hi\x00\x01!\x8a\x00").await.unwrap();
    io.flush().await.unwrap();
    pending::<()>().await;
}

#[tokio::test]
async fn within_a_message_the_close_frame_comes_alone_rfc6455_5_4() {
    let (mut lab, mut client, close_handle) = Lab::opened(writes_a_part_of_a_message).await;
    for opcode in [TEXT, CONTINUATION, PONG] {
        assert_eq!(client.frame().await.opcode, opcode);
    }
    cut_after(&lab, &close_handle, patient());
    reads_the_close_frame_next(&mut client).await;
    assert!(matches!(lab.outcome().await, Outcome::PeerClosed));
}

async fn writes_half_a_frame(mut io: Io) {
    let whole = unmasked(true, TEXT, b"half and half");
    io.write_all(&whole[..6]).await.unwrap();
    io.flush().await.unwrap();
    handlers::sign().notified().await;
    let _ = io.write_all(&whole[6..]).await;
    let _ = io.flush().await;
    pending::<()>().await;
}

async fn reads_half_a_frame(client: &mut Client) {
    let mut half = [0; 6];
    client.stream.read_exact(&mut half).await.unwrap();
    assert_eq!(&half, b"\x81\x0dhalf");
}

#[tokio::test]
async fn a_frame_that_is_half_written_ends_first() {
    let (mut lab, mut client, close_handle) = Lab::opened(writes_half_a_frame).await;
    reads_half_a_frame(&mut client).await;
    cut_after(&lab, &close_handle, patient());
    handlers::sign().notify_one();
    let mut rest = [0; 9];
    client.stream.read_exact(&mut rest).await.unwrap();
    assert_eq!(&rest, b" and half");
    reads_both(&mut client).await;
    assert!(matches!(lab.outcome().await, Outcome::PeerClosed));
}

#[tokio::test]
async fn a_half_frame_that_never_ends_drops_the_connection_in_time() {
    let (mut lab, mut client, close_handle) = Lab::opened(writes_half_a_frame).await;
    reads_half_a_frame(&mut client).await;
    cut_after(&lab, &close_handle, short());
    assert!(matches!(lab.outcome().await, Outcome::Deadline));
    client.reads_the_end().await;
}
