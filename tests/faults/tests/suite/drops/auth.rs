//! The handshake's decision, by each strategy that asks a store.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Request;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use tower::{Layer, Service};
use tower_ws_auth::private::Watch;
use tower_ws_auth::session::{MemorySessions, Secrets, Sessions};
use tower_ws_auth::ticket::{MemoryTickets, Purpose, TicketLayer, TicketRequest, Tickets};
use tower_ws_auth::{
    AuthLayer, Authenticate, AuthenticateExt, DisconnectReason, Grant, MemoryRevocations, Origins,
    Rejection, Revocations, Validity,
};

use super::inner::{Inner, SERVICE_WAITS, handshake, never_called, refused_as};
use super::slow::{Slow, WAITS};
use super::steps::{everywhere, interrupted, polled, waits};

fn tickets(store: &MemoryTickets, acts_after: usize) -> Tickets<String> {
    let store = Slow::new(store.clone(), acts_after);
    Tickets::builder(Arc::new(store)).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_ticket_opens_one_connection_at_most_wherever_its_handshake_is_dropped() {
    for acts_after in 0..=WAITS {
        let memory = MemoryTickets::new();
        let tickets = tickets(&memory, acts_after);
        let inner = Inner::default();
        let mut service = TicketLayer::new(tickets.strategy()).layer(inner.service());
        let (mut spent, mut spared) = (0, 0);
        let places = everywhere(async |polls| {
            let order = TicketRequest::new("ada".to_owned(), Purpose::handshake());
            let issued = tickets.issue(order).await.unwrap();
            let uri = format!("/ws?ticket={}", issued.ticket());
            let before = inner.calls();

            let first = polled(service.call(handshake(&uri)), polls).await;
            let called = inner.calls() - before;
            assert_eq!(called, usize::from(polls > WAITS), "after {polls} polls");
            if let Some(first) = &first {
                assert_eq!((refused_as(first.as_ref().unwrap()), called), (None, 1));
            }

            let second = service.call(handshake(&uri)).await.unwrap();
            let accepted = match refused_as(&second) {
                None => 1,
                token => {
                    assert_eq!(token, Some("ticket_invalid"));
                    0
                }
            };
            assert_eq!(inner.calls() - before, called + accepted);
            assert!(called + accepted <= 1, "used twice after {polls} polls");
            // Spent by the first or by the second, and its place is free.
            assert_eq!(memory.outstanding(), 0);
            spent += usize::from(accepted == 0 && first.is_none());
            spared += accepted;
            first.is_some()
        })
        .await;
        assert_eq!(places, WAITS + SERVICE_WAITS);
        // It was dropped before the store had acted, and after.
        assert_eq!(
            (spared, spent),
            (acts_after + usize::from(acts_after > 0), {
                let dropped = places + 1;
                dropped - acts_after - usize::from(acts_after > 0)
            })
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_ticket_for_another_purpose_reaches_no_service_and_is_not_spent() {
    let memory = MemoryTickets::new();
    for acts_after in 0..=WAITS {
        let tickets = tickets(&memory, acts_after);
        let order = TicketRequest::new("ada".to_owned(), Purpose::channel("lobby"));
        let issued = tickets.issue(order).await.unwrap();
        let uri = format!("/ws?ticket={}", issued.ticket());
        let places = never_called(tickets.strategy(), || handshake(&uri), "ticket_invalid").await;
        assert_eq!(places, WAITS);
        let taken = tickets.take_for_channel(issued.ticket(), "lobby").await;
        assert_eq!(taken.unwrap().identity(), "ada");
    }
}

#[derive(Serialize, Deserialize)]
struct Record {
    user: Option<String>,
}

async fn session(user: Option<&str>, acts_after: usize) -> (Sessions<Record>, String) {
    let secrets = Secrets::express(["a random secret of some length"]).unwrap();
    let store = Slow::new(MemorySessions::new(10), acts_after);
    let sessions = Sessions::<Record>::builder(secrets, store).build().unwrap();
    let user = user.map(str::to_owned);
    let (_, cookie) = sessions.create(&Record { user }).await.unwrap();
    let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
    (sessions, cookie.to_owned())
}

fn with_cookie(cookie: &str) -> Request<()> {
    let mut request = handshake("/ws");
    request
        .headers_mut()
        .insert("cookie", cookie.parse().unwrap());
    request
}

fn origins() -> Origins {
    Origins::new(["https://app.example"]).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_session_survives_every_handshake_that_is_dropped() {
    for rolling in [false, true] {
        let asks = if rolling { 2 } else { 1 };
        for acts_after in 0..=WAITS {
            let (sessions, cookie) = session(Some("ada"), acts_after).await;
            let strategy = sessions.strategy(origins(), |record| record.user.clone());
            let strategy = if rolling {
                strategy.rolling()
            } else {
                strategy
            };
            let inner = Inner::default();
            let mut service = AuthLayer::new(strategy).layer(inner.service());
            let places = everywhere(async |polls| {
                let before = inner.calls();
                let first = polled(service.call(with_cookie(&cookie)), polls).await;
                let called = inner.calls() - before;
                assert_eq!(called, usize::from(polls > asks * WAITS));
                let second = service.call(with_cookie(&cookie)).await.unwrap();
                assert_eq!(refused_as(&second), None);
                first.is_some()
            })
            .await;
            assert_eq!(places, asks * WAITS + SERVICE_WAITS);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_not_logged_in_reaches_no_service() {
    for acts_after in 0..=WAITS {
        let (sessions, cookie) = session(None, acts_after).await;
        let strategy = sessions.strategy(origins(), |record| record.user.clone());
        let strategy = strategy.rolling();
        let places = never_called(strategy, || with_cookie(&cookie), "session_invalid").await;
        assert_eq!(places, WAITS);
    }
}

/// Ada, by a token of this moment that needs a while to be looked at.
fn ada() -> impl Authenticate<Identity = &'static str> {
    |_: &mut Parts| {
        let issued_at = SystemTime::now();
        async move {
            waits(1).await;
            let grant = Grant::new("ada").issued_at(issued_at);
            Ok::<_, Rejection>(grant.revocable_by("user:ada").revocable_by("session:7"))
        }
    }
}

/// In how many places such a handshake waits for its decision: once for the strategy, and then for
/// the store.
const DECISION_WAITS: usize = 1 + WAITS;

fn revocations(acts_after: usize) -> Revocations {
    let memory = MemoryRevocations::new(Duration::from_secs(3600), 100);
    Revocations::new(Slow::new(memory, acts_after))
}

#[tokio::test(start_paused = true)]
async fn no_connection_stays_registered_wherever_its_handshake_is_dropped() {
    for acts_after in 0..=WAITS {
        let revocations = revocations(acts_after);
        let inner = Inner::default();
        let strategy = ada().revocable(revocations.clone());
        let mut service = AuthLayer::new(strategy).layer(inner.service());
        let places = everywhere(async |polls| {
            let before = inner.calls();
            let answer = polled(service.call(handshake("/ws")), polls).await;
            let called = inner.calls() - before;
            assert_eq!(called, usize::from(polls > DECISION_WAITS));
            let done = answer.is_some();
            drop(answer);
            assert!(revocations.is_empty(), "after {polls} polls");
            assert_eq!(revocations.count("user:ada"), 0);
            done
        })
        .await;
        assert_eq!(places, DECISION_WAITS + SERVICE_WAITS);
    }
}

#[tokio::test(start_paused = true)]
async fn a_revocation_at_any_place_refuses_the_handshake_or_ends_its_connection() {
    for acts_after in 0..=WAITS {
        let (mut refused, mut ended) = (0, 0);
        let places = everywhere(async |polls| {
            let revocations = revocations(acts_after);
            // The watch that the service keeps of its request.
            let (keep, mut kept) = tokio::sync::mpsc::unbounded_channel::<Watch>();
            let inner = tower::service_fn(move |mut request: Request<()>| {
                let validity = request.extensions_mut().get_mut::<Validity>().unwrap();
                keep.send(validity.take_watch().unwrap()).unwrap();
                async {
                    waits(SERVICE_WAITS).await;
                    Ok::<_, std::convert::Infallible>(http::Response::new(()))
                }
            });
            let strategy = ada().revocable(revocations.clone());
            let mut service = AuthLayer::new(strategy).layer(inner);
            let revoking = async {
                let revoked = revocations
                    .revoke("user:ada", DisconnectReason::Revoked)
                    .await;
                revoked.unwrap();
            };
            let handshake = service.call(handshake("/ws"));
            let (is_done, answer) = interrupted(handshake, polls, revoking).await;
            if let Some(token) = refused_as(&answer.unwrap()) {
                assert_eq!(token, "token_invalid");
                assert!(kept.try_recv().is_err(), "refused and called");
                assert!(revocations.is_empty());
                refused += 1;
            } else {
                let watch = kept.try_recv().unwrap();
                assert_eq!(
                    watch.connection().disconnect_reason(),
                    Some(DisconnectReason::Revoked)
                );
                drop(watch);
                assert!(revocations.is_empty());
                ended += 1;
            }
            is_done
        })
        .await;
        assert_eq!(places, DECISION_WAITS + SERVICE_WAITS);
        // Admitted handshakes heard of it, and all others were refused.
        assert_eq!((refused, ended), (DECISION_WAITS + 1, SERVICE_WAITS + 1));
    }
}
