//! Rows E7: two threads that share one stack, over one thread alone.
//!
//! Each thread has connections and a runtime of its own. They share what a server's threads share:
//! the strategy, its keys, the store, the registry and the lease clock. The sessions are one session,
//! and the grants have one key, so both threads want the same shard. Beside them stand two threads
//! that share nothing but the machine: if these hinder each other, it has no two quiet cores, and
//! nothing is measured.

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use tower_ws_auth::ticket::MemoryTickets;

use super::accept::{leased_under_one_key, request, stack};
use super::connection::Says;
use super::cookie::sessions;
use super::socket::runtime;
use super::tickets::digest;
use super::whole::{by_session, by_ticket, in_memory, tickets, with_cookie};
use crate::Case;

const ROUNDS: usize = 9;
/// The calls of each thread in a round.
const CALLS: usize = 1000;
/// How much longer two threads that share nothing may take, on two quiet cores.
const QUIET: f64 = 1.1;
const TTL: Duration = Duration::from_secs(30);

pub(super) fn cases() -> Vec<Case> {
    vec![
        // The machine's own share of the other rows.
        Case::number("two/apart", || two(apart)).slow(),
        Case::number("two/jwt", || {
            let service = within(stack);
            two(|_| in_memory(|| service.clone(), vec![request(true)], Says::Nothing))
        })
        .slow(),
        Case::number("two/lease", || {
            let service = within(leased_under_one_key);
            two(|_| in_memory(|| service.clone(), vec![request(true)], Says::Nothing))
        })
        .slow(),
        Case::number("two/session", || {
            let (sessions, pair) = sessions();
            let service = within(|| by_session(sessions));
            let request = with_cookie(&pair);
            two(|_| in_memory(|| service.clone(), vec![request], Says::Nothing))
        })
        .slow(),
        Case::number("two/ticket", || {
            // A thread takes its tickets alone and beside the other, in every round.
            let (tickets, requests) = tickets(2 * (2 * ROUNDS + 1) * CALLS);
            let service = within(|| by_ticket(tickets));
            let halves = requests.split_at(requests.len() / 2);
            let halves = [halves.0.to_vec(), halves.1.to_vec()];
            two(|thread| in_memory(|| service.clone(), halves[thread].clone(), Says::Nothing))
        })
        .slow(),
        Case::number("two/store", || {
            let store = Arc::new(MemoryTickets::new());
            two(|thread| {
                let store = Arc::clone(&store);
                let mut n = thread << 32;
                move || {
                    // So that a round lasts as long as that of a handshake.
                    for _ in 0..8 {
                        n += 1;
                        store.issue_now(digest(n), vec![7; 16], None, TTL).unwrap();
                        assert!(store.take_now(digest(n)).is_some());
                    }
                }
            })
        })
        .slow(),
    ]
}

/// A service that is made within a runtime.
fn within<S>(make: impl FnOnce() -> S) -> S {
    let runtime = runtime();
    let _entered = runtime.enter();
    make()
}

/// A stack of this thread's own.
fn apart(_: usize) -> impl FnMut() {
    in_memory(stack, vec![request(true)], Says::Nothing)
}

/// The time of a call beside another thread, over its time alone: the median of the rounds' ratios.
/// The first thread is measured both times.
fn two<F: FnMut()>(prepare: impl Fn(usize) -> F + Sync) -> f64 {
    let barrier = Barrier::new(2);
    let [shared, nothing] = std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut call, mut control) = (prepare(1), apart(1));
            for _ in 0..ROUNDS {
                beside(&barrier, &mut call);
                beside(&barrier, &mut control);
            }
        });
        let (mut call, mut control) = (prepare(0), apart(0));
        timed(&mut call);
        timed(&mut control);
        let mut ratios = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            ratios[0].push(over_alone(&barrier, &mut call));
            ratios[1].push(over_alone(&barrier, &mut control));
        }
        ratios.map(median)
    });
    assert!(
        nothing < QUIET,
        "no two quiet cores: threads that share nothing take {nothing:.2} times as long together"
    );
    shared
}

/// The first thread's time beside the second one, over its time alone.
fn over_alone(barrier: &Barrier, call: &mut impl FnMut()) -> f64 {
    barrier.wait();
    let alone = timed(call);
    barrier.wait();
    let beside = timed(call);
    barrier.wait();
    beside / alone
}

/// What the second thread does meanwhile.
fn beside(barrier: &Barrier, call: &mut impl FnMut()) {
    barrier.wait();
    // The first is alone.
    barrier.wait();
    timed(call);
    barrier.wait();
}

fn median(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios[ROUNDS / 2]
}

fn timed(call: &mut impl FnMut()) -> f64 {
    let began = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    began.elapsed().as_secs_f64()
}
