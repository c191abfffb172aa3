use std::time::Duration;

use test_support::frame::masked;
use test_support::{Random, bounded};
use tokio::io::AsyncWriteExt;
use tower_ws_auth_socket::private::Outcome;

use crate::upgrade::handlers;
use crate::upgrade::lab::{Client, Lab, patient, read_frame};

const CLIENTS: usize = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_cut_at_random_under_traffic_read_their_code_in_whole_frames() {
    let mut echo = Lab::new(handlers::echo).await;
    let mut duplex = Lab::new(handlers::duplex).await;
    let mut in_pieces = Lab::new(handlers::in_pieces).await;
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..CLIENTS {
        let lab = match index % 3 {
            0 => &mut echo,
            1 => &mut duplex,
            _ => &mut in_pieces,
        };
        let (client, close_handle) = lab.open().await;
        let mut random = Random::new(index as u64);
        let wait = Duration::from_micros(random.below(60_000) as u64);
        tasks.spawn(one_client(client, random));
        let cut = lab.cutting();
        tasks.spawn(async move {
            tokio::time::sleep(wait).await;
            assert!(cut(&close_handle));
        });
    }
    bounded("all clients", async {
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
    })
    .await;
    for lab in [&mut echo, &mut duplex, &mut in_pieces] {
        for _ in 0..CLIENTS / 3 {
            let outcome = lab.outcome().await;
            assert!(
                matches!(outcome, Outcome::PeerClosed | Outcome::ByteCap),
                "{outcome:?}"
            );
        }
        lab.is_empty().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_cut_while_they_are_handed_over_read_their_code() {
    let mut lab = Lab::new(handlers::reads_the_code).await;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let address = lab.address;
        clients.spawn(async move { Client::open(address).await.reads_the_code().await });
    }
    for index in 0..CLIENTS {
        let close_handle = lab.close_handle().await;
        for _ in 0..index % 50 {
            std::hint::spin_loop();
        }
        assert!(lab.cut(&close_handle, patient()));
    }
    bounded("all clients", async {
        while let Some(ended) = clients.join_next().await {
            ended.unwrap();
        }
    })
    .await;
    for _ in 0..CLIENTS {
        assert!(matches!(lab.outcome().await, Outcome::PeerClosed));
    }
    lab.is_empty().await;
}

/// Writes frames of any size in pieces of any size, and reads to the code.
async fn one_client(client: Client, mut random: Random) {
    let (mut read, mut write) = client.stream.into_split();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let writing = tokio::spawn(async move {
        let mut stopped = stopped;
        while stopped.try_recv().is_err() {
            let size = match random.below(8) {
                0 => random.below(40_000),
                1..3 => random.below(2000),
                _ => random.below(125),
            };
            let frame = masked(true, 2, &vec![3; size]);
            let mut rest = &frame[..];
            while !rest.is_empty() {
                let piece = 1 + random.below(rest.len());
                let (now, later) = rest.split_at(piece);
                if write.write_all(now).await.is_err() {
                    return;
                }
                rest = later;
                tokio::task::yield_now().await;
            }
        }
        let _ = write.write_all(&masked(true, 8, b"\x11\x31")).await;
        // Until the server ends the stream, not we.
        std::mem::forget(write);
    });
    loop {
        let frame = bounded("frame", read_frame(&mut read)).await;
        if frame.opcode == 8 {
            assert_eq!(frame.payload, b"\x11\x31token_expired");
            break;
        }
    }
    let _ = stop.send(());
    let mut byte = [0];
    let end = bounded("end", tokio::io::AsyncReadExt::read(&mut read, &mut byte)).await;
    assert!(
        matches!(end, Ok(0) | Err(_)),
        "bytes after the close frame: {byte:?}"
    );
    writing.await.unwrap();
}

impl Lab {
    /// For another task.
    fn cutting(
        &self,
    ) -> impl FnOnce(&tower_ws_auth_socket::private::CloseHandle) -> bool + Send + 'static {
        let spawn = self.spawner();
        move |close_handle| close_handle.cut(&crate::upgrade::lab::close(), patient(), spawn)
    }
}
