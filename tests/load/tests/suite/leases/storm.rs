//! 1,000 connections with traffic both ways, cut at random moments.

use std::time::Duration;

use futures_util::future::join_all;
use test_support::Random;
use test_support::frame::{BINARY, CONTINUATION, masked};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;
use tower_ws_auth::lease::DisconnectReason;

use super::frames::{FILL, Reader, masked_close, open, size};
use super::handlers::pause;
use super::server::Server;
use crate::ALONE;

/// Of the time in which the others are revoked.
const IN_THE_MIDDLE: Duration = Duration::from_millis(1500);

const CLIENTS: usize = 1000;
/// By the number of the client; the last of four stays until the server goes down.
const EXPIRE: usize = 0;
const REVOKE_USER: usize = 1;
const REVOKE_GROUP: usize = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_connections_are_cut_at_random_and_nothing_of_them_remains() {
    let _alone = ALONE.lock().await;
    let limit = rlimit::increase_nofile_limit(4000).unwrap();
    assert!(limit >= 4000, "this test needs 4000 open files: ulimit -Hn");
    // The speed of this machine is not measured.
    let server = Server::start(|layer| layer.deadline(Duration::from_secs(300))).await;
    let mut clients = [(); 4].map(|()| Vec::new());
    for index in 0..CLIENTS {
        let cause = index % 4;
        let address = if index / 4 % 2 == 0 {
            server.axum
        } else {
            server.hyper
        };
        let path = if index / 8 % 2 == 0 { "echo" } else { "duplex" };
        let mut random = Random::new(index as u64);
        let term = match cause {
            EXPIRE => format!("&ms={}", 500 + random.below(4000)),
            REVOKE_GROUP => "&group=red".to_owned(),
            _ => String::new(),
        };
        let stream = open(address, &format!("/{path}?user={index}{term}")).await;
        clients[cause].push(tokio::spawn(client(stream, random)));
    }
    let revoked = (0..CLIENTS).filter(|index| index % 4 == REVOKE_USER);
    let revoking = join_all(revoked.map(|user| {
        let revocations = server.revocations.clone();
        async move {
            let ms = Random::new(user as u64).below(3000) as u64;
            sleep(Duration::from_millis(ms)).await;
            let key = format!("user:{user}");
            revocations
                .revoke(&key, DisconnectReason::Revoked)
                .await
                .unwrap();
        }
    }));
    let banned = DisconnectReason::application(4999, "banned").unwrap();
    let all_at_once = async {
        sleep(IN_THE_MIDDLE).await;
        let revoked = server.revocations.revoke("group:red", banned);
        revoked.await.unwrap();
    };
    tokio::join!(revoking, all_at_once);

    let [expired, revoked, banned, ended] = clients;
    let mut bytes = read_the_same(expired, (4401, "token_expired")).await;
    bytes += read_the_same(revoked, (4403, "revoked")).await;
    bytes += read_the_same(banned, (4999, "banned")).await;
    let leases = server.layer.leases();
    assert_eq!(
        leases.end_all(&DisconnectReason::GoingAway).await,
        CLIENTS / 4
    );
    bytes += read_the_same(ended, (1001, "going_away")).await;
    server.is_as_before().await;
    let told = server.handlers.closes().len();
    println!(
        "{CLIENTS} clients read {bytes} bytes of messages; {told} handlers read the close frame"
    );
    assert_eq!(server.handlers.begun(), CLIENTS);
    // The others stopped at a refused echo, or were inside a frame too large to wait for: fewer on
    // a fast machine, where it is one in seven.
    assert!(told > CLIENTS / 10, "{told}");
}

/// All of them; the bytes that they have read.
async fn read_the_same(
    clients: Vec<tokio::task::JoinHandle<(u16, String, usize)>>,
    expected: (u16, &str),
) -> usize {
    assert_eq!(clients.len(), CLIENTS / 4);
    let mut bytes = 0;
    for client in clients {
        let (code, reason, read) = client.await.unwrap();
        assert_eq!((code, reason.as_str()), expected);
        bytes += read;
    }
    bytes
}

/// Writes messages of any size, in fragments, in pieces; reads to the code.
async fn client(stream: TcpStream, mut random: Random) -> (u16, String, usize) {
    let (read, mut write) = stream.into_split();
    let (stop, stopped) = watch::channel(false);
    let writing = tokio::spawn(async move {
        while !*stopped.borrow() {
            let fragments = 1 + random.below(3);
            for n in 0..fragments {
                let opcode = if n == 0 { BINARY } else { CONTINUATION };
                let payload = vec![FILL; size(&mut random)];
                let frame = masked(n == fragments - 1, opcode, &payload);
                if in_pieces(&mut write, &frame, &mut random).await.is_err() {
                    return write;
                }
                if *stopped.borrow() {
                    break;
                }
            }
            pause(&mut random).await;
        }
        let _ = write.write_all(&masked_close(1000)).await;
        write
    });
    let mut reader = Reader::new(read);
    let (code, reason) = reader.close().await;
    let payload = reader.payload;
    let _ = stop.send(true);
    reader.end().await;
    // Only now: the server ends the stream, not the client.
    drop(writing.await.unwrap());
    (code, reason, payload)
}

async fn in_pieces(
    write: &mut (impl AsyncWriteExt + Unpin),
    mut bytes: &[u8],
    random: &mut Random,
) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let (now, later) = bytes.split_at(1 + random.below(bytes.len()));
        write.write_all(now).await?;
        bytes = later;
        tokio::task::yield_now().await;
    }
    Ok(())
}
