//! Leases, from their handshake to their end, under every interleaving of three threads.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p tower-ws-auth-socket --test loom --release`
#![cfg(loom)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may panic, its helpers too"
)]

use std::convert::Infallible;
use std::future::ready;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use loom::thread;
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, Service, service_fn};
use tower_ws_auth_core::{
    Clock, DisconnectReason, Grant, MemoryRevocations, Rejection, Revocations,
};
use tower_ws_auth_socket::lease::{Lease, LeaseLayer, Leases, OverLimit};

/// What the clock shows, in seconds.
const NOW: u64 = 1000;

/// A node, and the runtime that its tasks are on, which moves when somebody lets it.
struct Node {
    layer: LeaseLayer,
    revocations: Revocations,
    runtime: Arc<Runtime>,
    /// One for each configuration that is left: of the layer, and of every lease.
    alive: Arc<()>,
}

impl Node {
    fn new(runtime: &Arc<Runtime>, configure: impl FnOnce(LeaseLayer) -> LeaseLayer) -> Self {
        let memory = MemoryRevocations::new(Duration::from_secs(3600), 100);
        let revocations = Revocations::with_clock(memory, Clock::fixed(NOW));
        let alive = Arc::new(());
        let held = Arc::clone(&alive);
        let layer = LeaseLayer::new(revocations.clone())
            .clock(Clock::fixed(NOW))
            .cooperative()
            .close_with(move |reason| {
                let _held = &held;
                tower_ws_auth_socket::protocol::ClientProtocol::plain().disconnect(reason)
            });
        Self {
            layer: configure(layer),
            revocations,
            runtime: Arc::clone(runtime),
            alive,
        }
    }

    fn client(&self) -> Client {
        Client {
            layer: self.layer.clone(),
            revocations: self.revocations.clone(),
            runtime: Arc::clone(&self.runtime),
        }
    }

    /// Nothing is open, nothing is registered, and nobody holds a lease.
    fn is_left_empty(self) {
        assert!(self.layer.leases().is_empty());
        assert!(self.revocations.is_empty());
        drop((self.layer, self.revocations));
        assert_eq!(Arc::strong_count(&self.alive), 1, "a lease is left");
    }
}

/// Somebody on a thread.
#[derive(Clone)]
struct Client {
    layer: LeaseLayer,
    revocations: Revocations,
    runtime: Arc<Runtime>,
}

impl Client {
    /// A handshake: the lease as its handler has it, or what it is refused as.
    fn open(&self, grant: Grant<()>) -> Result<Lease, &'static str> {
        let mut service = self.layer.layer(service_fn(|request: Request<()>| {
            let lease = request.extensions().get::<Lease>().cloned().unwrap();
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            response.extensions_mut().insert(lease);
            ready(Ok::<_, Infallible>(response))
        }));
        let mut request = Request::new(());
        request.extensions_mut().insert(grant.into_parts().1);
        let mut response = now(service.call(request)).unwrap();
        let extensions = response.extensions_mut();
        extensions
            .remove()
            .ok_or_else(|| extensions.get::<Rejection>().unwrap().reason())
    }

    fn revoke(&self, key: &str) {
        now(self.revocations.revoke(key, DisconnectReason::Revoked)).unwrap();
    }

    fn leases(&self) -> Leases {
        self.layer.leases()
    }

    /// Lets what waits for the ends of leases have some turns.
    fn time_passes(&self) {
        self.runtime.block_on(async {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
        });
    }
}

/// Nobody waits here: the store is in memory.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("it waits"),
    }
}

/// Of a credential from before every revocation.
fn grant(key: &str) -> Grant<()> {
    Grant::new(())
        .issued_at(Clock::at(NOW - 100))
        .revocable_by(key)
}

/// Every interleaving of up to so many preemptions: all of them would take hours.
const PREEMPTIONS: usize = 3;

/// With a runtime for each, on which all threads of the model are: it has one thread of the system.
fn model(of: impl Fn(&Arc<Runtime>) + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(PREEMPTIONS);
    model.check(move || {
        let runtime = Builder::new_current_thread().enable_time().build();
        let runtime = Arc::new(runtime.unwrap());
        let _entered = runtime.enter();
        of(&runtime);
    });
}

#[test]
fn a_handshake_is_refused_or_ended_when_its_key_is_revoked_while_another_goes() {
    model(|runtime| {
        let node = Node::new(runtime, |layer| layer);
        let other = node.client().open(grant("user:ada")).unwrap();
        let opening = {
            let client = node.client();
            thread::spawn(move || client.open(grant("user:ada")))
        };
        let going = thread::spawn(move || drop(other));
        node.client().revoke("user:ada");
        going.join().unwrap();
        match opening.join().unwrap() {
            Err(token) => assert_eq!(token, "token_invalid"),
            Ok(lease) => {
                assert_eq!(lease.disconnect_reason(), Some(&DisconnectReason::Revoked));
                assert_eq!(now(lease.ended()), DisconnectReason::Revoked);
                assert_eq!(node.layer.leases().len(), 1);
            }
        }
        node.is_left_empty();
    });
}

#[test]
fn of_three_who_end_a_lease_one_does_and_his_reason_stays() {
    model(|runtime| {
        let node = Node::new(runtime, |layer| layer);
        let lease = node.client().open(grant("user:ada")).unwrap();
        let saying = DisconnectReason::application(4999, "bye").unwrap();
        let handler = {
            let (lease, saying) = (lease.clone(), saying.clone());
            thread::spawn(move || lease.end(&saying))
        };
        let revoking = {
            let client = node.client();
            thread::spawn(move || client.revoke("user:ada"))
        };
        let by_server = now(node.client().leases().end_all(&DisconnectReason::GoingAway));
        let first = lease.disconnect_reason().cloned();
        let by_handler = handler.join().unwrap();
        revoking.join().unwrap();
        let reason = lease.disconnect_reason().cloned();
        assert_eq!(first.or_else(|| reason.clone()), reason);
        let by_whom = match (by_server, by_handler) {
            (1, false) => DisconnectReason::GoingAway,
            (0, true) => saying,
            (0, false) => DisconnectReason::Revoked,
            (server, handler) => panic!("ended twice: {server}, {handler}"),
        };
        assert_eq!(reason, Some(by_whom));
        drop(lease);
        node.is_left_empty();
    });
}

#[test]
fn a_lease_whose_time_has_come_is_ended_or_renewed_and_not_both() {
    model(|runtime| {
        let node = Node::new(runtime, |layer| layer);
        let until = Clock::at(NOW);
        let lease = node.client().open(grant("token:1").until(until)).unwrap();
        let waiting = {
            let client = node.client();
            thread::spawn(move || client.time_passes())
        };
        let revoking = {
            let client = node.client();
            thread::spawn(move || client.revoke("token:1"))
        };
        let renewed = now(lease.renew(grant("token:2"), |()| true));
        waiting.join().unwrap();
        revoking.join().unwrap();
        match (&renewed, lease.disconnect_reason()) {
            // Its old key was revoked, or its old time had come, before it was renewed.
            (Err(rejection), Some(DisconnectReason::TokenExpired | DisconnectReason::Revoked)) => {
                assert_eq!(rejection.reason(), "token_expired");
            }
            // The revocation found the old key in the moment of the renewal.
            (Ok(()), None | Some(DisconnectReason::Revoked)) => {
                assert_eq!(lease.until(), None);
            }
            other => panic!("{other:?}"),
        }
        // Nor is it renewed once it has ended.
        if lease.disconnect_reason().is_some() {
            let late = now(lease.renew(grant("token:3"), |()| true));
            assert_eq!(late.unwrap_err().reason(), "token_expired");
        }
        drop(lease);
        node.is_left_empty();
    });
}

/// The one who waited for the ends of others may be just about to go.
fn late_comer(first_until: u64) {
    model(move |runtime| {
        let node = Node::new(runtime, |layer| layer);
        let of = |until| grant("user:ada").until(Clock::at(until));
        let first = node.client().open(of(first_until)).unwrap();
        let waiting = {
            let client = node.client();
            thread::spawn(move || client.time_passes())
        };
        let going = thread::spawn(move || drop(first));
        let late = node.client().open(of(NOW)).unwrap();
        waiting.join().unwrap();
        going.join().unwrap();
        node.client().time_passes();
        assert_eq!(
            late.disconnect_reason(),
            Some(&DisconnectReason::TokenExpired)
        );
        drop(late);
        node.is_left_empty();
    });
}

#[test]
fn who_comes_while_the_last_one_goes_is_ended_in_time() {
    late_comer(NOW);
    late_comer(NOW + 1000);
}

#[test]
fn a_renewal_is_refused_or_ended_when_its_new_key_is_revoked_and_its_handler_goes() {
    model(|runtime| {
        let node = Node::new(runtime, |layer| layer);
        let lease = node.client().open(grant("token:1")).unwrap();
        let seen = lease.clone();
        let renewing = thread::spawn(move || now(lease.renew(grant("token:2"), |()| true)));
        let going = thread::spawn(move || drop(seen));
        node.client().revoke("token:2");
        let renewed = renewing.join().unwrap();
        going.join().unwrap();
        if let Err(rejection) = renewed {
            assert!(["token_invalid", "token_expired"].contains(&rejection.reason()));
        }
        node.is_left_empty();
    });
}

/// How many of those under `user:ada` have not been told to go.
fn open(leases: &[Result<Lease, &'static str>]) -> usize {
    let accepted = leases.iter().flatten();
    accepted
        .filter(|lease| lease.disconnect_reason().is_none())
        .count()
}

/// Two come at once where one may be open, while the one that was there goes or stays.
fn two_come(over_limit: OverLimit, goes: bool, judge: impl Fn(usize) + Send + Sync + 'static) {
    model(move |runtime| {
        let node = Node::new(runtime, |layer| {
            layer.max_connections(1, "user:", over_limit)
        });
        let there = node.client().open(grant("user:ada"));
        let come = || {
            let client = node.client();
            thread::spawn(move || client.open(grant("user:ada")))
        };
        let (first, second) = (come(), come());
        let there = (!goes).then_some(there);
        let mut leases = vec![first.join().unwrap(), second.join().unwrap()];
        leases.extend(there);
        judge(open(&leases));
        drop(leases);
        node.is_left_empty();
    });
}

#[test]
fn of_two_who_come_at_once_no_more_than_may_are_open_and_the_newest_are_refused() {
    two_come(OverLimit::RefuseNewest, false, |open| assert_eq!(open, 1));
    two_come(OverLimit::RefuseNewest, true, |open| assert!(open <= 1));
}

#[test]
fn of_two_who_come_at_once_no_more_than_may_are_open_and_the_oldest_are_ended() {
    two_come(OverLimit::EndOldest, false, |open| assert_eq!(open, 1));
    two_come(OverLimit::EndOldest, true, |open| assert_eq!(open, 1));
}

/// Two connections that are open ask for the one place under a key, each by a renewal.
fn two_renew(over_limit: OverLimit, judge: impl Fn([bool; 2], usize) + Send + Sync + 'static) {
    model(move |runtime| {
        let node = Node::new(runtime, |layer| {
            layer.max_connections(1, "room:", over_limit)
        });
        let [first, second] = ["token:1", "token:2"].map(|key| {
            let lease = node.client().open(grant(key)).unwrap();
            thread::spawn(move || {
                let renewed = now(lease.renew(grant("room:1"), |()| true));
                (lease, renewed.is_ok())
            })
        });
        let (first, renewed_first) = first.join().unwrap();
        let (second, renewed_second) = second.join().unwrap();
        let leases = [Ok(first), Ok(second)];
        judge([renewed_first, renewed_second], open(&leases));
        assert_eq!(
            node.revocations.count("room:1"),
            usize::from(renewed_first) + usize::from(renewed_second)
        );
        drop(leases);
        node.is_left_empty();
    });
}

#[test]
fn of_two_who_renew_to_one_key_at_once_no_more_than_may_are_open_under_it() {
    two_renew(OverLimit::RefuseNewest, |renewed, open| {
        assert_eq!(renewed.into_iter().filter(|renewed| *renewed).count(), 1);
        // Who is refused keeps what it had.
        assert_eq!(open, 2);
    });
    two_renew(OverLimit::EndOldest, |renewed, open| {
        assert_eq!((renewed, open), ([true; 2], 1));
    });
}
