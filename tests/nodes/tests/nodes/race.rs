//! Thousands of tickets, 16 racers for each on both nodes, and one winner each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use node_tests::Node;
use serde_json::Value;
use test_support::handshake::head;
use test_support::of_tier;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::two;

const RACERS: usize = 16;
/// Races in which a node gave up on a slow Redis, because the machine was busy. The client is told
/// `unavailable`, and the ticket may be gone. It is never valid for two. One in this many.
const MOST_VOID: usize = 10;
/// So many tickets are raced for at a time, each of them minted a moment before.
const AT_ONCE: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_16_racers_on_two_nodes_for_each_of_thousands_of_tickets_one_wins() {
    let tickets = of_tier(1_000, 20_000);
    let (server, a, b) = two(&[]).await;
    let nodes = [a.address, b.address];
    let began = Instant::now();
    let started = Arc::new(AtomicUsize::new(0));
    let mut races = Vec::new();
    for n in 0..AT_ONCE {
        // Each with a user of its own: how many tickets one may have outstanding is bounded.
        let node = [&a, &b][n % 2];
        let mint = Mint::at(node, &format!("user-{n}")).await;
        races.push(tokio::spawn(run(
            mint,
            nodes,
            tickets,
            Arc::clone(&started),
        )));
    }
    let (mut won, mut void) = ([0; 2], 0);
    for race in races {
        let (wins, voids) = race.await.unwrap();
        won[0] += wins[0];
        won[1] += wins[1];
        void += voids;
    }
    let took = began.elapsed();
    println!(
        "{tickets} tickets x {RACERS} racers in {took:?}; won on each node: {won:?}, void: {void}"
    );
    assert_eq!(won[0] + won[1], tickets);
    assert!(void <= tickets / MOST_VOID, "{void} void races");
    assert!(won.iter().all(|&won| won > tickets / 10), "{won:?}");
    let stats: String = server.ask("INFO commandstats").await;
    let taken = stats
        .lines()
        .find(|line| line.starts_with("cmdstat_getdel:"));
    // One command for each racer, and no more.
    let calls = format!(":calls={},", tickets * RACERS);
    assert!(void > 0 || taken.unwrap().contains(&calls), "{taken:?}");
}

/// How many were won on each node, and how many were void. One that is void is raced again.
async fn run(
    mut mint: Mint,
    nodes: [SocketAddr; 2],
    tickets: usize,
    started: Arc<AtomicUsize>,
) -> ([usize; 2], usize) {
    let (mut won, mut void) = ([0; 2], 0);
    while started.fetch_add(1, Ordering::Relaxed) < tickets {
        loop {
            let ticket = mint.ticket().await;
            let race = tokio::time::timeout(Duration::from_secs(60), race(&ticket, nodes));
            match race.await.expect("nobody answers") {
                Some(node) => {
                    won[node] += 1;
                    break;
                }
                None => void += 1,
            }
            assert!(void <= tickets / MOST_VOID, "{void} void races");
        }
    }
    (won, void)
}

/// The number of the node on which the one winner was let in, or none if Redis was too slow for
/// one of them.
async fn race(ticket: &str, nodes: [SocketAddr; 2]) -> Option<usize> {
    let request = head(&format!("/ws/ticket?ticket={ticket}"), "");
    // All are connected before the first one asks.
    let connect = (0..RACERS).map(|racer| TcpStream::connect(nodes[racer % 2]));
    let sockets = futures_util::future::try_join_all(connect).await.unwrap();
    let racers = sockets
        .into_iter()
        .map(|socket| handshake(socket, &request));
    let ends = futures_util::future::join_all(racers).await;
    let let_in = |(_, end): &(usize, &End)| **end == End::LetIn;
    let mut winners = ends.iter().enumerate().filter(let_in);
    let winner = winners.next().map(|(racer, _)| racer % 2);
    assert!(winners.next().is_none(), "more than one: {ends:?}");
    if ends.contains(&End::Unavailable) {
        return None;
    }
    assert!(winner.is_some(), "nobody won: {ends:?}");
    winner
}

#[derive(Debug, PartialEq)]
enum End {
    LetIn,
    Refused,
    Unavailable,
}

/// The outcome of one racer. Any other answer is a failure.
async fn handshake(mut socket: TcpStream, request: &str) -> End {
    // Closed by a reset: 320,000 connections that linger would use up the ports of the machine.
    socket.set_zero_linger().unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::with_capacity(512);
    loop {
        let read = socket.read_buf(&mut answer).await.unwrap();
        // Bytes, because frames may follow a 101 in the same packet.
        if answer.starts_with(b"HTTP/1.1 101 ") {
            return End::LetIn;
        }
        if answer.starts_with(b"HTTP/1.1 401 ") && answer.ends_with(b"\r\n\r\nticket_invalid") {
            return End::Refused;
        }
        if answer.starts_with(b"HTTP/1.1 503 ") && answer.ends_with(b"\r\n\r\nunavailable") {
            return End::Unavailable;
        }
        let text = String::from_utf8_lossy(&answer);
        assert!(read > 0, "neither in nor refused: {text}");
    }
}

/// A connection on which one user asks for tickets.
struct Mint {
    socket: TcpStream,
    request: String,
}

impl Mint {
    async fn at(node: &Node, user: &str) -> Self {
        let cookie = node.login(user).await;
        Self {
            socket: TcpStream::connect(node.address).await.unwrap(),
            request: format!(
                "POST /ticket HTTP/1.1\r\nHost: chat\r\nCookie: {cookie}\r\nContent-Length: 0\r\n\r\n"
            ),
        }
    }

    async fn ticket(&mut self) -> String {
        self.socket
            .write_all(self.request.as_bytes())
            .await
            .unwrap();
        let mut answer = Vec::with_capacity(512);
        loop {
            let read = self.socket.read_buf(&mut answer).await.unwrap();
            let text = std::str::from_utf8(&answer).unwrap();
            if let Some((_, body)) = text.split_once("\r\n\r\n")
                && body.ends_with('}')
            {
                let body: Value = serde_json::from_str(body).unwrap();
                return body["ticket"].as_str().unwrap().to_owned();
            }
            assert!(read > 0, "{text}");
        }
    }
}
