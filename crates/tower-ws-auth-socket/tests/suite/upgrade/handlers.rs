//! Handlers as applications write them. None knows of a guard.

use std::io::{ErrorKind, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use test_support::frame::unmasked;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Message;

use crate::upgrade::lab::{Io, server_side};

thread_local! {
    // One for each test: its runtime has no thread but the test's.
    static SIGN: Arc<Notify> = Arc::default();
}

/// What some handlers wait for; their tests give it.
pub(crate) fn sign() -> Arc<Notify> {
    SIGN.with(Arc::clone)
}

/// What every echo example does.
pub(crate) async fn echo(io: Io) {
    let mut socket = server_side(io).await;
    while let Some(Ok(message)) = socket.next().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            return;
        }
    }
}

/// Insists on reading the code and then a clean end.
pub(crate) async fn reads_the_code(io: Io) {
    let mut socket = server_side(io).await;
    loop {
        match socket.next().await {
            Some(Ok(Message::Close(Some(close)))) => {
                assert_eq!(u16::from(close.code), 4401);
                assert_eq!(close.reason.as_str(), "token_expired");
                break;
            }
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    let end = socket.next().await;
    assert!(end.is_none(), "{end:?}");
}

/// Neither reads nor writes, until it is given a sign.
pub(crate) async fn sleeper(io: Io) {
    let _socket = server_side(io).await;
    sign().notified().await;
}

/// Writes without reading.
pub(crate) async fn chatterbox(io: Io) {
    let mut socket = server_side(io).await;
    let message = Message::binary(vec![7; 3000]);
    while socket.send(message.clone()).await.is_ok() {}
}

/// Reads and writes in two tasks.
pub(crate) async fn duplex(io: Io) {
    let (mut sink, mut stream) = server_side(io).await.split();
    let writing = tokio::spawn(async move {
        let mut size = 1;
        while sink.send(Message::binary(vec![9; size])).await.is_ok() {
            size = (size * 31 + 7) % 9000;
            tokio::task::yield_now().await;
        }
    });
    while let Some(Ok(_)) = stream.next().await {}
    writing.await.unwrap();
}

/// Reads to the end, and writes frames of all lengths in pieces, their heads byte by byte: wherever
/// it is cut, a frame is half written as a rule.
pub(crate) async fn in_pieces(io: Io) {
    let (mut read, mut write) = tokio::io::split(io);
    let reading =
        tokio::spawn(async move { tokio::io::copy(&mut read, &mut tokio::io::sink()).await });
    'frames: for size in [1, 125, 126, 3000, 65_535, 65_536, 0].into_iter().cycle() {
        let frame = unmasked(true, 2, &vec![5; size]);
        let (head, payload) = frame.split_at(frame.len() - size);
        for piece in head.chunks(1).chain(payload.chunks(1 + size / 8)) {
            if write.write_all(piece).await.is_err() {
                break 'frames;
            }
            tokio::task::yield_now().await;
        }
    }
    reading.await.unwrap().unwrap();
}

/// One message in three fragments, with a pause in which it only reads.
pub(crate) async fn fragments(mut io: Io) {
    io.write_all(&unmasked(false, 1, b"one")).await.unwrap();
    let mut byte = [0; 64];
    while io.read(&mut byte).await.is_ok_and(|read| read > 0) {}
    assert!(io.write_all(&unmasked(false, 0, b"two")).await.is_err());
}

/// Sleeps over half a frame, until it is given a sign.
pub(crate) async fn half_a_frame(mut io: Io) {
    let frame = unmasked(true, 2, &[1; 1000]);
    io.write_all(&frame[..500]).await.unwrap();
    sign().notified().await;
    let _ = io.write_all(&frame[500..]).await;
}

/// Gives up in the middle of a frame, at a sign.
pub(crate) async fn drops_half_a_frame(mut io: Io) {
    let frame = unmasked(true, 2, &[1; 1000]);
    io.write_all(&frame[..500]).await.unwrap();
    sign().notified().await;
}

/// Header and payload of many frames in one call, as hyper's own bodies and some codecs do.
pub(crate) async fn vectored(mut io: Io) {
    assert!(io.is_write_vectored());
    let frames: Vec<_> = (0..40)
        .map(|size| unmasked(true, 2, &vec![3; size * 97]))
        .collect();
    loop {
        let mut slices: Vec<_> = frames
            .iter()
            .flat_map(|frame| frame.chunks(61).map(IoSlice::new))
            .collect();
        let mut rest = &mut slices[..];
        while !rest.is_empty() {
            match io.write_vectored(rest).await {
                Ok(written) => IoSlice::advance_slices(&mut rest, written),
                Err(error) => return assert_eq!(error.kind(), ErrorKind::BrokenPipe),
            }
        }
    }
}

const PAUSE_OF_A_SLOW_WRITER: Duration = Duration::from_millis(5);

/// Finishes its half frame at a sign, and then takes its time.
pub(crate) async fn slow_writer(mut io: Io) {
    let frame = unmasked(true, 2, &[1; 60]);
    io.write_all(&frame[..10]).await.unwrap();
    sign().notified().await;
    for byte in &frame[10..] {
        io.write_all(&[*byte]).await.unwrap();
        tokio::time::sleep(PAUSE_OF_A_SLOW_WRITER).await;
    }
    let refused = io.write_all(&unmasked(true, 2, &[2; 60])).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::BrokenPipe);
}

/// Says goodbye by itself and waits for the answer.
pub(crate) async fn closes_first(io: Io) {
    let mut socket = server_side(io).await;
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
}

/// Reads bytes to the end. Gives a sign after three of them.
pub(crate) async fn bytes_to_the_end(mut io: Io) {
    io.read_exact(&mut [0; 3]).await.unwrap();
    sign().notify_one();
    let mut bytes = Vec::new();
    let _ = io.read_to_end(&mut bytes).await;
    assert!(io.write_all(b"more").await.is_err());
}

/// Writes half a frame in the middle of one of 1008 bytes, reads that to its end, and then goes on.
pub(crate) async fn reads_in_between(mut io: Io) {
    io.read_exact(&mut [0; 300]).await.unwrap();
    let frame = unmasked(true, 2, &[1; 1000]);
    io.write_all(&frame[..500]).await.unwrap();
    io.read_exact(&mut [0; 708]).await.unwrap();
    io.write_all(&frame[500..]).await.unwrap();
    let mut rest = Vec::new();
    io.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"\x88\x8f\0\0\0\0\x11\x31token_expired");
}

/// Reads the client's close frame, says so, and reads nothing after it.
pub(crate) async fn reads_a_close_once(mut io: Io) {
    io.read_exact(&mut [0; 8]).await.unwrap();
    io.write_all(&unmasked(true, 1, b"read")).await.unwrap();
    let mut rest = Vec::new();
    io.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"");
}
