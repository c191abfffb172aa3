//! Many connections, and clients that do not read.

use std::time::Duration;

use futures_util::SinkExt;
use test_support::{stands_still, until};
use tokio_tungstenite::tungstenite::Message;

use crate::peer::{Running, SOON, ada, end_of, handshake, next, raw};
use crate::upstream::Upstream;

#[tokio::test]
async fn a_client_that_does_not_read_is_not_read_for() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    let (stream, _head) = raw(gateway.address, &handshake("/flood", "")).await;
    // The buffers of four sockets fill, and then nothing moves.
    until("the flood", || upstream.written() > 0).await;
    let time = Duration::from_millis(300);
    let written = stands_still("the flood", time, || upstream.written()).await;
    // The kernel's buffers for two connections on loopback. The gateway itself holds a chunk.
    assert!(written < 64 * 1024 * 1024, "{written}");
    drop(stream);
    upstream.is_empty_within(SOON).await;
    gateway.is_empty_within(SOON).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_connections_leave_nothing_behind() {
    const MANY: usize = 1000;
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    drop(ada(&gateway, "/echo").await);
    gateway.is_empty_within(SOON).await;
    upstream.is_empty_within(SOON).await;
    let before = open_files();

    let mut sockets = Vec::new();
    for _ in 0..MANY {
        sockets.push(ada(&gateway, "/echo").await);
    }
    assert_eq!(gateway.open.sockets(), MANY);
    assert_eq!(upstream.connections(), MANY + 1);
    for socket in &mut sockets {
        socket.send(Message::text("hi")).await.unwrap();
    }
    for socket in &mut sockets {
        assert_eq!(next(socket).await, Message::text("hi"));
    }
    // Half of them say goodbye, half of them do not.
    for (n, mut socket) in sockets.into_iter().enumerate() {
        if n % 2 == 0 {
            socket.close(None).await.unwrap();
            end_of(&mut socket).await;
        }
    }
    gateway.is_empty_within(SOON).await;
    upstream.is_empty_within(SOON).await;
    if let (Some(before), Some(after)) = (before, open_files()) {
        // Other tests run beside this one in the same process.
        assert!(after < before + MANY / 4, "{before} before, {after} after");
    }
}

/// If the system reports them.
fn open_files() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count())
}
