//! How long takes and handshakes wait while Redis does half of what it can.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::runtime::Runtime;
use tokio::time::{MissedTickBehavior, interval};
use tower_ws_auth::redis::RedisTickets;
use tower_ws_auth::ticket::{Purpose, TicketKey, TicketRequest, TicketStore as _, Tickets};

use super::{Nodes, issue, store};
use crate::SESSION_USER;
use crate::rows::socket::listen;
use crate::rows::whole::{by_ticket, page};

/// The time of the load.
const LOAD: Duration = Duration::from_secs(4);
/// The takes in flight.
const MOST: usize = 1000;
/// Handshakes a second beside it.
const HANDSHAKES: u32 = 250;

/// Percentiles, in seconds.
pub(super) struct Half {
    /// Takes a second.
    pub(super) rate: f64,
    pub(super) take: f64,
    pub(super) beside: f64,
    pub(super) alone: f64,
}

/// A server of its own takes tickets for handshakes, while this runtime takes others at the rate.
pub(super) fn at_half(runtime: &Runtime, nodes: &Nodes, load: &RedisTickets, rate: f64) -> Half {
    let urls = nodes.urls();
    let (address, _) = listen(move || by_ticket(Tickets::builder(store(&urls)).build().unwrap()));
    let requests = |seconds: Duration| {
        let count = seconds.as_secs() * u64::from(HANDSHAKES);
        let tickets: Tickets<String> = Tickets::builder(load.clone()).build().unwrap();
        runtime.block_on(async {
            let mut requests = Vec::new();
            for _ in 0..count {
                let order = TicketRequest::new(SESSION_USER.to_owned(), Purpose::handshake());
                let issued = tickets.issue(order).await.unwrap();
                requests.push(page(&format!("/ws?ticket={}", issued.ticket()), ""));
            }
            requests
        })
    };
    let second = Duration::from_secs(1);
    // The server connects to Redis.
    handshakes(address, requests(second));
    let alone = requests(LOAD);
    let alone = handshakes(address, alone);
    let beside = requests(LOAD);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few hundred thousand"
    )]
    let count = (rate * (LOAD + second).as_secs_f64()) as u32;
    let keys = runtime.block_on(issue(load, count, None));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let handshakes = scope.spawn(|| {
            let took = handshakes(address, beside);
            over.store(true, Ordering::Relaxed);
            took
        });
        let (rate, take) = runtime.block_on(takes(load, keys, rate, &over));
        Half {
            rate,
            take,
            beside: handshakes.join().unwrap(),
            alone,
        }
    })
}

/// The rate and the percentile of takes at about this rate, until it is over or no ticket is left.
async fn takes(
    store: &RedisTickets,
    mut keys: VecDeque<TicketKey>,
    rate: f64,
    over: &AtomicBool,
) -> (f64, f64) {
    let mut taking = FuturesUnordered::new();
    let mut took = Vec::new();
    let mut steps = interval(Duration::from_millis(1));
    steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let began = Instant::now();
    let mut sent = 0.0;
    loop {
        tokio::select! {
            _ = steps.tick() => {
                if over.load(Ordering::Relaxed) || keys.is_empty() {
                    break;
                }
                let due = began.elapsed().as_secs_f64() * rate;
                // A machine that cannot keep up has a lower rate, and no queue without end.
                while sent < due && taking.len() < MOST && let Some(key) = keys.pop_front() {
                    sent += 1.0;
                    taking.push(async move {
                        let began = Instant::now();
                        assert!(store.take(key).await.unwrap().is_some());
                        began.elapsed().as_secs_f64()
                    });
                }
            }
            Some(seconds) = taking.next() => took.push(seconds),
        }
    }
    let rate = f64::from(u32::try_from(took.len()).unwrap()) / began.elapsed().as_secs_f64();
    (rate, percentile(took))
}

/// The percentile of handshakes at the rate, each with a ticket of its own.
fn handshakes(address: SocketAddr, requests: Vec<&'static [u8]>) -> f64 {
    let pause = Duration::from_secs(1) / HANDSHAKES;
    let mut next = Instant::now();
    let took = requests.into_iter().map(|request| {
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        next += pause;
        let began = Instant::now();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = [0; 256];
        let count = stream.read(&mut answer).unwrap();
        assert!(answer[..count].starts_with(b"HTTP/1.1 101"));
        began.elapsed().as_secs_f64()
    });
    percentile(took.collect())
}

fn percentile(mut took: Vec<f64>) -> f64 {
    took.sort_by(f64::total_cmp);
    took[took.len() * 99 / 100]
}
