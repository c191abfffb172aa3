//! The memory store, under every interleaving of three threads.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p tower-ws-auth-ticket --test loom --release`
#![cfg(loom)]
#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use loom::thread;
use tower_ws_auth_core::Clock;
use tower_ws_auth_ticket::{MemoryTickets, PutError, TicketKey};

const TTL: Duration = Duration::from_secs(30);

/// A store of one shard or few, 10 seconds into a period, and its clock. The clock is outside of
/// loom: its time depends on the interleaving alone.
fn store(capacity: usize, per_subject: u32) -> (MemoryTickets, Arc<AtomicU64>) {
    let seconds = Arc::new(AtomicU64::new(3010));
    let shown = Arc::clone(&seconds);
    let store = MemoryTickets::builder()
        .capacity(capacity)
        .per_subject(per_subject)
        .max_ttl(TTL)
        .clock(Clock::from_fn(move || {
            Clock::at(shown.load(Ordering::Relaxed))
        }))
        .build()
        .unwrap();
    (store, seconds)
}

fn key(n: u8) -> TicketKey {
    TicketKey::digest("loom", &[&[n]])
}

#[test]
fn of_three_concurrent_takes_one_gets_it() {
    loom::model(|| {
        let (store, _) = store(1, 1);
        store.issue_now(key(1), vec![7], Some("ada"), TTL).unwrap();
        let take = || {
            let store = store.clone();
            thread::spawn(move || store.take_now(key(1)))
        };
        let (first, second) = (take(), take());
        let third = store.take_now(key(1));
        let taken = [first.join().unwrap(), second.join().unwrap(), third];
        assert_eq!(taken.iter().flatten().count(), 1);
        assert_eq!(store.outstanding(), 0);
        // Its place and its subject's are free.
        store.issue_now(key(2), vec![7], Some("ada"), TTL).unwrap();
    });
}

#[test]
fn two_takes_during_a_swap_and_an_issue() {
    loom::model(|| {
        let (store, seconds) = store(1, 1);
        store.issue_now(key(1), vec![7], Some("ada"), TTL).unwrap();
        let take = || {
            let store = store.clone();
            thread::spawn(move || store.take_now(key(1)))
        };
        let (first, second) = (take(), take());
        // Still good, in what is now the previous generation.
        seconds.store(3035, Ordering::Relaxed);
        let issued = store.issue_now(key(2), vec![8], Some("ada"), TTL);
        // The one place was free if the ticket had been taken, and its place handed back.
        assert!(matches!(
            issued,
            Ok(()) | Err(PutError::Full | PutError::SubjectFull)
        ));
        let taken = [first.join().unwrap(), second.join().unwrap()];
        assert_eq!(taken.iter().flatten().count(), 1);
        assert_eq!(store.outstanding(), usize::from(issued.is_ok()));
        assert_eq!(store.take_now(key(2)).is_some(), issued.is_ok());
        assert_eq!(store.outstanding(), 0);
    });
}

#[test]
fn two_issues_into_a_full_table() {
    // Of two shards, both in the first.
    let mut first = (0_u8..).map(key).filter(|key| key.as_bytes()[15] % 2 == 0);
    let keys = [first.next().unwrap(), first.next().unwrap()];
    loom::model(move || {
        let (store, _) = store(2, 2);
        let issue = move |store: &MemoryTickets, at: u8| {
            let key = keys[usize::from(at)];
            store.issue_now(key, vec![at; 40], Some("ada"), TTL)
        };
        let other = {
            let store = store.clone();
            thread::spawn(move || {
                issue(&store, 1).unwrap();
                store.take_now(keys[1])
            })
        };
        issue(&store, 0).unwrap();
        assert_eq!(other.join().unwrap(), Some(vec![1; 40]));
        assert_eq!(store.take_now(keys[0]), Some(vec![0; 40]));
        assert_eq!(store.outstanding(), 0);
    });
}

#[test]
fn one_takes_while_the_ticket_expires_and_another_issues() {
    loom::model(|| {
        let (store, seconds) = store(2, 2);
        store.issue_now(key(1), vec![7], Some("ada"), TTL).unwrap();
        let taker = {
            let store = store.clone();
            thread::spawn(move || store.take_now(key(1)))
        };
        let issuer = {
            let store = store.clone();
            thread::spawn(move || store.issue_now(key(2), vec![8], Some("ada"), TTL))
        };
        // Two periods on: the next operation drops both generations.
        seconds.store(3070, Ordering::Relaxed);
        let missed = store.take_now(key(3));
        assert!(missed.is_none());
        taker.join().unwrap();
        issuer.join().unwrap().unwrap();
        store.take_now(key(2));
        store.take_now(key(1));
        // In no order was a place lost or returned twice.
        assert_eq!(store.outstanding(), 0);
        store.issue_now(key(4), vec![9], Some("ada"), TTL).unwrap();
        store.issue_now(key(5), vec![9], Some("ada"), TTL).unwrap();
        let third = store.issue_now(key(6), vec![9], Some("ada"), TTL);
        assert!(third.is_err());
    });
}

#[test]
fn of_two_claims_while_the_first_expires_one_is_first() {
    loom::model(|| {
        let (store, seconds) = store(3, 1);
        assert!(store.claim_now(key(1), TTL).unwrap());
        seconds.store(3040, Ordering::Relaxed);
        let other = {
            let store = store.clone();
            thread::spawn(move || store.claim_now(key(1), TTL).unwrap())
        };
        let one = store.claim_now(key(1), TTL).unwrap();
        assert!(one ^ other.join().unwrap());
        assert_eq!(store.outstanding(), 1);
    });
}
