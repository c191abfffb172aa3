//! The registry of connections that can be revoked, under every interleaving of three threads.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p tower-ws-auth-core --test loom --release`
#![cfg(loom)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may panic, its helpers too"
)]

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use loom::thread;
use tower_ws_auth_core::private::{Listener, Watch};
use tower_ws_auth_core::{
    Clock, DisconnectReason, Grant, MemoryRevocations, Rejection, Revocations, Validity,
};

fn revocations() -> Revocations {
    let memory = MemoryRevocations::new(Duration::from_secs(3600), 100);
    Revocations::with_clock(memory, Clock::fixed(1000))
}

/// Of a credential from before every revocation.
fn validity(keys: &[&str]) -> Validity {
    let grant = Grant::new(()).issued_at(Clock::at(900));
    let grant = keys
        .iter()
        .fold(grant, |grant, key| grant.revocable_by(*key));
    grant.into_parts().1
}

/// The store is in memory, so nothing waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("it waits"),
    }
}

/// Counts how often a connection was told that it is over.
#[derive(Debug, Default)]
struct Told(AtomicUsize);

impl Told {
    fn times(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Listener for Told {
    fn ended(&self, reason: &DisconnectReason) {
        assert_eq!(*reason, DisconnectReason::Revoked);
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A handshake, and what its connection was told.
fn handshake(revocations: &Revocations, keys: &[&str]) -> Result<(Watch, Arc<Told>), Rejection> {
    let watch = now(revocations.watch(&validity(keys)))?;
    let told = Arc::new(Told::default());
    let listener: Weak<Told> = Arc::downgrade(&told);
    watch.connection().listen(listener);
    Ok((watch, told))
}

fn revoke(revocations: &Revocations, key: &str) {
    now(revocations.revoke(key, DisconnectReason::Revoked)).unwrap();
}

/// It was refused, or it has heard of it, once.
fn has_ended(met: Result<(Watch, Arc<Told>), Rejection>) {
    match met {
        Err(rejection) => assert_eq!(rejection.reason(), "token_invalid"),
        Ok((watch, told)) => {
            assert_eq!(
                watch.connection().disconnect_reason(),
                Some(DisconnectReason::Revoked)
            );
            assert_eq!(told.times(), 1);
        }
    }
}

#[test]
fn a_handshake_is_refused_or_hears_of_it_when_its_key_is_revoked_meanwhile() {
    loom::model(|| {
        let revocations = revocations();
        let registering = {
            let revocations = revocations.clone();
            thread::spawn(move || handshake(&revocations, &["user:ada"]))
        };
        let coming_and_going = {
            let revocations = revocations.clone();
            thread::spawn(move || drop(now(revocations.watch(&validity(&["user:ada"])))))
        };
        revoke(&revocations, "user:ada");
        coming_and_going.join().unwrap();
        has_ended(registering.join().unwrap());
        assert!(revocations.is_empty());
        // A later handshake is refused.
        assert!(handshake(&revocations, &["user:ada"]).is_err());
        assert!(revocations.is_empty());
    });
}

#[test]
fn of_two_keys_that_are_revoked_at_once_each_is_enough_and_one_is_told() {
    // Twice the locks: every interleaving would take minutes, those of up to three preemptions do not.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let revocations = revocations();
        let other = {
            let revocations = revocations.clone();
            thread::spawn(move || revoke(&revocations, "session:7"))
        };
        let registering = {
            let revocations = revocations.clone();
            thread::spawn(move || handshake(&revocations, &["user:ada", "session:7"]))
        };
        revoke(&revocations, "user:ada");
        other.join().unwrap();
        has_ended(registering.join().unwrap());
        assert!(revocations.is_empty());
    });
}

#[test]
fn three_come_and_go_under_one_key_and_nothing_remains() {
    loom::model(|| {
        let revocations = revocations();
        let first = now(revocations.watch(&validity(&["user:ada"]))).unwrap();
        let other = {
            let revocations = revocations.clone();
            thread::spawn(move || {
                let watch = now(revocations.watch(&validity(&["user:ada"]))).unwrap();
                assert!(revocations.count("user:ada") >= 1);
                drop(watch);
            })
        };
        let going = thread::spawn(move || drop(first));
        let last = now(revocations.watch(&validity(&["user:ada"]))).unwrap();
        assert!(
            revocations
                .connections("user:ada")
                .iter()
                .any(|open| open.id() == last.connection().id())
        );
        other.join().unwrap();
        going.join().unwrap();
        assert_eq!(revocations.count("user:ada"), 1);
        drop(last);
        assert!(revocations.is_empty());
    });
}

#[test]
fn a_connection_that_is_ended_by_two_while_it_begins_to_listen_is_told_once() {
    loom::model(|| {
        let revocations = revocations();
        let watch = now(revocations.watch(&validity(&["user:ada"]))).unwrap();
        let end = |revocations: &Revocations| {
            let revocations = revocations.clone();
            thread::spawn(move || now(revocations.end("user:ada", &DisconnectReason::Revoked)))
        };
        let (first, second) = (end(&revocations), end(&revocations));
        let told = Arc::new(Told::default());
        let listener: Weak<Told> = Arc::downgrade(&told);
        watch.connection().listen(listener);
        assert_eq!(first.join().unwrap() + second.join().unwrap(), 1);
        assert_eq!(told.times(), 1);
        drop(watch);
        assert!(revocations.is_empty());
    });
}
